//! Docker-archives, in the shapes that other programs write, are read like layouts.

use std::{fs, io::Read, path::PathBuf, process::Command};

use crate::common::gzip;
use oci_layout::{
    Digest, Error, ImageLayout, Pool, image_layout,
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Members of a tar: the bytes of a file, or the target of a link.
enum Member<'a> {
    File(&'a [u8]),
    Symlink(&'a str),
    HardLink(&'a str),
}

fn tar_of(members: &[(&str, Member<'_>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, member) in members {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        match member {
            Member::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, *bytes).unwrap();
            }
            Member::Symlink(target) | Member::HardLink(target) => {
                let is_symlink = matches!(member, Member::Symlink(_));
                header.set_entry_type(if is_symlink {
                    tar::EntryType::Symlink
                } else {
                    tar::EntryType::Link
                });
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

fn layer(name: &str) -> Vec<u8> {
    tar_of(&[(name, Member::File(b"hey"))])
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(Digest::of).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    json!({ "architecture": "arm64", "os": "linux", "config": { "Cmd": ["/a"] }, "rootfs": rootfs })
        .to_string()
        .into()
}

fn manifest(images: Value) -> Vec<u8> {
    images.to_string().into()
}

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn archive(&self, members: &[(&str, Member<'_>)]) -> PathBuf {
        let path = self.0.path().join("image.tar");
        fs::write(&path, tar_of(members)).unwrap();
        path
    }

    /// Two images with a common layer, as Docker before 25 writes them.
    fn docker(&self) -> PathBuf {
        let (a, b, c) = (layer("a"), layer("b"), layer("c"));
        let (one, two) = (config(&[&a, &b]), config(&[&a, &c]));
        let images = json!([
            { "Config": "1.json", "RepoTags": ["app:latest", "app:1"], "Layers": ["i1/layer.tar", "i2/layer.tar"] },
            { "Config": "2.json", "RepoTags": ["other:latest"], "Layers": ["i3/layer.tar", "i4/layer.tar"] },
        ]);
        self.archive(&[
            ("i1/VERSION", Member::File(b"1.0")),
            ("i3/layer.tar", Member::Symlink("../i1/layer.tar")),
            ("i1/layer.tar", Member::File(&a)),
            ("i2/layer.tar", Member::File(&b)),
            ("i4/layer.tar", Member::File(&c)),
            ("1.json", Member::File(&one)),
            ("2.json", Member::File(&two)),
            ("manifest.json", Member::File(&manifest(images))),
            ("repositories", Member::File(b"{}")),
        ])
    }
}

fn tars(layout: &ImageLayout, name: Option<&str>) -> Vec<Vec<u8>> {
    let image = layout.image(name, None).unwrap();
    let read = |layer: &std::sync::Arc<dyn oci_layout::Layer>| {
        let mut bytes = Vec::new();
        layer.open().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(Digest::of(&bytes), layer.descriptor().digest);
        bytes
    };
    image.layers().iter().map(read).collect()
}

#[track_caller]
fn found(path: &PathBuf) -> Vec<String> {
    verify(path, &VerifyOptions::default()).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn images_have_their_names_and_layers() {
    let room = Room::new();
    let path = room.docker();
    assert_eq!(found(&path), [""; 0]);
    let layout = ImageLayout::open(&path).unwrap();
    // Two repositories have the tag `latest`, which therefore chooses neither.
    assert_eq!(
        layout.tags().unwrap(),
        ["docker.io/library/app:latest", "1", "docker.io/library/other:latest"]
    );
    assert_eq!(tars(&layout, Some("app:latest")), [layer("a"), layer("b")]);
    assert_eq!(tars(&layout, Some("1")), [layer("a"), layer("b")]);
    assert_eq!(tars(&layout, Some("other:latest")), [layer("a"), layer("c")]);
    assert!(matches!(
        layout.image(Some("latest"), None),
        Err(Error::ImageNotFound { name: Some(name), available, .. })
            if name == "latest" && available.len() == 3
    ));
    let image = layout.image(Some("app:1"), None).unwrap();
    assert_eq!(image.configuration().platform().to_string(), "linux/arm64");
    let by_digest = layout.image(Some(&image.descriptor().digest.to_string()), None).unwrap();
    assert_eq!(by_digest.descriptor().digest, image.descriptor().digest);
}

#[test]
fn a_copy_of_the_archive_has_the_same_images() {
    let room = Room::new();
    let layout = ImageLayout::open(room.docker()).unwrap();
    let copy = room.0.path().join("copy");
    let mut copied = image_layout(&copy, layout.images().unwrap(), json!({})).unwrap();
    assert_eq!(found(&copy), [""; 0]);
    assert_eq!(tars(&copied, Some("other:latest")), [layer("a"), layer("c")]);
    copied.append(layout.images().unwrap(), &Pool::new(1)).unwrap();
    assert_eq!(copied.index().unwrap().manifests.len(), 3);
}

/// The archives of kaniko, crane and jib: compressed layers, and no tag, or a configuration whose
/// name contains a colon.
#[test]
fn layers_may_be_compressed_and_images_nameless() {
    let room = Room::new();
    let (a, config) = (layer("a"), config(&[&layer("a"), &layer("a")]));
    for tags in [Value::Null, json!([])] {
        let image =
            json!([{ "Config": "sha256:0", "RepoTags": tags, "Layers": ["a.tar.gz", "a.tar"] }]);
        let members = [
            ("./sha256:0", Member::File(&config)),
            ("./a.tar.gz", Member::File(&gzip(&a))),
            ("./raw.tar", Member::File(&a)),
            ("./a.tar", Member::HardLink("./raw.tar")),
            ("./manifest.json", Member::File(&manifest(image))),
        ];
        let path = room.archive(&members);
        assert_eq!(found(&path), [""; 0]);
        let layout = ImageLayout::open(&path).unwrap();
        assert_eq!(tars(&layout, None), [gzip(&a), a.clone()]);
    }
}

#[test]
fn defects_are_reported_with_their_place() {
    let room = Room::new();
    let (a, b) = (layer("a"), layer("b"));
    let document = config(&[&a, &b]);
    let image = |layers: [&str; 2]| {
        manifest(json!([{ "Config": "c", "RepoTags": ["app:1"], "Layers": layers }]))
    };
    let second = Digest::of(&b);
    let missing = format!(
        "index.json, manifests[0], layers[1] ({second}): is missing: fetch or build the whole \
         image again"
    );
    for (member, layers) in [
        (Member::File(&b), ["a", "none"]),
        // Links in a cycle, out of the archive, and to a folder.
        (Member::Symlink("b"), ["a", "b"]),
        (Member::Symlink("../../b"), ["a", "b"]),
        (Member::Symlink("folder"), ["a", "b"]),
    ] {
        let path = room.archive(&[
            ("c", Member::File(&document)),
            ("a", Member::File(&a)),
            ("b", member),
            ("manifest.json", Member::File(&image(layers))),
        ]);
        assert_eq!(found(&path), std::slice::from_ref(&missing), "{layers:?}");
    }
    // The diff ID is verified when the layer is read.
    let path = room.archive(&[
        ("c", Member::File(&document)),
        ("a", Member::File(&a)),
        ("b", Member::File(&layer("x"))),
        ("manifest.json", Member::File(&image(["a", "b"]))),
    ]);
    let sentences = found(&path);
    assert!(matches!(&sentences[..], [one] if one.contains("is damaged: its")), "{sentences:?}");
    let copy = image_layout(
        room.0.path().join("copy"),
        ImageLayout::open(&path).unwrap().images().unwrap(),
        json!({}),
    );
    assert!(matches!(copy, Err(Error::BlobDamaged { digest, .. }) if digest == second));

    for (members, sentence) in [
        (
            vec![("manifest.json", Member::File(&b"{"[..]))],
            "archive: is a docker-archive with a manifest.json that cannot be",
        ),
        (
            vec![("a", Member::File(&a[..])), ("manifest.json", Member::File(&image(["a", "a"])))],
            "archive: is a docker-archive whose manifest.json names the configuration \"c\", \
             which the archive lacks",
        ),
        (
            vec![("i1/layer.tar", Member::File(&a[..])), ("repositories", Member::File(b"{}"))],
            "archive: is a docker-archive of a Docker before 1.10",
        ),
    ] {
        let path = room.archive(&members);
        let sentences = found(&path);
        assert!(matches!(&sentences[..], [one] if one.starts_with(sentence)), "{sentences:?}");
        assert!(matches!(ImageLayout::open(&path), Err(Error::Layout { .. })));
    }
}

#[test]
fn a_compressed_archive_is_unpacked_in_the_scratch_folder() {
    let room = Room::new();
    let path = room.docker();
    for (program, codec) in [("gzip", "gzip"), ("zstd", "zstd"), ("xz", "xz"), ("bzip2", "bzip2")] {
        let packed = room.0.path().join(format!("image.{program}"));
        let output = Command::new(program).arg("-c").arg(&path).output().unwrap();
        fs::write(&packed, output.stdout).unwrap();
        let refused = ImageLayout::open(&packed).unwrap_err().to_string();
        let command =
            format!("is compressed with {codec}: unpack it first, with `{program} -dk {packed:?}`");
        assert!(refused.ends_with(&command), "{refused}");
        let opened = ImageLayout::open_in(&packed, room.0.path());
        if ["xz", "bzip2"].contains(&program) {
            assert!(opened.unwrap_err().to_string().ends_with(&command));
            continue;
        }
        assert_eq!(tars(&opened.unwrap(), Some("1")), [layer("a"), layer("b")], "{program}");
        assert_eq!(verify(&packed, &VerifyOptions::default().scratch(room.0.path())).unwrap(), []);
    }
}
