//! Containers run as their image says: started by what podman's generator makes of the quadlet, by
//! `podman kube play` of the Pod, and by docker from the compose file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

use crate::common::docker::{self, Docker};
use crate::common::tool::{Containers, INSTALLED, run, tool};
use crate::nix::versions::{Nix, PROGRAMS, Version};

/// The programs and files of an image, in a store that is where its paths say.
struct Deployed {
    nix: Nix,
    image: &'static str,
    containers: Containers,
}

impl Deployed {
    /// Copies the image to podman, by its own program.
    fn new(image: &'static str) -> Self {
        let nix = Nix::new(Version::Newer);
        let containers = Containers::new(nix.folder());
        let deployed = Self { nix, image, containers };
        let copy = deployed.build("copyToPodman").join("bin/copy-to-podman");
        run(&mut deployed.containers.tool(copy.to_str().unwrap()));
        deployed
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.nix.in_place(program);
        let expressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix");
        command.args([expressions, "--arg", "programs"]).arg(&*PROGRAMS);
        command.arg("--arg").arg("debian").arg(Path::new(INSTALLED).join("s6"));
        if let Some(lib) = env::var_os("NIXPKGS_LIB") {
            command.arg("--arg").arg("lib").arg(Path::new(&lib).join("lib"));
        }
        command
    }

    #[track_caller]
    fn build(&self, attribute: &str) -> PathBuf {
        let attribute = format!("makeImage.deployed.{}.{attribute}", self.image);
        let mut build = self.command("nix-build");
        run(build.args(["--no-out-link", "--quiet", "--attr", &attribute])).trim().into()
    }

    /// The unit that podman's generator makes of the quadlet.
    fn unit(&self) -> String {
        let mut quadlet =
            tool(&format!("{INSTALLED}/podman-newer/root/usr/libexec/podman/quadlet"));
        run(quadlet.arg("-dryrun").env("QUADLET_UNIT_DIRS", self.build("deploy.quadlet")))
    }

    /// The arguments with which the unit starts podman.
    fn start(&self) -> Vec<String> {
        let unit = self.unit();
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let mut words = words(line).into_iter();
        assert_eq!(words.next().unwrap(), "/usr/bin/podman");
        // No systemd is there: to have a place for the container in its tree, to be told of its start,
        // and to be asked for a timer.
        words
            .filter(|word| {
                !word.starts_with("--cgroups=") && !word.starts_with("--sdnotify=") && word != "-d"
            })
            .collect()
    }
}

/// The words of a command line of systemd, with its quotes, escapes, specifiers and variables as the
/// generator writes them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = line.chars();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let word = words.last_mut().unwrap();
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            '\\' => match characters.next().unwrap() {
                'x' => {
                    let digits: String = characters.by_ref().take(2).collect();
                    word.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
                }
                'n' => word.push('\n'),
                same @ ('\\' | '"') => word.push(same),
                other => panic!("\\{other} in {line}"),
            },
            '%' => match characters.next().unwrap() {
                '%' => word.push('%'),
                'N' => word.push_str("unit"),
                other => panic!("%{other} in {line}"),
            },
            '$' => {
                assert_eq!(characters.next(), Some('$'), "a variable in {line}");
                word.push('$');
            }
            plain => word.push(plain),
        }
    }
    words
}

/// What the program says if it is restricted as the image asks. Without a network of its own, it
/// does not say from where it listens.
const RESTRICTED: &str = "CapBnd:\t0000000000000400\nCapEff:\t0000000000000400\nNoNewPrivs:\t1\n\
                          Seccomp:\t2\ncannot write /\nwrites /tmp\nwrites /var/lib/web\n\
                          writes /home/nonroot\nwrites /var/cache/my $app\n";

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_program_is_restricted_as_its_image_says() {
    let deployed = Deployed::new("one");
    the_quadlet_runs(&deployed);
    the_pod_runs(&deployed);
    docker_runs_the_compose_file(&deployed);
    labels_restrict(&deployed);
}

fn the_quadlet_runs(deployed: &Deployed) {
    let unit = deployed.unit();
    assert!(unit.contains("\nRestart=on-failure\n"), "{unit}");
    let start = deployed.start();
    let follows = |option: &str| {
        let at = start.iter().position(|word| word == option).unwrap();
        start[at + 1].as_str()
    };
    assert_eq!(follows("-v"), "web-data:/var/lib/web");
    let health: Vec<String> = serde_json::from_str(follows("--health-cmd")).unwrap();
    assert_eq!(health[1..], ["test", "a \"b\" $HOME %n \\"]);
    assert!(start.windows(2).any(|words| words == ["--publish", "127.0.0.1:5353:53/udp"]));
    let said = run(deployed.containers.tool("podman").args(&start));
    let expected = format!("{RESTRICTED}cannot mkdir\nlistens from 0\n");
    assert_eq!(sorted(&said), sorted(&expected), "{start:?}");
}

fn the_pod_runs(deployed: &Deployed) {
    let folder = deployed.build("deploy.kubernetes");
    let podman = |arguments: &[&str]| deployed.containers.podman(arguments);
    let mut document: Value =
        serde_json::from_slice(&fs::read(folder.join("pod.json")).unwrap()).unwrap();
    assert_eq!(document["spec"]["securityContext"]["sysctls"][0]["value"], "0");
    let container = &mut document["spec"]["containers"][0];
    // Ports need a network, which podman does not have here.
    let ports = container["ports"].take();
    assert_eq!(ports, json!([{ "containerPort": 80, "protocol": "TCP" }]));
    let context = &container["securityContext"];
    assert_eq!(
        context["seccompProfile"],
        json!({ "type": "Localhost", "localhostProfile": "web-seccomp.json" })
    );
    assert!(folder.join("web-seccomp.json").is_file());
    assert_eq!((&context["runAsUser"], &context["runAsNonRoot"]), (&json!(65532), &json!(true)));

    let pod = deployed.nix.folder().join("pod.json");
    fs::write(&pod, document.to_string()).unwrap();
    let pod = pod.to_str().unwrap();
    podman(&["kube", "play", "--quiet", "--network", "none", pod]);
    let id = podman(&["ps", "--all", "--quiet", "--filter", "name=web-web"]);
    podman(&["wait", id.trim()]);
    let said = podman(&["logs", id.trim()]);
    // podman knows neither its profile nor its settings of the kernel.
    let said = said.lines().filter(|line| !line.starts_with("listens") && !line.contains("mkdir"));
    let mut said: Vec<_> = said.collect();
    said.sort_unstable();
    assert_eq!(said, sorted(RESTRICTED));
    podman(&["kube", "down", pod]);
}

fn docker_runs_the_compose_file(deployed: &Deployed) {
    let folder = deployed.build("deploy.compose");
    let compose = || {
        let mut compose = tool("docker-compose");
        compose.args(["--project-directory", folder.to_str().unwrap(), "--file"]);
        compose.arg(folder.join("compose.yaml"));
        compose
    };
    let read = run(compose().args(["config", "--format", "json", "--no-interpolate"]));
    let read: Value = serde_json::from_str(&read).unwrap();
    let service = &read["services"]["web"];
    let expected = json!({
        "image": "registry.example/me/web:1.0",
        "read_only": true,
        "cap_drop": ["ALL"],
        "cap_add": ["NET_BIND_SERVICE"],
        "security_opt": ["no-new-privileges:true", "seccomp:./web-seccomp.json"],
        "sysctls": { "net.ipv4.ip_unprivileged_port_start": "0" },
        "tmpfs": [
            "/home/nonroot:uid=65532,gid=65532",
            "/tmp:uid=65532,gid=65532",
            "/var/cache/my $$app:uid=65532,gid=65532",
            "/var/cache:uid=65532,gid=65532",
        ],
        "restart": "on-failure",
    });
    for (member, value) in expected.as_object().unwrap() {
        let mut found = service[member].clone();
        if member == "tmpfs" {
            found.as_array_mut().unwrap().sort_by_key(|path| path.to_string());
        }
        assert_eq!(found, *value, "{member}");
    }
    assert_eq!(service["volumes"][0]["source"], "web-data");
    assert_eq!(service["ports"][1]["published"], "5353");

    let docker = Docker::start(docker::Version::WithContainerd);
    let daemon = docker.tool([""; 0]);
    let environment = daemon.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let environment: Vec<_> = environment.filter(|(name, _)| *name != "PATH").collect();
    let copy = deployed.build("copyToDockerDaemon").join("bin/copy-to-docker-daemon");
    run(tool(copy.to_str().unwrap()).envs(environment.clone()));
    // The daemon has no networks here.
    let none = deployed.nix.folder().join("none.yaml");
    fs::write(&none, "services: {web: {network_mode: none, ports: !reset []}}").unwrap();
    let mut up = compose();
    up.arg("--file").arg(none).args(["up", "--no-color", "--no-log-prefix"]);
    let output = up.envs(environment).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!("{RESTRICTED}cannot mkdir\nlistens from 0\n");
    // Docker does not give capabilities to other users than root.
    let expected = expected.replace("CapEff:\t0000000000000400", "CapEff:\t0000000000000000");
    for line in expected.lines() {
        assert!(said.lines().any(|found| found == line), "missing {line:?} in {output:?}");
    }
}

/// Without any option.
fn labels_restrict(deployed: &Deployed) {
    let run = ["run", "--rm", "--pull=never", "registry.example/me/web:1.0"];
    let said = deployed.containers.podman(run);
    assert!(said.contains("CapBnd:\t0000000000000400\n"), "{said}");
    assert!(said.contains("NoNewPrivs:\t0\n") && said.contains("cannot write /\n"), "{said}");
    let mut inspect = deployed.containers.tool("podman");
    inspect.args(["image", "inspect", "--format", "{{json .Labels}}", run[3]]);
    let labels: Value = serde_json::from_str(&crate::common::tool::run(&mut inspect)).unwrap();
    let expected = json!({
        "io.containers.capabilities": "NET_BIND_SERVICE",
        "oci-layout.hardening.capabilities-add": "NET_BIND_SERVICE",
        "oci-layout.hardening.capabilities-drop": "ALL",
        "oci-layout.hardening.no-new-privileges": "true",
        "oci-layout.hardening.read-only-rootfs": "true",
        "oci-layout.hardening.seccomp-profile": "localhost/web-seccomp.json",
        "oci-layout.hardening.tmpfs": "/home/nonroot,/tmp,/var/cache,/var/cache/my $app",
        "org.opencontainers.image.title": "registry.example/me/web",
    });
    assert_eq!(labels, expected);
}

/// s6 needs directories and capabilities, which it asks for.
#[test]
fn services_run_with_a_read_only_root() {
    let deployed = Deployed::new("services");
    let mut podman = deployed.containers.tool("podman");
    let output = podman.args(deployed.start()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let expected = "CapBnd:\t00000000000000eb\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n\
                    Seccomp:\t2\ncannot write /\nwrites /tmp\ncannot write /var/lib/web\nwrites /run\n\
                    writes /srv/web\n/srv/web/x web\n";
    assert_eq!(sorted(&said), sorted(expected), "{errors}");
    assert_eq!(output.status.code(), Some(7), "{errors}");
}
