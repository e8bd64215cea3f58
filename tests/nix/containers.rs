//! The module for flake-parts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

use crate::common::tool::{Containers, run, tool};
use crate::nix::flake::Flakes;
use crate::nix::guide;
use crate::nix::layout::Layout;
use crate::nix::scope;
use crate::nix::versions::{Nix, Version, for_each_nix};

for_each_nix! { every_option_is_described_without_nixpkgs }

fn every_option_is_described_without_nixpkgs(nix: Nix) {
    for (of_modules, least) in [("false", 25), ("true", 60)] {
        let mut evaluate = nix.in_place("nix-instantiate");
        evaluate.args(["--eval", "--strict", "--json", "--arg", "ofModules", of_modules]);
        evaluate.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/options.nix"));
        let options: Vec<Value> = serde_json::from_str(&run(&mut evaluate)).unwrap();
        assert!(options.len() > least, "{options:?}");
        for option in options {
            let text = |member: &str| option[member].as_str().unwrap_or_default().trim().to_owned();
            assert!(text("description").ends_with('.') && !text("type").is_empty(), "{option}");
            // The options that are required if the option around them is set.
            let required = ["healthcheck.command", ".*.path", ".*.source"];
            let is_required = required.iter().any(|end| text("name").ends_with(end));
            assert!(!text("default").is_empty() || is_required, "{option}");
        }
    }
}

/// The entry point of debug images, in both shells that an image may have.
#[test]
fn a_debug_image_says_how_its_program_ended() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/nix/ociMakeImage/debug.sh");
    let script = fs::read_to_string(script).unwrap();
    // Only bash lets a program in the background handle SIGQUIT.
    for (shell, signals) in
        [(&["bash"][..], &["TERM", "QUIT"][..]), (&["busybox", "sh"], &["TERM"])]
    {
        let ends = |signal: &str, program: &str| {
            // After printing everything, it waits to be stopped, but only as the first process of a
            // container.
            let mut command = tool("timeout");
            command
                .args(["--foreground", "--preserve-status", "--signal", signal, "2"])
                .args(shell)
                .args(["-c", &script, "debug", &format!("SIG{signal}")]);
            let output = command.args(["sh", "-c", program]).stdin(Stdio::null()).output().unwrap();
            (String::from_utf8(output.stderr).unwrap(), output.status.code())
        };
        let last = signals[signals.len() - 1];
        let (said, status) = ends(last, "exit 7");
        assert!(
            said.contains("debug: sh ended with exit status 7. ") && status == Some(7),
            "{said}{status:?}"
        );
        let (said, status) = ends("TERM", "kill -KILL $$");
        assert!(
            said.contains("debug: sh was killed by SIGKILL. ") && status == Some(137),
            "{said}{status:?}"
        );
        // If it is stopped while the program runs, it stops the program, and prints nothing.
        for signal in signals {
            let program = format!("trap 'exit 3' {signal}; while :; do sleep 0.1; done");
            let (said, status) = ends(signal, &program);
            assert!(!said.contains("debug:") && status == Some(3), "{signal}: {said}{status:?}");
        }
    }
    let mut reads = Command::new("bash");
    reads.args([
        "-c",
        "echo given | timeout 1 bash -c \"$0\" debug TERM sh -c 'read line; echo \"got $line\"'; true",
        &script,
    ]);
    assert_eq!(run(reads.stderr(Stdio::null())), "got given\n");
}

#[test]
#[ignore = "it wants checkouts of nixpkgs (or of its lib) and flake-parts, named by NIXPKGS_LIB \
    and FLAKE_PARTS"]
fn with_the_real_lib_and_flake_parts() {
    let containers = Module::new();
    containers.our_lib_is_the_real_one();
    containers.every_image_is_verified();
    containers.images_are_passed_on_by_apps();
    containers.all_options_are_in_the_image();
    containers.layers_are_shared();
    containers.a_lazy_image_is_the_same_without_its_layers();
    containers.programs_run_as_who_they_are_to_be();
    containers.modules_make_the_same_image();
    containers.all_results_describe_their_deployment();
    containers.a_base_image_keeps_its_users();
    containers.a_debug_image_waits();
    containers.images_of_darwin_have_packages_of_linux();
    containers.mistakes_have_their_sentences();
    containers.no_output_replaces_another();
    containers.images_are_scanned_and_gated();
    containers.the_template_is_as_good();
    containers.the_guide_is_as_good();
    containers.the_page_on_checks_is_as_good();
    containers.the_page_on_migration_is_as_good();
}

struct Module {
    flakes: Flakes,
}

impl Module {
    fn new() -> Self {
        let flakes = Flakes::new(Nix::new(Version::Newer));
        let named = |variable: &str| {
            PathBuf::from(env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set")))
        };
        let copy = |from: PathBuf, to: &str| {
            run(tool("cp").args(["-r", "--no-preserve=mode"]).args([from, flakes.folder(to)]))
        };
        // In place of the stand-in.
        fs::remove_dir_all(flakes.folder("nixpkgs/lib")).unwrap();
        copy(named("NIXPKGS_LIB").join("lib"), "nixpkgs/lib");
        copy(named("FLAKE_PARTS"), "flake-parts");
        copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nix/containers"), "containers");
        copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/flake-parts"), "template");
        Self { flakes }
    }

    fn nix(&self, command: &[&str], flake: &str) -> Command {
        let inputs = ["nixpkgs=nixpkgs", "flake-parts=flake-parts", "oci-layout=oci-layout"];
        let mut nix = self.flakes.nix(command, flake, &inputs);
        // The stand-in's programs for ARM are those of this machine.
        nix.args(["--option", "extra-platforms", "aarch64-linux"]);
        nix
    }

    fn our_lib_is_the_real_one(&self) {
        let real = format!("lib = import {}/lib;", self.flakes.folder("nixpkgs").display());
        assert_eq!(scope::values(&self.flakes.nix, ""), scope::values(&self.flakes.nix, &real));
    }

    #[track_caller]
    fn image(&self, name: &str) -> Layout {
        Layout::checked(self.flakes.build(self.nix(&["build"], &format!("containers#oci-{name}"))))
    }

    #[track_caller]
    fn evaluate(&self, output: &str) -> Value {
        serde_json::from_str(&run(
            &mut self.nix(&["eval", "--json"], &format!("containers#{output}"))
        ))
        .unwrap()
    }

    /// The storage, and the image's name in it: a link whose path podman can use as a name.
    #[track_caller]
    fn podman(&self, name: &str) -> (Containers, String) {
        let _ = fs::remove_file(self.flakes.folder(name));
        std::os::unix::fs::symlink(self.image(name).path(), self.flakes.folder(name)).unwrap();
        (Containers::new(self.flakes.folder("")), format!("oci:{name}"))
    }

    fn names(&self, output: &str) -> Vec<String> {
        let mut eval = self.nix(&["eval", "--json"], &format!("containers#{output}.x86_64-linux"));
        serde_json::from_str(&run(eval.args(["--apply", "builtins.attrNames"]))).unwrap()
    }

    fn every_image_is_verified(&self) {
        run(&mut self.nix(&["flake", "check"], "containers"));
        let all = [
            "abroad",
            "based",
            "failing",
            "failing-debug",
            "full",
            "full-debug",
            "lazy",
            "minimalist",
            "modular",
            "modular-debug",
            "root",
            "sibling",
        ];
        assert_eq!(self.names("packages"), all.map(|name| format!("oci-{name}")));
        assert_eq!(self.names("checks"), self.names("packages"));
        for app in ["", "copyToDockerDaemon-", "copyToPodman-", "copyToRegistry-", "push-"] {
            assert!(self.names("apps").contains(&format!("oci-{app}full-debug")), "{app}");
        }
    }

    /// Without an app, Nix would look for a program in the layout.
    fn images_are_passed_on_by_apps(&self) {
        for app in ["oci-minimalist", "oci-copyToPodman-minimalist", "oci-push-minimalist"] {
            let mut app = self.nix(&["run"], &format!("containers#{app}"));
            let help = run(app.args(["--", "--help"]));
            assert!(help.contains("Usage: oci-layout "), "{help}");
        }
        let package = "packages.x86_64-linux.oci-full-debug";
        let image = ["imageName", "imageTag"]
            .map(|attribute| self.evaluate(&format!("{package}.{attribute}")));
        assert_eq!(image, ["registry.example/me/full", "1-debug"]);
    }

    fn all_options_are_in_the_image(&self) {
        let full = self.image("full");
        assert_eq!(full.tags(), ["1", "latest"]);
        let index = full.image(Some("latest")).manifest();
        let platforms = index["manifests"].as_array().unwrap();
        assert_eq!(
            platforms.iter().map(|image| &image["platform"]["architecture"]).collect::<Vec<_>>(),
            ["amd64", "arm64"]
        );
        for (image, system) in platforms.iter().zip(["x86_64-linux", "aarch64-linux"]) {
            let manifest = full.document(image["digest"].as_str().unwrap());
            let config = full.document(manifest["config"]["digest"].as_str().unwrap());
            let hello = self.flakes_package(system, "hello");
            let curl = self.flakes_package(system, "curl");
            let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            let expected = json!({
                "User": "1000:100",
                "Env": ["GREETING=from the environment", format!("PATH={hello}/bin:{curl}/bin:{usual}")],
                "Entrypoint": [format!("{hello}/bin/hello"), "world"],
                "ExposedPorts": { "53/udp": {}, "8080/tcp": {} },
                "Volumes": { "/tmp": {}, "/var/lib/full": {} },
                "WorkingDir": "/var/lib/full",
                "StopSignal": "SIGQUIT",
                "Labels": {
                    "org.opencontainers.image.title": "All of it",
                    "org.opencontainers.image.version": "1.0",
                    "org.opencontainers.image.description": "It says hello",
                },
                "Healthcheck": {
                    "Test": ["CMD", format!("{curl}/bin/curl")],
                    "Interval": 15_000_000_000_u64,
                    "Timeout": 30_000_000_000_u64,
                    "StartPeriod": 0,
                    "Retries": 3,
                },
            });
            assert_eq!(config["config"], expected);
        }
    }

    /// The path of a package of the stand-in, for that system.
    fn flakes_package(&self, system: &str, name: &str) -> String {
        run(&mut self.flakes.nix(
            &["eval", "--raw"],
            &format!("nixpkgs#legacyPackages.{system}.{name}.outPath"),
            &[],
        ))
    }

    fn layers_are_shared(&self) {
        let (full, sibling) = (self.image("full-debug"), self.image("sibling"));
        let index = full.image(Some("1-debug")).manifest();
        let manifest = full.document(index["manifests"][0]["digest"].as_str().unwrap());
        let plain = self.image("full");
        let plain_index = plain.image(Some("1")).manifest();
        let plain = plain.document(plain_index["manifests"][0]["digest"].as_str().unwrap());
        let (with_debug, without) =
            (manifest["layers"].as_array().unwrap(), plain["layers"].as_array().unwrap());
        assert!(with_debug.starts_with(without) && with_debug.len() > without.len(), "{manifest}");
        // The dependencies are the same, and everything that depends on the system differs.
        let sibling = sibling.image(None).layers();
        assert_eq!(without[0]["digest"], sibling[0]);
        assert!(without[1..].iter().all(|layer| {
            !sibling.iter().any(|other| layer["digest"] == *other && !is_empty(layer))
        }));
    }

    fn a_lazy_image_is_the_same_without_its_layers(&self) {
        let (lazy, full) = (self.image("lazy"), self.image("minimalist"));
        assert_eq!(lazy.image(None).digest, full.image(None).digest);
        assert!(
            lazy.image(None)
                .layers()
                .iter()
                .all(|layer| !lazy.blob(layer).exists() && full.blob(layer).exists())
        );
    }

    fn programs_run_as_who_they_are_to_be(&self) {
        let run = |name: &str| {
            let (containers, image) = self.podman(name);
            containers.podman(["run", "--rm", "--quiet", &image])
        };
        assert!(run("minimalist").ends_with("/bin/hello\n"));
        let said = run("sibling");
        assert!(
            said.starts_with("uid=65532(nonroot) gid=65532(nonroot)")
                && said.ends_with(" /home/nonroot/x\nrefused\n"),
            "{said}"
        );
        assert!(run("root").starts_with("uid=0(root) gid=0(root)"));
    }

    fn modules_make_the_same_image(&self) {
        let made = self.nix(&["build"], "containers#legacyPackages.x86_64-linux.modular");
        let made = Layout::checked(self.flakes.build(made));
        let image = self.image("modular");
        assert_eq!(image.tags(), ["1.0"]);
        assert_eq!(image.image(None).digest, made.image(None).digest);
        let (containers, name) = self.podman("modular");
        assert_eq!(
            containers.podman(["run", "--rm", "--quiet", &name]),
            "uid=29631(web) gid=29631(web) groups=29631(web)\nfrom the container\nto modular\n"
        );
        assert_eq!(self.image("modular-debug").tags(), ["1.0-debug"]);
    }

    fn all_results_describe_their_deployment(&self) {
        let deployed =
            |image: &str, attribute: &str| self.evaluate(&format!("{image}.deploy.{attribute}"));
        let container = "packages.x86_64-linux.oci-modular";
        let made = "legacyPackages.x86_64-linux.modular";
        for attribute in ["quadlet.unit", "compose.project", "kubernetes.pod"] {
            assert_eq!(deployed(container, attribute), deployed(made, attribute));
        }
        let unit = deployed(&format!("{container}-debug"), "quadlet.unit.Container");
        assert_eq!(unit["Image"], "docker.io/library/modular:1.0-debug");
        assert_eq!((&unit["ReadOnly"], &unit["Tmpfs"]), (&json!(true), &json!(["/tmp:U"])));
        // Of an image for several platforms.
        let unit = deployed("packages.x86_64-linux.oci-full", "quadlet.unit.Container");
        assert_eq!(unit["Image"], "registry.example/me/full:1");
        // The program has another path on each of them.
        assert_eq!(unit.get("HealthCmd"), None);
        let unit = deployed("packages.x86_64-linux.oci-abroad", "quadlet.unit.Container");
        let curl = self.flakes_package("aarch64-linux", "curl");
        assert_eq!(unit["HealthCmd"], json!([format!("{curl}/bin/curl")]).to_string());
    }

    fn a_base_image_keeps_its_users(&self) {
        let (based, sibling) = (self.image("based"), self.image("sibling"));
        let (layers, below) = (based.image(None).layers(), sibling.image(None).layers());
        assert!(layers.starts_with(&below) && layers.len() > below.len(), "{layers:?}");
        let own: Vec<String> = based.image(None).listings().split_off(below.len()).concat();
        assert!(!own.iter().any(|line| line.contains("etc/")), "{own:?}");
    }

    fn a_debug_image_waits(&self) {
        let (containers, image) = self.podman("failing-debug");
        containers.podman(["run", "--detach", "--quiet", "--name", "failing", &image]);
        // With the tools on `PATH`.
        assert!(containers.podman(["exec", "failing", "id"]).starts_with("uid=65532(nonroot)"));
        assert_eq!(
            containers.podman(["exec", "failing", "bash", "-c", "sleep 1; echo still here"]),
            "still here\n"
        );
        containers.podman(["stop", "--time", "8", "failing"]);
        assert_eq!(containers.podman(["wait", "failing"]).trim(), "7");
    }

    fn images_of_darwin_have_packages_of_linux(&self) {
        let image = |system: &str| format!("packages.{system}.oci-minimalist");
        let of = |system: &str, what: &str| {
            let mut eval =
                self.nix(&["eval", "--json"], &format!("containers#{}.manifests", image(system)));
            let apply = format!("manifests: (builtins.head manifests.\"minimalist:1.0\").{what}");
            serde_json::from_str::<Value>(&run(eval.args(["--apply", &apply]))).unwrap()
        };
        assert_eq!(self.evaluate(&format!("{}.system", image("aarch64-darwin"))), "aarch64-darwin");
        assert_eq!(
            of("aarch64-darwin", "platform"),
            json!({ "architecture": "arm64", "os": "linux" })
        );
        let entrypoint = "extraConfig.config.Entrypoint";
        assert_eq!(of("aarch64-darwin", entrypoint), of("aarch64-linux", entrypoint));
    }

    fn mistakes_have_their_sentences(&self) {
        for (container, sentence) in [
            (
                "{ package = pkgs.hello; user = \"root\"; }",
                "oci.containers.bad: user root with uid 65532 means root; set isRoot = true to \
                 run the program as root",
            ),
            (
                "{ package = pkgs.hello; uid = 0; }",
                "oci.containers.bad: user nonroot with uid 0 means root; set isRoot = true to run \
                 the program as root",
            ),
            (
                "{ package = pkgs.bash; }",
                "oci.containers.bad: the package bash has no meta.mainProgram; set entrypoint",
            ),
            (
                "{ package = pkgs.hello; name = \"Upper\"; }",
                "oci.containers.bad: the image name Upper must be in lower case; set name",
            ),
            (
                "{ package = pkgs.hello; tag = \"a b\"; }",
                "oci-layout: ociImageLayout: manifests: expected a tag, or an image name in lower \
                 case, as in \"ghcr.io/me/app:1.0\", found \"bad:a b\"",
            ),
            (
                "{ package = pkgs.hello; ports = [ \"127.0.0.1:80:8080/tcp\" ]; }",
                "oci.containers.bad.ports: \"127.0.0.1:80:8080/tcp\" publishes a port, which \
                 oci.containers.bad.deploy.ports does; write the port in the container: 8080",
            ),
            (
                "{ package = pkgs.hello; fromImage = { imageName = \"a\"; imageTag = \"b\"; }; }",
                "fromImage: unknown member \"imageName\"; pull the image with ociPullImage, and pass the \
                 result",
            ),
            (
                "{ package = pkgs.hello; entrypont = [ ]; }",
                "containers.bad.entrypont' does not exist",
            ),
            (
                "{ package = pkgs.hello; platforms = [ \"aarch64-linux\" ]; }",
                "oci.containers.bad: platforms contains aarch64-linux, but perSystem defines no \
                 container of this name there",
            ),
        ] {
            let containers = self.flakes.folder("containers/containers.nix");
            let only_here = "lib.optionalAttrs (system == \"x86_64-linux\")";
            let module = format!(
                "{{ perSystem = {{ lib, pkgs, system, ... }}: {{ oci.containers = {only_here} {{ \
                 bad = {container}; }}; }}; }}"
            );
            fs::write(containers, module).unwrap();
            self.refuses("packages.x86_64-linux.oci-bad.drvPath", sentence);
        }
    }

    #[track_caller]
    fn refuses(&self, output: &str, sentence: &str) {
        let mut eval = self.nix(&["eval", "--raw"], &format!("containers#{output}"));
        let output = eval.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(sentence), "{said}");
    }

    fn no_output_replaces_another(&self) {
        let module = "{ perSystem = { pkgs, ... }: { oci.containers = builtins.mapAttrs (_: it: \
                      { package = pkgs.hello; } // it) { web.flavours.debug = { }; web-debug = { }; \
                      push-web = { }; }; }; }";
        fs::write(self.flakes.folder("containers/containers.nix"), module).unwrap();
        self.refuses(
            "packages.x86_64-linux.oci-web-debug.drvPath",
            "oci.containers: web.flavours.debug and web-debug define the same package \
             oci-web-debug; rename one of them",
        );
        self.refuses(
            "apps.x86_64-linux.oci-push-web.program",
            "oci.containers: push-web and web define the same app oci-push-web; rename one of \
             them",
        );
        let other = self.evaluate("packages.x86_64-linux.oci-web.drvPath");
        assert!(other.as_str().unwrap().ends_with("-oci-web.drv"), "{other}");
    }

    fn images_are_scanned_and_gated(&self) {
        let file = |name: &str| self.flakes.folder("containers").join(name);
        fs::copy(file("scanned.nix"), file("containers.nix")).unwrap();
        let names = |output: &str| self.names(output).join(" ");
        assert_eq!(
            names("checks"),
            "oci-bad oci-bad-dive oci-good oci-good-debug oci-good-debug-dive \
             oci-good-debug-policy oci-good-dive oci-good-policy oci-root oci-root-policy \
             oci-unchecked"
        );
        for app in ["check-root", "dive-bad", "dive-good-debug", "dive-unchecked", "trivy-good"] {
            assert!(self.names("apps").contains(&format!("oci-{app}")), "{app}");
        }
        for image in ["good", "good-debug", "unchecked"] {
            self.image(image);
        }
        // What cannot be built is not passed on either.
        for (command, image, sentence) in [
            ("build", "oci-bad", "the tool ended with exit code 3"),
            ("run", "oci-push-bad", "dive: --source docker-archive --ci "),
            ("run", "oci-cosign-bad", "dive: --source docker-archive --ci "),
            ("build", "oci-root", "[rootUser: user]"),
        ] {
            let mut nix =
                self.nix(&[command, "--print-build-logs"], &format!("containers#{image}"));
            let refused = nix.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success() && said.contains(sentence), "{said}");
        }
        let mut check = self.nix(&["run"], "containers#oci-check-root");
        let output = check.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with("[rootUser: user]\n0 of 1 checks passed\n"), "{said}");
        let reports = self.flakes.folder("reports");
        for (app, code) in [("dive-bad", 3), ("trivy-good", 0)] {
            let mut scan = self.nix(&["run"], &format!("containers#oci-{app}"));
            let output = scan.args(["--", "--reports"]).arg(&reports).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
        }
        for report in ["oci-dive-bad.txt", "oci-trivy-good.json"] {
            assert!(reports.join(report).exists(), "{report}");
        }

        for (scan, sentence) in [
            (
                "grype.enable",
                "oci.containers: scan.grype: pkgs has no grype; set scan.grype.package",
            ),
            ("trivvy.enable", "ociScanImage: tool: expected one of \"conftest\", "),
        ] {
            let container = format!("{{ package = pkgs.hello; scan.{scan} = true; }}");
            let module = format!(
                "{{ perSystem = {{ pkgs, ... }}: {{ oci.containers.a = {container}; }}; }}"
            );
            fs::write(file("containers.nix"), module).unwrap();
            let tool = scan.split('.').next().unwrap();
            self.refuses(&format!("apps.x86_64-linux.oci-{tool}-a.program"), sentence);
        }
    }

    fn the_template_is_as_good(&self) {
        run(&mut self.nix(&["flake", "check"], "template"));
    }

    fn the_guide_is_as_good(&self) {
        let flakes = guide::examples("docs/nix.md")
            .into_iter()
            .filter(|example| example.starts_with("# flake.nix\n"));
        let [flake] = flakes
            .filter(|flake| flake.contains("flake-parts"))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        fs::create_dir(self.flakes.folder("guide")).unwrap();
        fs::write(self.flakes.folder("guide/flake.nix"), flake).unwrap();
        Layout::checked(self.flakes.build(self.nix(&["build"], "guide#oci-minimalist")));
    }

    /// The only example of the page that is a module for flake-parts.
    fn module_of(page: &str) -> String {
        let [module] = guide::examples(page)
            .into_iter()
            .filter(|example| example.contains("perSystem"))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        // The stand-in has no nginx.
        module.replace("nginx", "hello")
    }

    fn the_page_on_checks_is_as_good(&self) {
        let module = Self::module_of("docs/checks.md")
            // Of the tools, the stand-in has only a shell to make them of.
            .replace(
                "enable = true",
                "enable = true; package = pkgs.writeShellScriptBin \"it\" \"\"",
            );
        fs::write(self.flakes.folder("containers/containers.nix"), module).unwrap();
        for file in ["goss.yaml", "dive-ci.yaml"] {
            fs::write(self.flakes.folder("containers").join(file), "{}\n").unwrap();
        }
        assert_eq!(self.names("checks").join(" "), "oci-web oci-web-dive oci-web-policy");
        for app in ["trivy", "dive", "dgoss"] {
            let program = self.evaluate(&format!("apps.x86_64-linux.oci-{app}-web.program"));
            assert!(
                program.as_str().unwrap().ends_with(&format!("/bin/oci-{app}-web")),
                "{program}"
            );
        }
    }

    fn the_page_on_migration_is_as_good(&self) {
        let module = Self::module_of("docs/nix-migration.md");
        let functions = "inputs.oci-layout.lib.mkLib inputs.nixpkgs.legacyPackages.x86_64-linux";
        fs::write(
            self.flakes.folder("containers/containers.nix"),
            format!("{{ inputs, ... }}: let oci = {functions}; in {module}"),
        )
        .unwrap();
        let empty = format!("sha256:{}", "0".repeat(64));
        let blob = json!({ "digest": empty, "size": 0, "mediaType": "application/json" });
        let manifest = json!({ "config": blob, "layers": [] }).to_string();
        fs::write(self.flakes.folder("containers/alpine.json"), manifest).unwrap();
        let image = self.evaluate("packages.x86_64-linux.oci-web.drvPath");
        assert!(image.as_str().unwrap().ends_with("-oci-web.drv"), "{image}");
    }
}

/// Whether the layer is empty: such layers are equal everywhere.
fn is_empty(layer: &Value) -> bool {
    layer["size"].as_u64().unwrap() < 64
}
