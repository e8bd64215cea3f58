//! Images with `systemd.services` and `system.services`. NIXPKGS_LIB names nixpkgs or its `lib`, as
//! for the other images from modules.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use serde::Deserialize;

use crate::common::tool::{Containers, run};
use crate::nix::layout::Layout;
use crate::nix::make_image::{on_expressions, on_root};
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! {
    units_of_modules_are_services, modules_of_nixos_add_to_images, mistakes_in_units_of_modules_have_their_sentence, units_run
}

fn evaluated<T: for<'de> Deserialize<'de>>(nix: &Nix, attribute: &str) -> T {
    let mut command = on_expressions(nix, "nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--read-write-mode", "--attr"]);
    let value = run(command.arg(format!("makeImage.units.{attribute}")));
    serde_json::from_str(&value).unwrap()
}

fn units_of_modules_are_services(nix: Nix) {
    let claims: BTreeMap<String, bool> = evaluated(&nix, "claims");
    assert!(claims.len() >= 19, "{claims:?}");
    let wrong: Vec<_> = claims.iter().filter(|(_, holds)| !**holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The stand-in in `tests/nix/nixpkgs/nixos` has units in the shape of NixOS.
fn modules_of_nixos_add_to_images(nix: Nix) {
    let mut command = on_root(&nix, "nix-instantiate", "daemons");
    command.args([
        "--eval",
        "--strict",
        "--json",
        "--read-write-mode",
        "--attr",
        "makeImage.nixos.claims",
    ]);
    let claims: BTreeMap<String, bool> = serde_json::from_str(&run(&mut command)).unwrap();
    assert!(claims.len() >= 30, "{claims:?}");
    let wrong: Vec<_> = claims.iter().filter(|(_, holds)| !**holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn mistakes_in_units_of_modules_have_their_sentence(nix: Nix) {
    let sentences: BTreeMap<String, String> = evaluated(&nix, "sentences");
    assert!(sentences.len() > 5);
    for (name, sentence) in sentences {
        let mut command = on_expressions(&nix, "nix-instantiate");
        command.args(["--attr", &format!("makeImage.units.mistakes.{name}.image")]);
        let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "{name} was not refused");
        assert!(said.contains(&sentence), "{name}: missing: {sentence}\n{said}");
    }
}

fn units_run(nix: Nix) {
    let mut command = on_expressions(&nix, "nix-build");
    command.args(["--no-out-link", "--quiet", "--attr", "makeImage.units.run"]);
    let layout = Layout::checked(nix.physical(run(&mut command).trim()));
    // The image has the directories of the services, with their owners.
    let listed = layout.image(None).listings().concat();
    for directory in [
        "drwxr-x--- 29631/29631 srv/%/",
        "drwxr-xr-x 0/0 run/db/sockets/",
        "drwx------ 0/0 var/cache/db/",
        "drwxr-xr-x 29631/29631 var/lib/web/",
    ] {
        assert!(listed.iter().any(|entry| entry == directory), "missing: {directory}\n{listed:#?}");
    }
    let name = layout.path().file_name().unwrap().to_str().unwrap();
    let containers = Containers::new(layout.path().parent().unwrap());
    let expected = [
        "pre",
        "db",
        "db is ready",
        "root",
        "two words two words setup.service $",
        "a \"b\" 'c' $HOME",
        "%d \\",
        "/var/lib/web",
        "web",
        "/var/lib/web",
        "hello",
        "/srv/% 750 web web",
        "/srv/a b 600 web web",
        "/srv/e 1770 web web",
        "/run/db/sockets 755 root root",
        "/var/cache/db 700 root root",
        "/var/log/db 755 root root",
        "/etc/db 755 root root",
        "/var/lib/web 755 web web",
        "it's \"text\"stops",
    ];
    // A volume hides them, and a start makes them again.
    let volumes = ["/var/lib", "/var/cache", "/run", "/srv/fixed:ro,mode=755"];
    let volumes = volumes.map(|volume| ["--tmpfs", volume]).concat();
    for options in [&[][..], &volumes] {
        let mut podman = containers.tool("podman");
        podman.args(["run", "--rm", "--quiet"]).args(options).arg(format!("oci:{name}"));
        let output = podman.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{options:?}: {errors}");
        assert_eq!(output.status.code(), Some(7), "{options:?}: {errors}");
    }
}
