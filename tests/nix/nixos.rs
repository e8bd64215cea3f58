//! Images with modules of NixOS, whose daemons are Debian's. The stand-in for NixOS is in
//! `tests/nix/nixpkgs/nixos`, and NIXPKGS names a checkout of the real one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use crate::common::container::Container;
use crate::common::tool::{Containers, run, tool};
use crate::nix::make_image::on_root;
use crate::nix::versions::{Nix, Version};

/// Runs an image with nginx, redis and postgresql, restricted as it says: a page, a key, a query, and
/// a stop.
fn daemons_run(nix: &Nix, attribute: &str, command: impl Fn(&Nix, &str) -> Command) {
    let mut evaluate = command(nix, "nix-instantiate");
    evaluate.args(["--eval", "--strict", "--json", "--read-write-mode", "--attr"]);
    let unit = run(evaluate.arg(format!("{attribute}.deploy.quadlet.unit.Container")));
    let options = options(&serde_json::from_str(&unit).unwrap());
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let mut build = command(nix, "nix-build");
    build.args(["--attr", attribute]);
    let layout = nix.physical(run(build.args(["--no-out-link", "--quiet"])).trim());
    let name = layout.file_name().unwrap().to_str().unwrap();
    let containers = Containers::new(layout.parent().unwrap());
    let container = Container::start(&containers, &options, &format!("oci:{name}"));
    let last = "redis-cli ping";
    container.wait_until("the last service", || container.tries(last).as_deref() == Some("PONG\n"));
    assert_eq!(container.sh("wget -q -O - http://127.0.0.1/"), "a page\n");
    assert!(container.tries("touch /etc/x").is_none(), "{options:?}");
    // Its user may connect without a password.
    let query = "exec s6-setuidgid postgres psql --no-align --tuples-only --command 'select 6 * 7'";
    assert_eq!(container.sh(query), "42\n");
    assert_eq!(container.stop().0, 0, "{}", container.logs());
    assert!(container.logs().contains("database system is shut down"), "{}", container.logs());
}

#[test]
fn daemons_of_the_stand_in_run() {
    let nix = Nix::new(Version::Newer);
    daemons_run(&nix, "makeImage.nixos.run", |nix, program| on_root(nix, program, "daemons"));
}

/// The options of podman for what a hardened image with services has in its quadlet.
fn options(container: &Value) -> Vec<String> {
    assert_eq!(
        (&container["ReadOnly"], &container["NoNewPrivileges"]),
        (&true.into(), &true.into())
    );
    let mut options = vec!["--read-only".to_owned(), "--security-opt=no-new-privileges".to_owned()];
    for (member, option) in
        [("Tmpfs", "--tmpfs"), ("DropCapability", "--cap-drop"), ("AddCapability", "--cap-add")]
    {
        let values = container[member].as_array().unwrap().iter();
        options.extend(values.map(|value| format!("{option}={}", value.as_str().unwrap())));
    }
    options
}

/// A command on the tests' expressions with the checkout.
fn on_checkout(nix: &Nix, program: &str) -> Command {
    let checkout = PathBuf::from(env::var_os("NIXPKGS").expect("NIXPKGS names a checkout"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nix/nixos/names.py");
    let names = nix.folder().join("names.json");
    fs::write(&names, run(tool("python3").arg(script).arg(checkout.join("nixos/modules"))))
        .unwrap();
    let mut command = on_root(nix, program, "daemons");
    command.arg("--arg").arg("lib").arg(checkout.join("lib"));
    command.arg("--arg").arg("nixos").arg(&checkout).arg("--arg").arg("nixosNames").arg(names);
    command
}

#[test]
#[ignore = "it wants a checkout of nixpkgs, of which it uses `lib` and `nixos`, named by NIXPKGS"]
fn with_the_real_nixos() {
    let nix = Nix::new(Version::Newer);
    let mut evaluate = on_checkout(&nix, "nix-instantiate");
    evaluate.args(["--eval", "--strict", "--json", "--read-write-mode", "--attr"]);
    let claims = run(evaluate.arg("makeImage.realNixos.claims"));
    let claims: BTreeMap<String, bool> = serde_json::from_str(&claims).unwrap();
    assert!(claims.len() >= 16, "{claims:?}");
    assert!(claims.values().all(|holds| *holds), "{claims:?}");

    daemons_run(&nix, "makeImage.realNixos.run", on_checkout);
}
