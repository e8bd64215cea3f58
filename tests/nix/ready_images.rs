//! The images in `nix/images`, built by both versions of Nix and run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::tool::{Containers, INSTALLED, run};
use crate::nix::layout::Layout;
use crate::nix::make_image::on_expressions;
use crate::nix::versions::{Nix, PROGRAMS, Version};

/// An image that both versions build with the same bytes. The folder of the [`Nix`] has the layout.
fn built(command: impl Fn(&Nix) -> Command) -> (Nix, Layout) {
    let [(system, layout), (_newer, other)] = [Version::System, Version::Newer].map(|version| {
        let nix = Nix::new(version);
        let path = run(command(&nix).args(["--no-out-link", "--quiet"]));
        let path = nix.physical(path.trim());
        (nix, Layout::checked(path))
    });
    assert_eq!(layout.image(None).digest, other.image(None).digest);
    (system, layout)
}

fn containers_of(layout: &Layout) -> (Containers, String) {
    let name = layout.path().file_name().unwrap().to_str().unwrap();
    (Containers::new(layout.path().parent().unwrap()), format!("oci:{name}"))
}

fn example(name: &str) -> (Nix, Layout) {
    built(|nix| {
        let mut command = on_expressions(nix, "nix-build");
        command.args(["--attr", &format!("makeImage.images.{name}")]);
        command
    })
}

/// Runs the image until it writes the page, and stops it.
fn serves_a_page(layout: &Layout, options: &[&str]) {
    let (containers, image) = containers_of(layout);
    let mut podman = containers.tool("podman");
    podman.args(["run", "--rm", "--quiet", "--name", "example"]).args(options).arg(&image);
    let mut running = podman.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<_> = lines.take(2).collect();
    assert_eq!(said, ["before the server", "the page"], "{options:?}");
    containers.podman(["stop", "--time", "60", "example"]);
    assert_eq!(running.wait().unwrap().code(), Some(0), "{options:?}");
}

#[test]
fn the_example_runs() {
    let (_nix, layout) = example("example");
    serves_a_page(&layout, &[]);
}

/// As on a machine: not as the first process, not as root, and with a folder of one's own.
#[test]
fn a_user_runs_the_services_of_the_example_with_units() {
    let (_nix, layout) = example("example-systemd");
    serves_a_page(&layout, &["--init", "--user=1234:1234", "--env=SERVICES_DIRECTORY=/tmp/state"]);
}

#[test]
fn nix_works_for_its_user_and_for_root() {
    let expression = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/nix-image.nix");
    let (_nix, layout) = built(|nix| {
        let mut command = nix.command("nix-build");
        command.args([expression, "--arg", "programs"]).arg(&*PROGRAMS);
        command.args(["--arg", "nix"]).arg(Path::new(INSTALLED).join("nix-newer/root"));
        command
    });
    let (containers, image) = containers_of(&layout);
    // It builds something, collects it, and everything else is as it was.
    let script = r#"
        set -eu
        echo "$PWD $USER $(cat "$SSL_CERT_FILE") $(/usr/bin/env git)"
        cd /tmp
        nix --version
        list() { for path in /nix/store/*; do echo "$path"; done; }
        before=$(list)
        for busybox in /nix/store/*-busybox; do :; done
        built=$(nix-build --no-out-link -E 'derivation {
            name = "built"; system = builtins.currentSystem;
            builder = "${builtins.storePath "'"$busybox"'"}/bin/busybox";
            args = [ "sh" "-c" "echo made > $out" ];
        }')
        cat "$built"
        nix-store --gc 2>/dev/null >/dev/null
        test "$before" = "$(list)"
        nix-store --verify --check-contents
        echo clean
    "#;
    for options in [&[][..], &["--user=0:0"]] {
        let mut podman = containers.tool("podman");
        podman.args(["run", "--rm", "--quiet"]).args(options).args([&image, "-c", script]);
        let output = podman.output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{options:?}: {out}{err}");
        let [first, version, rest @ ..] = &out.lines().collect::<Vec<_>>()[..] else {
            panic!("{out}")
        };
        assert_eq!(*first, "/home/nix nix certificates git");
        assert!(version.starts_with("nix (Nix) ") && rest == ["made", "clean"], "{out}{err}");
        assert!(!err.contains("error"), "{options:?}: {err}");
    }
}
