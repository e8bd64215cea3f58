//! Changes of a layout: after each step, other programs list, run and collect what they should.

use std::path::Path;

use oci_layout::{Digest, Image, ImageLayout, Pool, image_layout};
use serde_json::json;
use tempfile::TempDir;

use crate::common::hello::hello;
use crate::common::tool::{Containerd, Containers, run, schemas, skopeo, tool, umoci};
use crate::tools::transport::blobs;

#[test]
fn tags_and_full_names_are_found() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("layout");
    let one = image(&layout, "one").tagged("latest").tagged("registry.example/me/app:1.0");
    let two = image(&layout, "two").tagged("app:two");
    image_layout(&layout, [one, two], json!({})).unwrap();

    assert_eq!(tags(&layout), ["1.0", "latest", "two"]);
    let containers = Containers::new(dir.path());
    for (tag, text) in [("latest", "one"), ("1.0", "one"), ("two", "two")] {
        assert_eq!(
            containers.podman(["run", "--rm", "--quiet", &format!("oci:layout:{tag}")]),
            text
        );
    }
    let containerd = Containerd::start();
    let names = containerd.import(&layout);
    for (name, text) in
        [("registry.example/me/app:1.0", "one"), ("docker.io/library/app:two", "two")]
    {
        assert!(names.iter().any(|found| found == name), "{names:?}");
        assert_eq!(containerd.run(name, &[]), text);
    }
}

#[test]
fn appended_replaced_and_removed() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("layout");
    let digests = ["first", "second", "third"].map(|text| image(&layout, text).digest());
    let tagged = |text: &str, tag: &str| image(&layout, text).tagged(tag);
    let open = || ImageLayout::open(&layout).unwrap();
    let pool = Pool::available();

    image_layout(&layout, [tagged("first", "a")], json!({})).unwrap();
    assert_eq!(tags(&layout), ["a"]);
    open().append([tagged("second", "b")], &pool).unwrap();
    assert_eq!(tags(&layout), ["a", "b"]);
    assert_eq!([digest(&layout, "a"), digest(&layout, "b")], [digests[0], digests[1]]);

    // umoci and we take turns.
    umoci(["tag", "--image", &format!("{}:a", layout.display()), "c"]);
    open().append([tagged("third", "a")], &pool).unwrap();
    assert_eq!(tags(&layout), ["a", "b", "c"]);
    assert_eq!(
        ["a", "b", "c"].map(|tag| digest(&layout, tag)),
        [digests[2], digests[1], digests[0]]
    );
    assert_eq!(collect_garbage(&layout), 0);

    open().remove("c").unwrap();
    assert_eq!(tags(&layout), ["a", "b"]);
    assert_eq!(collect_garbage(&layout), 3, "manifest, configuration and layer of the first");
    let containers = Containers::new(dir.path());
    for (tag, text) in [("a", "third"), ("b", "second")] {
        assert_eq!(
            containers.podman(["run", "--rm", "--quiet", &format!("oci:layout:{tag}")]),
            text
        );
    }
    // oci-layout and index.json; of each image two documents and three descriptors.
    assert_eq!(schemas(&layout), "12 documents and descriptors\n");
}

fn image(layout: &Path, text: &str) -> Image {
    hello(layout, text, "linux/amd64").into()
}

/// The tags that umoci lists, sorted.
#[track_caller]
fn tags(layout: &Path) -> Vec<String> {
    let listed = umoci(["list", "--layout", layout.to_str().unwrap()]);
    let mut tags: Vec<_> = listed.lines().map(str::to_owned).collect();
    tags.sort();
    tags
}

/// The digest of the manifest that skopeo finds under a tag.
#[track_caller]
fn digest(layout: &Path, tag: &str) -> Digest {
    let manifest = skopeo(["inspect", "--raw", &format!("oci:{}:{tag}", layout.display())]);
    Digest::of(manifest)
}

/// Collects garbage here, and with umoci in a copy: both keep the same blobs. Returns the number of
/// removed blobs.
#[track_caller]
fn collect_garbage(layout: &Path) -> usize {
    let copy = TempDir::new().unwrap();
    run(tool("cp").arg("--archive").arg(layout.join(".")).arg(copy.path()));
    umoci(["gc", "--layout", copy.path().to_str().unwrap()]);
    let collected = ImageLayout::open(layout).unwrap().collect_garbage().unwrap();
    let (ours, theirs) = (blobs(layout), blobs(copy.path()));
    assert!(ours.keys().eq(theirs.keys()), "{:#?}\n{:#?}", ours.keys(), theirs.keys());
    collected.files.len()
}
