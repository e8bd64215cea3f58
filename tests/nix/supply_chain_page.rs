//! The lines of docs/supply-chain.md that take an image from Nix to a registry with its bill, its
//! provenance and signatures, and those with which a consumer checks them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::tool::{INSTALLED, Registry, run, tool};
use crate::nix::flake::Flakes;
use crate::nix::guide::examples;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { an_image_is_pushed_with_its_documents_and_checked }

const PAGE: &str = "docs/supply-chain.md";

/// The shell blocks of a section of the page.
fn lines(section: &str) -> Vec<String> {
    let page = fs::read_to_string(PAGE).unwrap();
    let section = page.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    section
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

struct Room {
    flakes: Flakes,
    registry: Registry,
}

impl Room {
    fn new(nix: Nix) -> Self {
        let room = Self { flakes: Flakes::new(nix), registry: Registry::start() };
        for key in ["key", "other"] {
            let make = format!(
                "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}.pem && \
                 openssl pkey -in {key}.pem -pubout -out {key}.pub"
            );
            run(&mut room.shell(&make));
        }
        room
    }

    /// A shell with the programs of the page, for this registry.
    fn shell(&self, lines: &str) -> Command {
        let nix = &self.flakes.nix;
        let path = std::env::var_os("PATH").unwrap();
        let folders = nix.programs().into_iter();
        let folders = folders.chain([PROGRAMS.join("oci-layout/bin"), INSTALLED.into()]);
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
        let mut shell = tool("bash");
        shell.envs(nix.environment());
        // Only oras needs an option for a registry without TLS.
        let lines = lines
            .replace("ghcr.io", &self.registry.address)
            .replace("oras discover", "oras discover --plain-http");
        shell.args(["-euo", "pipefail", "-c", &lines]).current_dir(self.flakes.folder(""));
        shell.env("PATH", path);
        shell.env("NIX_PATH", format!("nixpkgs={}", self.flakes.folder("nixpkgs").display()));
        shell
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.flakes.folder(name)).unwrap()).unwrap()
    }
}

fn an_image_is_pushed_with_its_documents_and_checked(nix: Nix) {
    let room = Room::new(nix);
    let image = &examples(PAGE)[0];
    assert!(image.starts_with("# image.nix\n"), "{image}");
    fs::write(room.flakes.folder("image.nix"), image).unwrap();
    let [build, check] = <[String; 2]>::try_from(lines("From Nix to a registry")).unwrap();
    let pushed = run(&mut room.shell(&format!("{build}echo \"image=$image\"")));
    let image = pushed.lines().find(|line| line.starts_with("image=")).unwrap();
    assert!(image.contains("/me/app@sha256:"), "{pushed}");

    // What each line of a consumer prints.
    let run_line = |line: &str| run(&mut room.shell(&format!("{image}\n{line}")));
    let check: Vec<&str> = check.lines().collect();
    assert_eq!(check.len(), 4);
    let attached = run_line(check[0]);
    for artifact in ["application/vnd.cyclonedx+json", "application/vnd.dev.sigstore.bundle"] {
        assert!(attached.contains(artifact), "{attached}");
    }
    let digest = image.split_once('@').unwrap().1;
    assert!(run_line(check[1]).contains(digest));
    for (line, file) in [(check[2], "sbom.json"), (check[3], "provenance.json")] {
        let line = line.split('#').next().unwrap();
        let statement = run_line(&format!("{line} | jq -r .payload | base64 -d"));
        let statement: Value = serde_json::from_str(&statement).unwrap();
        let subjects = statement["subject"].as_array().unwrap();
        let hex = digest.strip_prefix("sha256:").unwrap();
        assert!(subjects.iter().any(|subject| subject["digest"]["sha256"] == hex), "{statement}");
        let expected = match file {
            "sbom.json" => room.json(file),
            _ => room.json(file)["predicate"].clone(),
        };
        assert_eq!(statement["predicate"], expected, "{file}");
    }
    // Nothing is signed by another key.
    for line in &check[1..] {
        let line = format!("{image}\n{}", line.replace("key.pub", "other.pub"));
        assert!(!room.shell(&line).output().unwrap().status.success(), "{line}");
    }
    // The bill lists what is in the image.
    let bill = room.json("sbom.json").to_string();
    assert!(bill.contains("pkg:nix/hello@1.0"), "{bill}");
    let files = format!("{image}\ncrane export --insecure \"$image\" - | tar --list");
    assert!(run(&mut room.shell(&files)).contains("-hello-1.0/bin/hello"));
}
