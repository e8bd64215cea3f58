//! Which images of a layout are served, and under which names.

use std::fs;

use oci_layout::{ImageLayout, Pool, image_index, image_layout, registry::Endpoint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::serve::{Served, image};

#[test]
fn the_only_image_without_a_tag_is_the_latest() {
    let dir = TempDir::new().unwrap();
    let images = ["one", "two"].map(|text| image(text, "linux/amd64"));
    let [one, two] = images.clone();
    let alone = image_layout(dir.path().join("alone"), [one.clone()], Value::Null).unwrap();
    // For different platforms, because the layout would otherwise make one image of them.
    let both = [
        image_index([one.clone()], Value::Null).unwrap(),
        image_index([two.clone()], Value::Null).unwrap(),
    ];
    let (first, second) = (both[0].digest(), both[1].digest());
    let both = image_layout(dir.path().join("both"), both, Value::Null).unwrap();
    let tagged = image_layout(dir.path().join("tagged"), [two.tagged("v1")], Value::Null).unwrap();
    let repositories =
        || [("alone", alone.clone()), ("both", both.clone()), ("tagged", tagged.clone())];
    let references = Endpoint::new(repositories()).unwrap().references();
    let expected = [
        "alone:latest".to_owned(),
        format!("both@{first}"),
        format!("both@{second}"),
        "tagged:v1".to_owned(),
    ];
    assert_eq!(references, expected);

    let served = Served::new(repositories());
    assert_eq!(served.get("/v2/alone/manifests/latest").body, one.bytes());
    assert_eq!(served.get(format!("/v2/both/manifests/{first}")).status, 200);
    for target in ["/v2/both/manifests/latest", "/v2/tagged/manifests/latest"] {
        assert_eq!(served.get(target).code(), "MANIFEST_UNKNOWN");
    }
    assert_eq!(served.get("/v2/both/tags/list").json()["tags"], json!([]));
}

/// As `podman save --multi-image-archive` and containerd write it.
#[test]
fn a_tag_of_several_images_is_not_served() {
    let dir = TempDir::new().unwrap();
    let [a, b] = ["a", "b"].map(|text| image(text, "linux/amd64"));
    let mut layout = image_layout(dir.path(), [a.clone().tagged("x")], Value::Null).unwrap();
    layout.append([b.clone().tagged("y")], &Pool::new(1)).unwrap();
    // Full names with one tag.
    let index = dir.path().join("index.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(
        &index,
        text.replace("\"x\"", "\"docker.io/a:latest\"").replace("\"y\"", "\"docker.io/b:latest\""),
    )
    .unwrap();
    let served = Served::new([("both", ImageLayout::open(dir.path()).unwrap())]);
    let answer = served.get("/v2/both/manifests/latest");
    assert_eq!(answer.status, 404);
    assert!(
        answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("several images have this tag")
    );
    assert_eq!(served.get("/v2/both/tags/list").json()["tags"], json!([]));
    assert_eq!(served.get(format!("/v2/both/manifests/{}", b.digest())).body, b.bytes());
}

#[test]
fn appended_images_are_served() {
    let dir = TempDir::new().unwrap();
    let (old, new) = (image("old", "linux/amd64"), image("new", "linux/amd64"));
    let mut layout = crate::registry::serve::layout(dir.path(), old.clone());
    let served = Served::new([("a", layout.clone())]);
    assert_eq!(served.get("/v2/a/manifests/latest").body, old.bytes());
    let layer = new.layers()[0].descriptor().digest;
    assert_eq!(served.get(format!("/v2/a/blobs/{layer}")).status, 404);
    layout.append([new.clone().tagged("latest"), old.tagged("old")], &Pool::new(1)).unwrap();
    assert_eq!(served.get("/v2/a/manifests/latest").body, new.bytes());
    assert_eq!(served.get(format!("/v2/a/blobs/{layer}")).status, 200);
    assert_eq!(served.get("/v2/a/tags/list").json()["tags"], json!(["latest", "old"]));

    // Other programs write the index in place. The old one is served until the new one is complete.
    let index = dir.path().join("index.json");
    let whole = fs::read(&index).unwrap();
    fs::write(&index, &whole[..20]).unwrap();
    assert_eq!(served.get("/v2/a/manifests/latest").body, new.bytes());
    assert_eq!(
        served.events("a changed and cannot be read; serving its previous contents").len(),
        1
    );
    fs::write(&index, &whole).unwrap();
    assert_eq!(served.get("/v2/a/manifests/old").status, 200);
    assert_eq!(served.events("a changed").len(), 1);
}

#[test]
fn archives_are_served() {
    let dir = TempDir::new().unwrap();
    let image = image("text", "linux/amd64");
    crate::registry::serve::layout(&dir.path().join("layout"), image.clone());
    let archive = dir.path().join("layout.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.append_dir_all(".", dir.path().join("layout")).unwrap();
    tar.finish().unwrap();
    let served = Served::new([("a", ImageLayout::open(&archive).unwrap())]);
    let layer = image.layers()[0].clone();
    let target = format!("/v2/a/blobs/{}", layer.descriptor().digest);
    assert_eq!(served.get(&target).body, crate::common::bytes(&layer));
    let part =
        crate::registry::serve::client::get(&served.address, &target, &[("Range", "bytes=600-")]);
    assert_eq!((part.status, &*part.body), (206, &crate::common::bytes(&layer)[600..]));
}

#[test]
fn names_are_checked() {
    let image = || vec![image("text", "linux/amd64")];
    for name in ["", "A", "a/", "../a", "a b"] {
        let error = Endpoint::new([(name, image())]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("repository {name:?}: a repository name consists of")),
            "{error}"
        );
    }
    let error = Endpoint::new([("a", image()), ("a", image())]).unwrap_err().to_string();
    assert_eq!(
        error,
        "repository \"a\": two layouts have this name: rename one of them with NAME=DIR"
    );
}
