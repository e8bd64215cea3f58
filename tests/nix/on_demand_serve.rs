//! `serve --packages` with real Nix: what clients get, and what happens when something fails.

mod clients;
mod config;
mod declared;
mod faults;
mod image;
mod many;
mod pages;
mod registry;
mod settings;
mod units;

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use oci_layout::Digest;
use registry::{Registry, begun, take_calls};
use serde_json::Value;

use crate::{
    common::tool::{crane, run},
    nix::{
        on_demand::{Set, system},
        versions::{Nix, for_each_nix},
    },
};

for_each_nix!(
    requests_agree_on_an_image,
    unknown_names_have_candidates,
    garbage_is_collected_between_a_manifest_and_its_blobs,
    a_build_that_cannot_be_repeated_can_be_pulled,
    a_killed_registry_knows_its_images,
    a_changed_package_set_is_served,
    images_that_nobody_pulls_are_forgotten,
);

/// A package set with programs, for two platforms.
fn set(nix: &Nix) -> Set<'_> {
    let file = nix.folder().join("nix.conf");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(file, settings + "extra-platforms = aarch64-linux\n").unwrap();
    Set::of(nix, "tests/nix/on_demand_serve/set")
}

fn requests_agree_on_an_image(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    let digest = |name: &str| crane(["digest", "--insecure", &registry.reference(name)]);
    // `HEAD` comes first, and makes the image.
    let one = digest("one");
    let one = one.trim();
    let by_tag = registry.manifest("one");
    let by_digest = registry.get(&format!("/v2/one/manifests/{one}"));
    let head = registry.head(&format!("/v2/one/manifests/{one}"));
    assert_eq!([by_tag.digest(), by_digest.digest(), head.digest()], [one; 3]);
    assert_eq!(by_tag.body, by_digest.body);
    assert_eq!(head.header("content-length"), Some(&*by_tag.body.len().to_string()));

    let both = ["one/two", "two/one", "one/one/two"].map(digest);
    assert!(both.iter().all(|digest| *digest == both[0] && digest.trim() != one), "{both:?}");
    crane(["validate", "--insecure", "--remote", &registry.reference("two/one")]);

    let other = registry.reference("arm64/one");
    assert_ne!(digest("arm64/one").trim(), one);
    let config: Value = serde_json::from_str(&crane(["config", "--insecure", &other])).unwrap();
    assert_eq!(config["architecture"], "arm64");
    // No name leads to another name's blobs.
    let blob = &by_tag.blobs()[1];
    assert_eq!(registry.get(&format!("/v2/one/blobs/{blob}")).status, 200);
    assert_eq!(registry.get(&format!("/v2/arm64/one/blobs/{blob}")).status, 404);
}

fn unknown_names_have_candidates(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    for (name, status, expected) in [
        ("onee", 404, "similar names are one"),
        ("one/twoo", 404, "similar names are two"),
        ("one.src", 404, "one.src"),
        ("unfree", 422, "two-headed has an unfree licence"),
        ("failing", 422, "the compiler is missing"),
        ("arm64", 400, "add packages"),
        ("one/arm64", 400, "write it first"),
        ("a.b.c.d.e", 400, "parts between dots"),
    ] {
        let answer = registry.manifest(name);
        assert_eq!(answer.status, status, "{name}");
        let message = answer.message();
        assert!(message.contains(expected), "{name}: {message}");
        for path in ["/nix", set.folder.to_str().unwrap(), nix.folder().to_str().unwrap()] {
            assert!(!message.contains(path), "{name}: {message}");
        }
    }
    let answer = registry.get("/v2/one/manifests/v3");
    assert_eq!(answer.status, 404);
    assert!(answer.message().contains("latest"));
    assert_eq!(registry.manifest("one").status, 200);
}

fn garbage_is_collected_between_a_manifest_and_its_blobs(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &["--store-layers", "never"]);
    let manifest = registry.manifest("one/two");
    set.collect();
    registry.pull_blobs("one/two", &manifest);
    lose(&set);
    take_calls(&nix);
    registry.pull_blobs("one/two", &manifest);
    assert_eq!(begun(&take_calls(&nix), "nix-store --realise"), 1, "they were gone");
}

/// Removes what keeps the packages, and the packages.
fn lose(set: &Set<'_>) {
    for root in fs::read_dir(set.state.join("roots")).unwrap() {
        fs::remove_file(root.unwrap().path()).unwrap();
    }
    set.collect();
}

fn a_build_that_cannot_be_repeated_can_be_pulled(nix: Nix) {
    let set = set(&nix);
    // Each build of the package has another content.
    let registry = Registry::start(&nix, &set, &[]);
    let manifest = registry.manifest("changing");
    lose(&set);
    take_calls(&nix);
    registry.pull_blobs("changing", &manifest);
    assert_eq!(take_calls(&nix), [""; 0]);
    let stored = || fs::read_dir(set.state.join("state/blobs")).map_or(0, Iterator::count);
    // The shell, the package, and not the layer with users and links, which has no package.
    assert_eq!(stored(), manifest.blobs().len() - 2);
    drop(registry);

    // Without stored layers, the pull fails. What is stored is served nevertheless.
    let registry = Registry::start(&nix, &set, &["--store-layers", "never"]);
    lose(&set);
    registry.pull_blobs("changing", &manifest);
    fs::remove_dir_all(set.state.join("state/blobs")).unwrap();
    let answers = manifest.blobs().into_iter().map(|digest| {
        let answer = registry.get(&format!("/v2/changing/blobs/{digest}"));
        // A wrong byte is never sent.
        assert!(answer.status != 200 || Digest::of(&answer.body).to_string() == digest);
        answer.status
    });
    assert!(answers.collect::<Vec<_>>().contains(&500), "{}", registry.log());
    assert_eq!(stored(), 0);
}

fn a_killed_registry_knows_its_images(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    let names = ["one", "one/two", "shell"];
    let manifests = names.map(|name| registry.manifest(name));
    registry.kill();
    take_calls(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    for (name, manifest) in names.iter().zip(&manifests) {
        assert_eq!(registry.manifest(name).body, manifest.body);
        registry.pull_blobs(name, manifest);
    }
    assert_eq!(take_calls(&nix), [""; 0]);
}

fn a_changed_package_set_is_served(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    let one = registry.manifest("one");
    let file = set.folder.join("default.nix");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"greet two\"", "\"greet changed\"")).unwrap();
    // An earlier request does not keep the tag at a state of the folder that is gone.
    let two = registry.manifest("two");
    registry.pull_blobs("two", &two);
    registry.pull_blobs("one", &one);
}

fn images_that_nobody_pulls_are_forgotten(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &["--keep", "3"]);
    let manifest = registry.manifest("one");
    registry.terminate();
    assert!(registry.end().success());
    // As if the last pull was so long ago.
    let age = |days: u32| {
        let ago = format!("{days} days ago");
        run(Command::new("find").arg(&set.state).args([
            "-exec",
            "touch",
            "--no-dereference",
            "--date",
            &ago,
            "{}",
            "+",
        ]));
    };
    let roots = || fs::read_dir(set.state.join("roots")).unwrap().count();
    for (days, left) in [(2, 1), (4, 0)] {
        age(days);
        let registry = Registry::start(&nix, &set, &["--keep", "3"]);
        let is_forgotten = || registry.log().contains("1 images are forgotten; 0 are left");
        let end = Instant::now() + Duration::from_secs(if left == 0 { 20 } else { 1 });
        while !is_forgotten() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(is_forgotten(), left == 0, "{}", registry.log());
        assert_eq!(roots(), left);
    }
    set.collect();
    // What was forgotten is made again, and is the same.
    let registry = Registry::start(&nix, &set, &["--max-size", "1"]);
    assert_eq!(registry.manifest("one").body, manifest.body);
}
