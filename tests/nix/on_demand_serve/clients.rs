//! Usual clients pull and run images of packages, and show why there is none.

use std::process::Command;

use super::{registry::Registry, set};
use crate::{
    common::{
        docker::{Docker, Version},
        tool::{Containerd, Containers, crane, oras, skopeo},
    },
    nix::versions::{Nix, Version as NixVersion},
};

/// What a failing client prints.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!output.status.success(), "{command:?}: {said}");
    said
}

/// The newest Nix is enough: clients see nothing of it.
#[test]
fn clients_run_images_and_show_why_there_is_none() {
    let nix = Nix::new(NixVersion::Newer);
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    let reference = |name: &str| registry.reference(name);
    let containers = Containers::new(nix.folder());
    let run = ["run", "--rm", "--quiet", "--tls-verify=false"];
    let podman = |name: &str, command: &[&str]| {
        let reference = reference(name);
        containers.podman(run.iter().chain([&&*reference]).chain(command))
    };
    assert_eq!(podman("one", &[]), "hello from one\n");
    assert_eq!(podman("one/two", &["two"]), "hello from two\n");
    // Bash is the command.
    let script = "id -u; one; cat /etc/passwd | while read -r a; do echo $a; break; done";
    let said = podman("shell/one", &["bash", "-c", script]);
    assert_eq!(said, "1000\nhello from one\nroot:x:0:0::/root:/bin/sh\n");

    let docker = Docker::start(Version::Newer);
    docker.docker(["pull", "--quiet", &reference("two")]);
    assert_eq!(docker.run(&reference("two"), &[]), "hello from two\n");
    let containerd = Containerd::start();
    let pull = ["images", "pull", "--local", "--plain-http", "--snapshotter", "native"];
    containerd.ctr(pull.iter().chain([&&*reference("one")]));
    assert_eq!(containerd.run(&reference("one"), &[]), "hello from one\n");
    let listed = oras(["repo", "tags", "--plain-http", &format!("{}/one", registry.address)]);
    assert_eq!(listed, "latest\n");
    assert!(crane(["catalog", "--insecure", &registry.address]).contains("shell\n"));

    for (name, expected) in
        [("onee", "similar names are one"), ("failing", "the compiler is missing")]
    {
        let mut podman = containers.tool("podman");
        podman.args(["pull", "--quiet", "--tls-verify=false", &reference(name)]);
        for said in [refused(podman), refused(docker.tool(["pull", &reference(name)]))] {
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[test]
fn only_new_layers_are_pulled() {
    let nix = Nix::new(NixVersion::System);
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    let to = format!("oci:{}", nix.folder().join("pulled").display());
    let pull = |name: &str| {
        let from = format!("docker://{}", registry.reference(name));
        let to = format!("{to}:{}", name.replace('/', "-"));
        skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]);
        let path = format!("GET /v2/{name}/blobs/");
        let log = registry.log();
        let lines = log.lines().filter_map(|line| line.split_once(&path));
        let mut requested: Vec<String> = lines.map(|(_, rest)| rest[..71].to_owned()).collect();
        requested.sort();
        requested
    };
    let blobs = |name: &str| {
        let mut blobs = registry.manifest(name).blobs();
        blobs.sort();
        blobs
    };
    let (one, both) = (blobs("one"), blobs("one/two"));
    assert_eq!(pull("one"), one);
    let mut new = both.clone();
    new.retain(|blob| !one.contains(blob));
    assert!(new.len() < both.len(), "no layer is shared");
    assert_eq!(pull("one/two"), new);
}
