//! `serve --images`: images that an operator declares, and changes while they are served.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    registry::{Answer, Registry, take_calls},
    set,
};
use crate::{
    common::{
        hello::busybox,
        tool::{Containers, crane, run, skopeo, tool},
    },
    nix::{
        on_demand::Set,
        versions::{Nix, Version, for_each_nix},
    },
};

for_each_nix!(a_restarted_registry_knows_declared_images, tags_have_sources_of_their_own);

const TOOLS: &str = r#"
images:
  - name: team/tools
    tags: [v1, latest]
    contents: [one, shell]
    user: ada
    config:
      Env: [GREETED=you]
      Cmd: [/etc/run]
    files:
      /etc/run: |
        #!/bin/sh
        id -un
        pwd
        one
        echo "$GREETED"
        cat /etc/motd
        stat -c %a /etc/motd
      /etc/motd: { text: "welcome\n", mode: "0444" }
  - name: team/tools
    tags: [v0]
    contents: [two]
"#;

/// The manifest of a name with a tag.
fn manifest(registry: &Registry, name: &str, tag: &str) -> Answer {
    registry.get(&format!("/v2/{name}/manifests/{tag}"))
}

#[test]
fn clients_pull_and_run_declared_images() {
    let nix = Nix::new(Version::Newer);
    let set = set(&nix);
    let file = nix.folder().join("images.yaml");
    fs::write(&file, TOOLS).unwrap();
    let registry = Registry::start(&nix, &set, &["--images", file.to_str().unwrap()]);
    let reference = |tag: &str| format!("{}/team/tools:{tag}", registry.address);

    let containers = Containers::new(nix.folder());
    let podman = |tag: &str| {
        containers.podman(["run", "--rm", "--quiet", "--tls-verify=false", &reference(tag)])
    };
    let expected = "ada\n/home/ada\nhello from one\nyou\nwelcome\n444\n";
    assert_eq!(podman("v1"), expected);
    assert_eq!(podman("v0"), "hello from two\n");

    crane(["validate", "--insecure", "--remote", &reference("v1")]);
    let digest = |tag: &str| crane(["digest", "--insecure", &reference(tag)]);
    assert_eq!(digest("v1"), digest("latest"));
    assert_ne!(digest("v1"), digest("v0"));
    let listed = crane(["ls", "--insecure", &format!("{}/team/tools", registry.address)]);
    assert_eq!(listed, "latest\nv0\nv1\n");
    assert!(crane(["catalog", "--insecure", &registry.address]).contains("team/tools\n"));

    let source = format!("docker://{}", reference("v1"));
    let config = skopeo(["inspect", "--config", "--tls-verify=false", &source]);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["User"], "1000:1000");
    assert_eq!(config["config"]["Cmd"][0], "/etc/run");

    let answer = manifest(&registry, "team/tools", "v2");
    assert_eq!(answer.status, 404);
    assert!(answer.message().contains("latest, v0, v1"), "{}", answer.message());
    // How to pull them is printed at the start.
    for tag in ["v0", "v1", "latest"] {
        let line = format!("podman pull --tls-verify=false {}\n", reference(tag));
        assert!(registry.log().contains(&line), "{}", registry.log());
    }
}

/// Waits until something is true, and at most two seconds.
#[track_caller]
fn within_two_seconds(registry: &Registry, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(2);
    while !is_true() {
        assert!(Instant::now() < end, "{}", registry.log());
        thread::sleep(Duration::from_millis(20));
    }
}

fn one_image(package: &str) -> String {
    format!("[[images]]\nname = 'it'\ncontents = ['{package}']\n")
}

/// Replaces a file, so that nobody sees a half of it.
fn put(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn changes_are_served_and_broken_files_are_not() {
    let nix = Nix::new(Version::Newer);
    let set = set(&nix);
    let file = nix.folder().join("images.toml");
    put(&file, &one_image("one"));
    let registry = Registry::start(&nix, &set, &["--images", file.to_str().unwrap()]);
    let digest = |name: &str| registry.manifest(name).digest().to_owned();
    // Making them takes longer than noticing a change.
    let (one, two) = (digest("one"), digest("two"));
    let it = registry.manifest("it");
    assert_eq!(it.digest(), one);

    put(&file, &one_image("two"));
    within_two_seconds(&registry, || digest("it") == two);
    // Somebody has the earlier manifest, and pulls its blobs.
    registry.pull_blobs("it", &it);
    assert_eq!(registry.get(&format!("/v2/it/manifests/{one}")).status, 200);
    assert_eq!(registry.get(&format!("/v2/two/manifests/{one}")).status, 404);

    put(&file, &(one_image("one") + "tag = 'v1'\n"));
    within_two_seconds(&registry, || registry.log().contains("unknown member \"tag\""));
    let log = registry.log();
    let line = log.lines().find(|line| line.contains("unknown member \"tag\"")).unwrap();
    for part in
        ["oci-layout: warning: names and declared images stay as they were", "images.toml", "it"]
    {
        assert!(line.contains(part), "{line}");
    }
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(registry.log().matches("unknown member \"tag\"").count(), 1, "once");
    assert_eq!(digest("it"), two, "the earlier images stay");
    // On SIGHUP, a file is read that did not change.
    registry.hang_up();
    within_two_seconds(&registry, || registry.log().matches("unknown member \"tag\"").count() == 2);

    put(&file, &one_image("one"));
    registry.hang_up();
    within_two_seconds(&registry, || digest("it") == one);
    put(&file, "images = []");
    within_two_seconds(&registry, || registry.manifest("it").status == 404);
    assert!(registry.log().contains("note: the declared images changed: there are 0"));
}

#[test]
fn a_mounted_config_map_changes_as_a_whole() {
    let nix = Nix::new(Version::System);
    let set = set(&nix);
    let mount = nix.folder().join("mount");
    // As a kubelet does.
    let version = |name: &str, package: &str| {
        fs::create_dir_all(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("images.toml"), one_image(package)).unwrap();
    };
    version("..2026_11_30", "one");
    symlink("..2026_11_30", mount.join("..data")).unwrap();
    symlink("..data/images.toml", mount.join("images.toml")).unwrap();
    let registry = Registry::start(&nix, &set, &["--images", mount.to_str().unwrap()]);
    let digest = |name: &str| registry.manifest(name).digest().to_owned();
    let (one, two) = (digest("one"), digest("two"));
    assert_eq!(digest("it"), one);
    version("..2026_12_01", "two");
    symlink("..2026_12_01", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join("..2026_11_30")).unwrap();
    within_two_seconds(&registry, || digest("it") == two);
    assert!(!registry.log().contains("stay as they were"), "{}", registry.log());
}

fn a_restarted_registry_knows_declared_images(nix: Nix) {
    let set = set(&nix);
    let file = nix.folder().join("images.yaml");
    fs::write(&file, TOOLS).unwrap();
    let start = || Registry::start(&nix, &set, &["--images", file.to_str().unwrap()]);
    let registry = start();
    let manifests = ["v0", "v1"].map(|tag| manifest(&registry, "team/tools", tag));
    registry.kill();
    take_calls(&nix);
    let registry = start();
    for (tag, earlier) in ["v0", "v1"].into_iter().zip(&manifests) {
        assert_eq!(manifest(&registry, "team/tools", tag).body, earlier.body);
        registry.pull_blobs("team/tools", earlier);
    }
    assert_eq!(take_calls(&nix), [""; 0]);
}

fn tags_have_sources_of_their_own(nix: Nix) {
    let set = set(&nix);
    let git = |arguments: &[&str]| {
        let mut git = tool("git");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@b");
        }
        run(git.current_dir(&set.folder).args(arguments))
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    git(&["tag", "stable"]);
    let expression = set.folder.join("default.nix");
    let text = fs::read_to_string(&expression).unwrap();
    fs::write(&expression, text.replace("\"greet one\"", "\"greet another\"")).unwrap();
    git(&["commit", "--quiet", "--all", "--message", "second"]);

    let file = nix.folder().join("images.toml");
    let image = |tag: &str, source: &str| {
        format!(
            "[[images]]\nname = 'it'\ntags = ['{tag}']\ncontents = ['one']\nsource = '{source}'\n"
        )
    };
    let text = image("v1", "stable") + &image("v2", "main") + &image("v3", "missing");
    fs::write(&file, text).unwrap();
    let source = format!("git:file://{}", set.folder.display());
    let registry = Registry::start_of(&nix, &set, &source, &["--images", file.to_str().unwrap()]);
    let digest = |name: &str, tag: &str| manifest(&registry, name, tag).digest().to_owned();
    assert_eq!(digest("it", "v1"), digest("one", "stable"));
    assert_eq!(digest("it", "v2"), digest("one", "latest"));
    assert_ne!(digest("it", "v1"), digest("it", "v2"));
    let answer = manifest(&registry, "it", "v3");
    assert_eq!(answer.status, 404);
    assert!(answer.message().contains("missing"), "{}", answer.message());
}

#[test]
fn the_example_runs() {
    let nix = Nix::new(Version::System);
    let set = Set::of(&nix, "examples/packages");
    fs::copy(busybox(), set.folder.join("busybox")).unwrap();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/packages/images.toml");
    let registry = Registry::start(&nix, &set, &["--images", images.to_str().unwrap()]);
    let containers = Containers::new(nix.folder());
    let podman = |tag: &str| {
        let reference = format!("{}/greeter:{tag}", registry.address);
        containers.podman(["run", "--rm", "--quiet", "--tls-verify=false", &reference])
    };
    assert_eq!(podman("v1"), "Hello, Ada!\nWelcome.\n");
    assert_eq!(podman("v0"), "Hello, world!\n");
}
