//! The files of the manual's section about clients lead clients to a registry without TLS.

use std::{fs, process::Command};

use super::{registry::Registry, set};
use crate::{
    common::{
        docker::{Docker, Version},
        tool::{Containerd, Containers},
    },
    nix::versions::{Nix, Version as NixVersion},
};

/// The address in the manual.
const EXAMPLE: &str = "registry.example:5000";

/// The first block of the manual with this text.
fn block(text: &str) -> String {
    let page = fs::read_to_string("docs/on-demand.md").unwrap();
    let mut blocks = page.split("\n```").filter(|block| block.contains(text));
    let block = blocks.next().unwrap_or_else(|| panic!("the manual has no block with {text}"));
    block.split_once('\n').unwrap().1.to_owned()
}

fn fails(mut command: Command) {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} needs no file");
}

/// No client connects to this address without TLS unless a file allows it.
#[test]
fn the_files_of_the_manual_lead_clients_to_a_registry() {
    let nix = Nix::new(NixVersion::Newer);
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &["--host", "registry.example"]);
    let here = |text: &str| block(text).replace(EXAMPLE, &registry.address);
    let example = format!("{EXAMPLE}/one:latest");

    // The name is that of the manual. Only the file tells where it is.
    let folder = nix.folder().join("certs.d");
    fs::create_dir_all(folder.join(EXAMPLE)).unwrap();
    let containerd = Containerd::start();
    let options = ["images", "pull", "--local", "--snapshotter", "native", "--hosts-dir"];
    let options = || options.iter().copied().chain([folder.to_str().unwrap(), &example]);
    fails(containerd.tool(options()));
    fs::write(folder.join(EXAMPLE).join("hosts.toml"), here("capabilities =")).unwrap();
    containerd.ctr(options());
    assert!(containerd.ctr(["images", "list", "--quiet"]).contains(&example));

    let containers = Containers::new(nix.folder());
    let file = nix.folder().join("registries.conf");
    let podman = || {
        let mut podman = containers.tool("podman");
        podman.env("CONTAINERS_REGISTRIES_CONF", &file);
        podman.args(["pull", "--quiet", &registry.reference("one")]);
        podman
    };
    fs::write(&file, "").unwrap();
    fails(podman());
    fs::write(&file, here("[[registry]]")).unwrap();
    crate::common::tool::run(&mut podman());

    // Docker needs no file for addresses of this machine, so it gets the registry as its proxy.
    let file = nix.folder().join("daemon.json");
    let proxy = format!("http://{}", registry.address);
    let docker = |text: &str| {
        fs::write(&file, text).unwrap();
        Docker::start_with(Version::Newer, |daemon| {
            daemon.arg("--config-file").arg(&file).env("HTTP_PROXY", &proxy);
        })
    };
    fails(docker("{}").tool(["pull", "--quiet", &example]));
    let docker = docker(&block("insecure-registries"));
    docker.docker(["pull", "--quiet", &example]);
    assert_eq!(docker.run(&example, &[]), "hello from one\n");
}
