//! What `attach` attaches is found by oras, in layouts and in registries with and without the API for
//! referrers, and the other way round.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::tool::{Registry, crane, oras};
use crate::tools::pull::program;
use crate::tools::sample::Sample;
use crate::tools::sparse::Served;
use oci_layout::Compression;

const BILL: &str = "application/vnd.cyclonedx+json";
const SEAL: &str = "application/vnd.example.seal";

/// The standard output of the program in a folder.
#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = program(arguments, folder, |_| {});
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The digest and the type of each referrer that oras finds.
fn found_by_oras(arguments: &[&str]) -> Vec<String> {
    let found = oras([&["discover", "--format", "json"], arguments].concat());
    let found: Value = serde_json::from_str(&found).unwrap();
    fn all(of: &Value, depth: usize, lines: &mut Vec<String>) {
        for referrer in of["referrers"].as_array().into_iter().flatten() {
            let text = |member: &str| referrer[member].as_str().unwrap().to_owned();
            lines.push(format!(
                "{:1$}{2} {3}",
                "",
                depth * 2,
                text("digest"),
                text("artifactType")
            ));
            all(referrer, depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    all(&found, 0, &mut lines);
    lines
}

#[test]
fn oras_finds_what_is_attached() {
    let sample = Sample::new(Compression::GZIP);
    let folder = sample.folder();
    let layout = sample.layout();
    let layout = layout.to_str().unwrap();
    let image = format!("{layout}:latest");
    fs::write(folder.join("bill.json"), "{\"bomFormat\":\"CycloneDX\"}\n").unwrap();
    fs::write(folder.join("seal"), "seal\n").unwrap();
    let bill = run(folder, &["attach", &image, "bill.json", "--type", BILL]);
    let bill = bill.trim();
    run(folder, &["attach", &format!("{layout}@{bill}"), "seal", "--type", SEAL]);
    let found: Vec<String> =
        run(folder, &["discover", &image]).lines().map(str::to_owned).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found_by_oras(&["--oci-layout", &image]), found);
    oras(["pull", "--no-tty", "--oci-layout", "--output", "pulled", &format!("{layout}@{bill}")]);

    // docker-registry has no list of referrers, and the one of crane has.
    for (name, registry) in [("old", Registry::start()), ("new", Registry::of_crane())] {
        let there = format!("{}/a/app:1", registry.address);
        run(folder, &["push", &image, &there]);
        assert_eq!(run(folder, &["discover", &format!("docker://{there}")]), "", "{name}");
        run(folder, &["push", &image, &there, "--referrers"]);
        assert_eq!(found_by_oras(&["--plain-http", &there]), found, "{name}");
        let here: Vec<String> = run(folder, &["discover", &format!("docker://{there}")])
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(here, found, "{name}");
        assert_eq!(crane(["digest", "--insecure", &there]).trim(), sample.digest.to_string());

        // From registry to registry, and into a layout.
        let copied = format!("{}/b/app:2", registry.address);
        run(folder, &["copy", &there, &copied, "--referrers"]);
        assert_eq!(found_by_oras(&["--plain-http", &copied]), found, "{name}");
        let pulled = folder.join(format!("pulled-{name}"));
        let pulled = pulled.to_str().unwrap();
        run(folder, &["pull", &copied, "-o", pulled, "--referrers"]);
        assert_eq!(found_by_oras(&["--oci-layout", &format!("{pulled}:2")]), found, "{name}");
        assert_eq!(run(folder, &["verify", pulled]), "");

        // Attached there, by both.
        let docker = format!("docker://{there}");
        let more = run(folder, &["attach", &docker, "seal", "--type", SEAL]);
        let more = more.trim();
        assert!(found_by_oras(&["--plain-http", &there]).contains(&format!("{more} {SEAL}")));
        oras([
            "attach",
            "--no-tty",
            "--plain-http",
            "--artifact-type",
            "a/b",
            &there,
            &format!("{}:text/plain", folder.join("seal").display()),
            "--disable-path-validation",
        ]);
        assert!(run(folder, &["discover", &docker, "--type", "a/b"]).ends_with(" a/b\n"));
    }

    // Our own registry serves what the layout has.
    let served = Served::new(folder, &[&format!("app={layout}")]);
    assert_eq!(found_by_oras(&["--plain-http", &format!("{}/app:latest", served.address)]), found);
}

#[test]
fn an_artifact_is_removed_from_a_registry() {
    let sample = Sample::new(Compression::GZIP);
    let folder = sample.folder();
    fs::write(folder.join("seal"), "seal\n").unwrap();
    for registry in [Registry::that_deletes(), Registry::of_crane()] {
        let there = format!("{}/a/app:1", registry.address);
        run(folder, &["push", &format!("{}:latest", sample.layout().display()), &there]);
        let docker = format!("docker://{there}");
        let one = run(folder, &["attach", &docker, "seal", "--type", SEAL]);
        let other = run(folder, &["attach", &docker, "seal", "--type", "a/b"]);
        run(folder, &["detach", &docker, one.trim()]);
        assert_eq!(found_by_oras(&["--plain-http", &there]), [format!("{} a/b", other.trim())]);
        run(folder, &["detach", &docker, "--type", "a/b"]);
        assert_eq!(run(folder, &["discover", &docker]), "");
        let gone = format!("{}/a/app@{}", registry.address, one.trim());
        assert!(
            !program(&["manifest", &format!("docker://{gone}")], folder, |_| {}).status.success()
        );
    }
}
