//! Images from modules. NIXPKGS_LIB names nixpkgs or its `lib`; without it, a stand-in serves.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::tool::{Containers, INSTALLED, run};
use crate::nix::images::podman;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, Version, for_each_nix};

for_each_nix! {
    modules_decide_what_the_image_is, each_mistake_has_its_sentence, warnings_are_shown,
    images_are_the_same_when_they_are_built_again, services_run_in_their_order,
    images_are_tested_in_the_sandbox,
}

/// A command on the tests' expressions.
pub fn on_expressions(nix: &Nix, program: &str) -> Command {
    on_root(nix, program, "s6")
}

/// The same with this root file system of `tests/install-tools`, which has s6.
pub fn on_root(nix: &Nix, program: &str, root: &str) -> Command {
    let mut command = nix.on_expressions(program);
    command.arg("--arg").arg("debian").arg(Path::new(INSTALLED).join(root));
    if let Some(lib) = env::var_os("NIXPKGS_LIB") {
        command.arg("--arg").arg("lib").arg(Path::new(&lib).join("lib"));
    }
    command
}

fn evaluation(nix: &Nix, attribute: &str) -> Command {
    let mut command = on_expressions(nix, "nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--read-write-mode", "--attr"]);
    command.arg(format!("makeImage.{attribute}"));
    command
}

#[track_caller]
fn build(nix: &Nix, image: &str, options: &[&str]) -> PathBuf {
    let mut command = on_expressions(nix, "nix-build");
    command.args(["--no-out-link", "--quiet", "--attr", &format!("makeImage.images.{image}")]);
    nix.physical(run(command.args(options)).trim())
}

fn modules_decide_what_the_image_is(nix: Nix) {
    let claims = run(&mut evaluation(&nix, "claims"));
    let claims: BTreeMap<String, bool> = serde_json::from_str(&claims).unwrap();
    assert!(claims.len() >= 35, "{claims:?}");
    let wrong: Vec<_> = claims.iter().filter(|(_, holds)| !**holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn each_mistake_has_its_sentence(nix: Nix) {
    let sentences = run(&mut evaluation(&nix, "sentences"));
    let sentences: BTreeMap<String, String> = serde_json::from_str(&sentences).unwrap();
    assert!(sentences.len() > 25);
    let mut wrong = Vec::new();
    for (name, sentence) in sentences {
        let mut command = on_expressions(&nix, "nix-instantiate");
        command.args(["--attr", &format!("makeImage.mistakes.{name}.image")]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        // Newer versions indent the lines of a message.
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.lines().map(str::trim).collect();
        let said = said.join("\n");
        if output.status.success() || !said.contains(&sentence) {
            wrong.push(format!("{name}: missing: {sentence}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn warnings_are_shown(nix: Nix) {
    let mut command = on_expressions(&nix, "nix-instantiate");
    let output = command.args(["--attr", "makeImage.warned"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for warning in [
        "trace: oci-layout: warning: of a module",
        "trace: oci-layout: warning: users.users.a: everybody who has the image can read the hash",
        "trace: oci-layout: warning: users: /etc/passwd, /etc/group and /etc/shadow of this image \
         replace those of image.fromImage",
    ] {
        assert!(said.contains(warning), "missing: {warning}\n{said}");
    }
}

fn images_are_the_same_when_they_are_built_again(nix: Nix) {
    for image in ["accounts", "first"] {
        let layout = build(&nix, image, &[]);
        assert_eq!(build(&nix, image, &["--check"]), layout);
    }
    files_have_their_owners(&Layout::checked(build(&nix, "accounts", &[])));
    a_service_is_the_first_process(&Layout::checked(build(&nix, "first", &[])));
}

fn files_have_their_owners(layout: &Layout) {
    let image = layout.image(Some("1"));
    let listings = image.listings();
    assert_eq!(
        listings.last().unwrap(),
        &[
            "drwxr-xr-x 0/0 etc/",
            "drwxr-xr-x 0/0 etc/app/",
            "lrwxrwxrwx 0/0 etc/app/link -> /nix/store/greet/bin/greet",
            "-rw-r--r-- 0/0 etc/group",
            "-rw-r--r-- 0/0 etc/nsswitch.conf",
            "-rw-r--r-- 0/0 etc/passwd",
            "-r-------- 29631/24738 etc/secret",
            "-r-------- 0/0 etc/shadow",
            "drwxr-xr-x 0/0 home/",
            "drwx------ 1000/100 home/alice/",
            "drwxr-xr-x 65532/65532 home/nonroot/",
            "drwx------ 0/0 root/",
            "drwxr-xr-x 0/0 srv/",
            "drwxr-s--- 29631/24738 srv/www/",
            "drwxrwxrwt 0/0 tmp/",
            "drwxr-xr-x 0/0 var/",
            "drwxr-xr-x 0/0 var/empty/",
        ]
    );
    assert_eq!(podman(layout, ":1"), "hello\n");
}

fn a_service_is_the_first_process(layout: &Layout) {
    assert_eq!(layout.image(None).store_paths().concat(), ["busybox"]);
    assert_eq!(
        podman(layout, ""),
        "1 /srv a 'b' \"c\" $HOME %n\n.\nuid=29631(web) gid=29631(web) groups=29631(web)\n\
         /srv 755 29631:29631\n/tmp 1777 0:0\n"
    );
}

fn services_run_in_their_order(nix: Nix) {
    let layout = build(&nix, "services", &[]);
    assert_eq!(build(&nix, "services", &["--check"]), layout);
    let layout = Layout::checked(layout);
    let name = layout.path().file_name().unwrap().to_str().unwrap();
    let containers = Containers::new(layout.path().parent().unwrap());
    let mut podman = containers.tool("podman");
    podman.args(["run", "--rm", "--quiet", &format!("oci:{name}")]);
    let output = podman.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "migrate",
        "db runs",
        "web runs",
        r#"a 'b' "c" $HOME `d` %n \ e"#,
        "its own",
        "its own a b",
        "/var/lib",
        "/var/lib/web 755 29631:29631",
        "/var/lib/web/state 644 29631:29631",
        "fails",
        "web stops",
        "db stops",
    ];
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{errors}");
    assert_eq!(output.status.code(), Some(7), "{errors}");
}

fn images_are_tested_in_the_sandbox(nix: Nix) {
    let mut command = on_expressions(&nix, "nix-build");
    run(command.args(["--no-out-link", "--attr", "makeImage.tests.good"]));
    let sentences = run(&mut evaluation(&nix, "tests.sentences"));
    let sentences: BTreeMap<String, String> = serde_json::from_str(&sentences).unwrap();
    assert!(!sentences.is_empty());
    for (name, sentence) in sentences {
        let mut command = on_expressions(&nix, "nix-build");
        let test = format!("makeImage.tests.bad.{name}.test");
        let output = command.args(["--no-out-link", "--attr", &test]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&sentence), "{name}: {said}");
    }
}

/// Nothing of a test is left in podman's storage.
#[test]
fn images_are_tested_with_podman() {
    let nix = Nix::new(Version::Newer);
    let containers = Containers::new(nix.folder());
    let output = |test: &str| {
        let expressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix");
        let mut build = nix.in_place("nix-build");
        build.args([expressions, "--arg", "programs"]).arg(&*PROGRAMS);
        build.arg("--arg").arg("debian").arg(Path::new(INSTALLED).join("s6"));
        build.args([
            "--no-out-link",
            "--quiet",
            "--attr",
            &format!("makeImage.tests.{test}.podman"),
        ]);
        let program = Path::new(run(&mut build).trim()).join("bin/oci-test");
        let output = containers.tool(program.to_str().unwrap()).output().unwrap();
        assert_eq!(containers.podman(["ps", "--all", "--quiet"]), "");
        assert_eq!(containers.podman(["images", "--all", "--quiet"]), "");
        output
    };
    let ended = output("podman");
    assert!(ended.status.success(), "{ended:?}");
    let ended = output("podmanFails");
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert_eq!(ended.stdout, b"exit status 3; the container wrote:\nits output\n", "{ended:?}");
}
