//! Commands for registries: what they do there is what crane, skopeo and podman find.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use oci_layout::{Image, image_index, image_layout};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    hello::hello,
    tool::{Containers, Registry, crane, run, skopeo, tool},
};

/// The program in an empty environment, whose credentials lie in a folder.
fn program(home: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command.args(args.split(' ')).current_dir(home).env_clear().env("DOCKER_CONFIG", home);
    command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command
}

/// Runs the program, which must succeed. Returns its two outputs.
#[track_caller]
fn ok(home: &Path, args: &str) -> (String, String) {
    let output = program(home, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args}: {err}");
    (out, err)
}

/// Runs the program, which must fail, and returns its error.
#[track_caller]
fn fails(home: &Path, args: &str) -> String {
    let output = program(home, args).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{args}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A registry with an image for two platforms under `a/app:1`.
fn filled(registry: Registry, home: &Path) -> Registry {
    let layout = home.join("layout");
    let images = ["linux/amd64", "linux/arm64"].map(|platform| hello(&layout, platform, platform));
    let index = image_index(images, json!({})).unwrap();
    image_layout(&layout, [Image::from(index).tagged("1")], json!({})).unwrap();
    ok(home, &format!("push oci:layout:1 docker://{}/a/app:1", registry.address));
    fs::remove_dir_all(layout).unwrap();
    registry
}

#[test]
fn images_are_copied_between_registries() {
    let home = TempDir::new().unwrap();
    let from = filled(Registry::start(), home.path());
    let to = Registry::of_crane();
    let source = format!("{}/a/app:1", from.address);
    let digest = crane(["digest", "--insecure", &source]);
    for there in [format!("{}/b/copy:2", to.address), format!("{}/c/copy:2", from.address)] {
        let (out, err) = ok(home.path(), &format!("copy docker://{source} docker://{there}"));
        assert_eq!((&*out, &*err), (&*format!("{}@{digest}", &there[..there.len() - 2]), ""));
        assert_eq!(crane(["digest", "--insecure", &there]), digest);
        crane(["validate", "--insecure", "--remote", &there]);
    }
    // One platform, also without a transport.
    let one = format!("{}/b/one", to.address);
    ok(home.path(), &format!("copy {source} {one} --platform linux/arm64"));
    let platform = ["digest", "--insecure", "--platform", "linux/arm64", &source];
    assert_eq!(crane(["digest", "--insecure", &one]), crane(platform));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "nothing is stored here");
    let said = fails(home.path(), &format!("copy {source} docker://Upper/Case"));
    assert!(said.contains("DEST: image \"Upper/Case\": expected [REGISTRY/]PATH"), "{said}");
    // Anything else is a matter for skopeo.
    ok(home.path(), &format!("copy {source} oci:there:1"));
    let there = format!("oci:{}:1", home.path().join("there").display());
    let digest = oci_layout::Digest::of(skopeo(["inspect", "--raw", &there])).to_string();
    assert_eq!(digest, crane(["digest", "--insecure", &source]).trim());
}

#[test]
fn archives_are_exported_from_registries() {
    let home = TempDir::new().unwrap();
    let registry = filled(Registry::start(), home.path());
    let source = format!("{}/a/app:1", registry.address);
    let (out, _) = ok(home.path(), &format!("export docker://{source} -o app.tar"));
    assert_eq!(out, format!("{source}\n"));
    let archive = format!("oci-archive:{}", home.path().join("app.tar").display());
    let inspected = skopeo(["inspect", "--raw", &archive]);
    assert_eq!(inspected, crane(["manifest", "--insecure", &source]).trim_end());
}

#[test]
fn documents_and_tags_are_those_of_crane() {
    let home = TempDir::new().unwrap();
    let registry = filled(Registry::start(), home.path());
    let source = format!("{}/a/app:1", registry.address);
    for kind in ["digest", "manifest", "config"] {
        for platform in ["", " --platform linux/arm64"] {
            if kind == "config" && platform.is_empty() {
                continue;
            }
            let (ours, _) = ok(home.path(), &format!("{kind} docker://{source}{platform}"));
            let mut args = vec![kind, "--insecure", &source];
            args.extend(platform.split_whitespace());
            assert_eq!(ours.trim_end(), crane(args).trim_end(), "{kind}{platform}");
        }
    }
    for tag in ["2", "latest"] {
        let (out, err) = ok(home.path(), &format!("tag docker://{source} {tag}"));
        assert_eq!(out, crane(["digest", "--insecure", &source]));
        assert_eq!(err, format!("tagged {source} as {tag}\n"));
    }
    let repository = format!("{}/a/app", registry.address);
    // The registry has no order.
    let sorted = |tags: String| {
        let mut tags: Vec<_> = tags.lines().map(str::to_owned).collect();
        tags.sort();
        tags
    };
    let (tags, _) = ok(home.path(), &format!("tags {repository}"));
    let tags = sorted(tags);
    assert_eq!(tags, ["1", "2", "latest"]);
    assert_eq!(tags, sorted(crane(["ls", "--insecure", &repository])));
}

#[test]
fn what_is_missing_is_named() {
    let home = TempDir::new().unwrap();
    let registry = filled(Registry::start(), home.path());
    let address = &registry.address;
    assert_eq!(
        fails(home.path(), &format!("pull {address}/nope:1 -o x")),
        format!(
            "oci-layout: error: {address}/nope:1: {address} has no repository nope \
             (repository name not known to registry): correct the name\n"
        )
    );
    assert_eq!(
        fails(home.path(), &format!("pull docker://{address}/a/app:2 -o x")),
        format!("oci-layout: error: {address}/a/app:2: the repository has no tag 2: it has 1\n")
    );
    assert!(fails(home.path(), &format!("tags {address}/nope")).contains("has no repository nope"));
}

#[test]
fn tags_and_images_are_deleted() {
    let home = TempDir::new().unwrap();
    let registry = filled(Registry::of_crane(), home.path());
    let repository = format!("{}/a/app", registry.address);
    ok(home.path(), &format!("tag {repository}:1 2"));
    let (_, err) = ok(home.path(), &format!("delete {repository}:2"));
    assert_eq!(err, format!("deleted {repository}:2\n"));
    assert_eq!(crane(["ls", "--insecure", &repository]), "1\n");
    assert!(fails(home.path(), &format!("delete {repository}:2")).contains("does not have tag 2"));
    // This one does not delete.
    let registry = filled(Registry::start(), home.path());
    let image = format!("{}/a/app", registry.address);
    let digest = crane(["digest", "--insecure", &format!("{image}:1")]);
    let said = fails(home.path(), &format!("delete {image}@{}", digest.trim()));
    assert!(
        said.contains("does not support deleting") && said.contains("enable deletion"),
        "{said}"
    );
    assert_eq!(crane(["ls", "--insecure", &image]), "1\n");
}

/// Logs in as `me` with this password on standard input.
fn login(home: &Path, address: &str, password: &str) -> (bool, String) {
    let mut command = program(home, &format!("login {address} -u me --password-stdin"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn other_programs_read_a_login() {
    let home = TempDir::new().unwrap();
    let (registry, file) = (Registry::with_password(), home.path().join("config.json"));
    let address = &registry.address;
    let (is_in, said) = login(home.path(), address, "sesame\n");
    assert!(!is_in && said.contains("does not accept this user name and password"), "{said}");
    assert!(!said.contains("sesame") && !file.exists());

    let before = json!({ "strange": [1], "auths": { "other.example": { "auth": "YTpi" } } });
    fs::write(&file, before.to_string()).unwrap();
    let (is_in, said) = login(home.path(), address, "secret\n");
    assert!(is_in, "{said}");
    assert_eq!(said, format!("logged in to {address} as me; stored in {}\n", file.display()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let now: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(now["strange"], before["strange"]);
    assert_eq!(now["auths"]["other.example"], before["auths"]["other.example"]);

    let image = format!("{address}/a/app");
    filled_with(&image, home.path());
    run(tool("crane").args(["digest", "--insecure", &image]).env("DOCKER_CONFIG", home.path()));
    let authfile = format!("--authfile={}", file.display());
    skopeo(["inspect", "--tls-verify=false", "--raw", &authfile, &format!("docker://{image}")]);
    // The default storage is not ready while another podman makes it.
    let containers = Containers::new(home.path());
    assert_eq!(containers.podman(["login", "--get-login", &authfile, address]), "me\n");

    let (_, said) = ok(home.path(), &format!("logout {address}"));
    assert_eq!(said, format!("logged out of {address}; removed from {}\n", file.display()));
    let now: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(now, before);
    assert!(fails(home.path(), &format!("logout {address}")).contains("no login is stored in"));
}

/// Pushes an image with the stored login.
fn filled_with(image: &str, home: &Path) {
    let layout = home.join("layout");
    let made = hello(&layout, "text", "linux/amd64").tagged("1");
    image_layout(&layout, [made], json!({})).unwrap();
    ok(home, &format!("push layout {image}"));
}

/// crane logs in with docker's own code.
#[test]
fn a_helper_gets_what_crane_gives_it() {
    let home = TempDir::new().unwrap();
    let registry = Registry::with_password();
    let address = &registry.address;
    let (config, stored) = (home.path().join("config.json"), home.path().join("stored"));
    let helper = home.path().join("docker-credential-it");
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit\ncase $1 in\nstore) cat > stored ;;\n\
                  get) cat stored ;;\nerase) rm stored ;;\nesac\n";
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let start = json!({ "credsStore": "it" }).to_string();

    fs::write(&config, &start).unwrap();
    let mut crane = tool("crane");
    crane.env("DOCKER_CONFIG", home.path()).env("PATH", &path);
    run(crane.args(["auth", "login", "-u", "me", "-p", "secret", address]));
    let expected = (read(&stored), read(&config));
    fs::remove_file(&stored).unwrap();
    fs::write(&config, &start).unwrap();

    let mut command = program(home.path(), &format!("login {address} -u me --password-stdin"));
    let mut child = command.env("PATH", &path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!((read(&stored), read(&config)), expected);
}

/// What a user sees on a terminal who types a line for each question, and the end of the program.
const TERMINAL: &str = r#"
import json, os, pty, sys
answers, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
shown = b""
for question, answer in json.loads(answers):
    while not shown.endswith(question.encode()):
        shown += os.read(terminal, 1)
    os.write(terminal, answer.encode())
try:
    while more := os.read(terminal, 1000):
        shown += more
except OSError:
    pass
print(shown.decode().replace("\r\n", "\n"), end="")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_terminal_asks_and_hides_the_password() {
    let home = TempDir::new().unwrap();
    let registry = Registry::with_password();
    let address = &registry.address;
    let program = env!("CARGO_BIN_EXE_oci-layout");
    let mut python = tool("python3");
    let answers = json!([["User name: ", "me\n"], ["Password: ", "secrex\u{7f}t\n"]]).to_string();
    python.args(["-c", TERMINAL, &answers, program, "login", address]);
    python.env("DOCKER_CONFIG", home.path());
    let file = home.path().join("config.json");
    assert_eq!(
        run(&mut python),
        format!(
            "User name: me\nPassword: \nlogged in to {address} as me; stored in {}\n",
            file.display()
        )
    );
    // Without a terminal, it says what to do.
    let mut alone = tool("setsid");
    let alone = alone.args(["--wait", program, "login", address]).stdin(Stdio::null());
    let said = alone.output().unwrap();
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("--password-stdin"), "{said:?}");
}

#[test]
fn the_password_of_a_key_is_not_shown() {
    let dir = TempDir::new().unwrap();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/signature/cosign.key");
    image_layout(dir.path(), [hello(dir.path(), "hello", "linux/amd64")], json!({})).unwrap();
    let mut python = tool("python3");
    let answers = json!([["Password: ", "hellx\u{7f}o\n"]]).to_string();
    python.args(["-c", TERMINAL, &answers, env!("CARGO_BIN_EXE_oci-layout"), "sign"]);
    python.arg(dir.path()).args(["--key", key, "--password-file", "-"]);
    let shown = run(&mut python);
    assert!(shown.starts_with("Password: \nsigned sha256:"), "{shown}");
}

#[test]
fn every_reader_takes_the_options_of_registries() {
    let home = TempDir::new().unwrap();
    let registry = Registry::with_tls();
    let image = format!("{}/a/app:1", registry.address);
    let layout = home.path().join("layout");
    image_layout(&layout, [hello(&layout, "text", "linux/amd64").tagged("1")], json!({})).unwrap();
    let certificate = format!("--ca-file={}", registry.certificate().display());
    ok(home.path(), &format!("push layout {image} {certificate}"));
    for option in [&*certificate, "--tls-verify=false"] {
        let (out, _) = ok(home.path(), &format!("ls docker://{image} {option}"));
        assert_eq!(out, "/bin\n/bin/busybox\n/hello\n");
        assert_eq!(ok(home.path(), &format!("cat docker://{image} /hello {option}")).0, "text");
        ok(home.path(), &format!("cp docker://{image}:/hello hello {option}"));
        ok(home.path(), &format!("unpack docker://{image} -o root {option}"));
        ok(home.path(), &format!("mutate docker://{image} --user 1 -o new {option}"));
        for made in ["hello", "root/hello"] {
            assert_eq!(fs::read_to_string(home.path().join(made)).unwrap(), "text");
        }
        fs::remove_file(home.path().join("hello")).unwrap();
        for made in ["root", "new"] {
            fs::remove_dir_all(home.path().join(made)).unwrap();
        }
    }
    assert!(fails(home.path(), &format!("ls docker://{image}")).contains("--ca-file"));
    let said = fails(home.path(), &format!("mutate docker://{image} --user 1 {certificate}"));
    assert!(said.contains("give a layout with -o"), "{said}");
}
