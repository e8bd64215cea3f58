//! A change of one line in a large image, which is pushed again: what is built, read and sent.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use crate::common::tool::{Registry, crane};
use crate::nix::apps::Apps;
use crate::nix::proxy::CountingProxy;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { a_changed_line_is_all_that_is_built_and_sent }

fn a_changed_line_is_all_that_is_built_and_sent(nix: Nix) {
    let apps = Apps(nix);
    apps.build("change.before", "");
    let before = size(&apps.store());
    let registry = Registry::start();
    let proxy = CountingProxy::start(&registry.address);
    let there = format!("{}/a/change:1.0", proxy.address);
    let run = |program: &str, changing: &str| {
        let sent = proxy.sent();
        let said = apps.run(
            &format!("change.image.{program}"),
            changing,
            &[&there],
            &Command::new("true"),
        );
        let digest = crane(["digest", "--insecure", &format!("{}/a/change:1.0", registry.address)]);
        assert_eq!(said, format!("{}/a/change@{digest}", proxy.address));
        (digest, proxy.sent() - sent)
    };

    let (first, sent) = run("copyToRegistry", "one\n");
    assert!(sent > LARGE, "{sent} bytes");
    let grown = size(&apps.store()) - before;
    assert!(grown < 1_000_000, "{grown} bytes for layers, manifest and layout");
    let image = format!("{}/a/change@{}", registry.address, first.trim());
    crane(["validate", "--insecure", "--remote", &image]);

    // From here on, it cannot be read.
    let large = only(&apps.store(), "-large");
    fs::set_permissions(&large, Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(large.join("bytes")).unwrap();
    let (mut image, mut digests) = (image, vec![first]);
    for (program, changing) in [("copyToRegistry", "two\n"), ("push", "three\n")] {
        let name = if program == "push" { "push" } else { "copy-to-registry" };
        let mut expected = ["image-change", "oci-customisation", "oci-manifest", name];
        expected.sort();
        assert_eq!(apps.to_build(&format!("change.image.{program}"), changing), expected);
        let (digest, sent) = run(program, changing);
        assert!(sent < 20_000, "{program} sends {sent} bytes");
        assert!(!digests.contains(&digest));
        let before = std::mem::replace(
            &mut image,
            format!("{}/a/change@{}", registry.address, digest.trim()),
        );
        assert_eq!(layers(&image)[0], layers(&before)[0]);
        assert_ne!(layers(&image)[1], layers(&before)[1]);
        digests.push(digest);
    }
    crane(["validate", "--insecure", "--remote", &image]);
    let tar = apps.0.folder().join("tar");
    crane(["export", "--insecure", &image, tar.to_str().unwrap()]);
    let line = crate::common::tool::run(crate::common::tool::tool("tar").args([
        "-xOf",
        tar.to_str().unwrap(),
        "line",
    ]));
    assert_eq!(line, "three\n");
}

/// The bytes of the large package.
const LARGE: u64 = 32_000_000;

fn layers(image: &str) -> Vec<String> {
    let manifest: serde_json::Value =
        serde_json::from_str(&crane(["manifest", "--insecure", image])).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// The bytes of all files in the store, except for derivations.
fn size(store: &Path) -> u64 {
    let files = WalkDir::new(store)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    let outputs =
        files.filter(|entry| entry.path().extension().is_none_or(|extension| extension != "drv"));
    outputs.map(|entry| entry.metadata().unwrap().len()).sum()
}

/// The only store path that ends like this.
fn only(store: &Path, end: &str) -> PathBuf {
    let paths = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
