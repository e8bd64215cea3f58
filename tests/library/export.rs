//! A tar of images: its members, their order and names; and how it ends if a blob is damaged.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
    sync::Arc,
};

use crate::common::{self, Member, bytes, decoded, image, members, message, text};
use oci_layout::{
    Blob, Compression, ConfigOptions, Digest, FileMapping, Image, ImageLayout, ImageManifest,
    Layer, LayerOptions, Result,
    archive::{ArchiveFormat, ArchiveOptions, image_archive},
    artifact_manifest,
    document::{Descriptor, Index, MediaType},
    image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const FORMATS: [ArchiveFormat; 3] =
    [ArchiveFormat::Oci, ArchiveFormat::Docker, ArchiveFormat::Both];

fn archive<I: Into<Image>>(
    images: impl IntoIterator<Item = I>,
    options: ArchiveOptions,
) -> (Vec<u8>, Index) {
    let mut tar = Vec::new();
    let index = image_archive(&mut tar, images, options).unwrap().index;
    (tar, index)
}

/// The contents of a member.
#[track_caller]
fn member(tar: &[u8], name: &str) -> Vec<u8> {
    let members = members(tar);
    let found = members.iter().find(|member| member.path == name.as_bytes());
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(&members))).content.clone()
}

fn names(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| String::from_utf8(member.path.clone()).unwrap()).collect()
}

fn manifest(tar: &[u8]) -> Value {
    serde_json::from_slice(&member(tar, "manifest.json")).unwrap()
}

fn blob(digest: impl Into<Option<Digest>>) -> String {
    format!("blobs/sha256/{}", digest.into().unwrap().hex())
}

/// The names in the index: the tag, and the full name.
fn annotations(index: &Index) -> Vec<[Option<&str>; 2]> {
    let keys = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
    index
        .manifests
        .iter()
        .map(|entry| keys.map(|key| entry.annotations.get(key).map(String::as_str)))
        .collect()
}

/// An image with one layer for each compression.
fn three_layers() -> ImageManifest {
    let layer = |(name, compression): (&str, Compression)| {
        Arc::new(layer_tar([FileMapping::text(name.repeat(200_000), name)], compression).unwrap())
            as Arc<dyn Layer>
    };
    let layers =
        [("none", Compression::None), ("gzip", Compression::GZIP), ("zstd", Compression::ZSTD)]
            .map(layer);
    image_manifest(image_config(&layers, json!({})).unwrap(), layers, json!({})).unwrap()
}

#[test]
fn one_tar_is_a_layout_and_a_docker_archive() {
    let image = three_layers();
    let (tar, index) = archive(
        [image.clone().tagged("me/app:1.0").tagged("b/app:2.0")],
        ArchiveOptions::default(),
    );
    let members = members(&tar);
    let mut digests: Vec<_> =
        image.layers().iter().map(|layer| layer.descriptor().digest).collect();
    digests.extend([image.digest(), image.config().digest()]);
    digests.sort();
    let mut expected = "oci-layout index.json manifest.json blobs/ blobs/sha256/".to_owned();
    digests.iter().for_each(|digest| expected += &format!(" {}", blob(*digest)));
    assert_eq!(names(&members).join(" "), expected);
    for member in &members {
        let mode = if member.path.ends_with(b"/") { 0o755 } else { 0o644 };
        assert_eq!((member.mode, member.uid, member.gid, member.mtime), (mode, 0, 0, 1));
        if let Some(hex) = member.path.strip_prefix(b"blobs/sha256/").filter(|hex| !hex.is_empty())
        {
            assert_eq!(Digest::of(&member.content).hex().as_bytes(), hex);
        }
    }
    let layers: Vec<_> =
        image.layers().iter().map(|layer| blob(layer.descriptor().digest)).collect();
    assert_eq!(
        manifest(&tar),
        json!([{
            "Config": blob(image.config().digest()),
            "RepoTags": ["docker.io/me/app:1.0", "docker.io/b/app:2.0"],
            "Layers": layers,
        }])
    );
    assert_eq!(serde_json::from_slice::<Index>(&member(&tar, "index.json")).unwrap(), index);

    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.tar");
    fs::write(&path, &tar).unwrap();
    let opened = ImageLayout::open(&path).unwrap();
    assert_eq!(opened.image(Some("me/app:1.0"), None).unwrap().descriptor().digest, image.digest());
    let findings = verify(&path, &VerifyOptions::default()).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_bytes_are_a_function_of_images_and_options() {
    for format in FORMATS {
        let make = || {
            archive([three_layers().tagged("a/b:1")], ArchiveOptions::default().format(format)).0
        };
        assert!(make() == make(), "{format}");
    }
}

#[test]
fn an_oci_archive_is_the_unchanged_layout() {
    let dir = TempDir::new().unwrap();
    let layout = image_layout(
        dir.path(),
        [three_layers().tagged("1.0").annotated("a", "b")],
        json!({ "annotations": { "of": "the index" } }),
    )
    .unwrap();
    let options = ArchiveOptions::default().index(layout.index().unwrap().clone());
    let (tar, index) = archive(layout.images().unwrap(), options.format(ArchiveFormat::Oci));
    assert_eq!(index, *layout.index().unwrap());
    let files: Vec<_> =
        members(&tar).into_iter().filter(|member| !member.path.ends_with(b"/")).collect();
    assert_eq!(
        files.len(),
        common::files_in(dir.path()).iter().filter(|file| dir.path().join(file).is_file()).count()
    );
    for file in files {
        let name = std::str::from_utf8(&file.path).unwrap();
        assert!(file.content == fs::read(dir.path().join(name)).unwrap(), "{name}");
    }
}

/// Other indexes are not nested: these two images would become one image for two platforms, or a
/// conflict.
#[test]
fn images_of_a_layout_are_not_merged() {
    let index = |platforms: &[&str]| {
        let descriptor = |platform: &&str| Image::from(for_platform(platform)).descriptor().clone();
        let (_, mut index) = archive([for_platform("linux/amd64")], ArchiveOptions::default());
        index.manifests = platforms.iter().map(descriptor).collect();
        index
    };
    for platforms in [["linux/amd64", "linux/arm64"], ["linux/amd64", "linux/amd64"]] {
        let index = index(&platforms);
        let options = ArchiveOptions::default().index(index.clone());
        let (_, written) = archive(platforms.map(for_platform), options.format(ArchiveFormat::Oci));
        assert_eq!(written, index);
    }
}

#[test]
fn a_docker_archive_has_layers_that_docker_of_any_age_reads() {
    let image = three_layers();
    let (tar, _) = archive(
        [image.clone().tagged("a/b:1")],
        ArchiveOptions::default().format(ArchiveFormat::Docker),
    );
    let manifest = manifest(&tar);
    let [none, gzip, zstd] = image.layers() else { panic!() };
    let [plain, packed] = [none, gzip].map(|layer| blob(layer.descriptor().digest));
    assert_eq!(manifest[0]["Layers"], json!([plain, packed, blob(zstd.diff_id())]));
    assert!(member(&tar, &packed) == bytes(gzip.as_ref()));
    assert!(member(&tar, &blob(zstd.diff_id())) == decoded(zstd.as_ref()));
    assert_eq!(member(&tar, &blob(image.config().digest())), image.config().bytes());
    // manifest.json, two folders, three layers and the configuration: no manifest and no index.
    assert_eq!(members(&tar).len(), 7);
}

#[test]
fn a_layer_used_twice_is_one_file() {
    let layer: Arc<dyn Layer> =
        Arc::new(layer_tar([FileMapping::text("", "/a")], Compression::None).unwrap());
    let layers = [Arc::clone(&layer), layer];
    let image =
        image_manifest(image_config(&layers, json!({})).unwrap(), layers, json!({})).unwrap();
    let (tar, _) =
        archive([image.clone().tagged("a/a:1"), image.tagged("a/a:2")], ArchiveOptions::default());
    let manifest = manifest(&tar);
    assert_eq!(manifest.as_array().unwrap().len(), 1);
    assert_eq!(manifest[0]["RepoTags"], json!(["docker.io/a/a:1", "docker.io/a/a:2"]));
    assert_eq!(manifest[0]["Layers"][0], manifest[0]["Layers"][1]);
    assert_eq!(members(&tar).len(), 5 + 3);
}

#[test]
fn docker_archives_have_full_names() {
    let image = || image([FileMapping::text("", "/a")], json!({}));
    let both = ArchiveOptions::default();
    for (tag, repository, full) in [
        ("1.0", Some("app"), "docker.io/library/app:1.0"),
        ("1.0", Some("ghcr.io/me/app"), "ghcr.io/me/app:1.0"),
        ("app:1.0", Some("other"), "docker.io/library/app:1.0"),
        ("localhost:5000/app:1.0", None, "localhost:5000/app:1.0"),
    ] {
        let mut options = both.clone();
        options.repository = repository.map(str::to_owned);
        let (tar, index) = archive([image().tagged(tag)], options.clone());
        assert_eq!(annotations(&index), [[Some("1.0"), Some(full)]]);
        assert_eq!(manifest(&tar)[0]["RepoTags"], json!([full]));
        let (tar, _) = archive([image().tagged(tag)], options.format(ArchiveFormat::Docker));
        assert_eq!(manifest(&tar)[0]["RepoTags"], json!([full]));
    }
    // As some programs write it: a full name in place of the tag. And a word that cannot be a tag.
    for (name, full) in [("ghcr.io/me/app:1.0", Some("ghcr.io/me/app:1.0")), ("my app", None)] {
        let (tar, index) = archive(
            [Image::from(image()).annotated("org.opencontainers.image.ref.name", name)],
            both.clone(),
        );
        assert_eq!(annotations(&index), [[Some(name), full]]);
        assert_eq!(manifest(&tar)[0]["RepoTags"], json!(full.into_iter().collect::<Vec<_>>()));
    }
    let (tar, index) = archive([image()], both.clone().repository("app"));
    assert_eq!(annotations(&index), [[None, None]]);
    assert_eq!(manifest(&tar)[0]["RepoTags"], json!([]));
    // The index has no repository, and needs none.
    let (_, index) =
        archive([image().tagged("1.0")], both.clone().repository("app").format(ArchiveFormat::Oci));
    assert_eq!(annotations(&index), [[Some("1.0"), None]]);

    let refused = |options| message(image_archive(Vec::new(), [image().tagged("1.0")], options));
    assert_eq!(
        refused(both.clone()),
        "tag \"1.0\": it has no repository, which docker requires: give the image a full name, as \
         in app:1.0"
    );
    assert_eq!(
        refused(both.repository("My App")),
        "repository \"My App\": it is not a valid repository for the tag \"1.0\": give the image \
         a full name, as in app:1.0"
    );
}

fn for_platform(platform: &str) -> ImageManifest {
    let layer: Arc<dyn Layer> =
        Arc::new(layer_tar([FileMapping::text(platform, "/a")], Compression::None).unwrap());
    let options = ConfigOptions::default().platform(platform.parse().unwrap());
    image_manifest(image_config([&layer], options).unwrap(), [layer], json!({})).unwrap()
}

#[test]
fn the_layout_has_all_platforms_and_the_docker_archive_one() {
    let platforms = ["linux/arm64", "linux/amd64", "linux/arm/v7"];
    let images = || platforms.map(|platform| for_platform(platform).tagged("a/b:1"));
    let (tar, index) = archive(images(), ArchiveOptions::default());
    assert_eq!(index.manifests.len(), 1);
    assert!(index.manifests[0].media_type.is_index());
    // An index, and two images with a manifest, a configuration and a layer each.
    assert_eq!(members(&tar).len(), 5 + 1 + 9);
    let config = |platform: &str| blob(for_platform(platform).config().digest());
    assert_eq!(manifest(&tar)[0]["Config"], config("linux/amd64"));
    for platform in platforms {
        for (format, files) in [
            (ArchiveFormat::Oci, 4 + 3),
            (ArchiveFormat::Docker, 3 + 2),
            (ArchiveFormat::Both, 5 + 3),
        ] {
            let options =
                ArchiveOptions::default().format(format).platform(platform.parse().unwrap());
            let (tar, index) = archive(images(), options);
            assert_eq!(members(&tar).len(), files, "{format}");
            assert_eq!(index.manifests[0].digest, for_platform(platform).digest());
            assert_eq!(annotations(&index), [[Some("1"), Some("docker.io/a/b:1")]]);
            assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), platform);
            if format != ArchiveFormat::Oci {
                assert_eq!(manifest(&tar)[0]["Config"], config(platform), "{format}");
            }
        }
    }
    let arm =
        || ["linux/arm64", "linux/arm/v7"].map(|platform| for_platform(platform).tagged("a/b:1"));
    let error = message(image_archive(Vec::new(), arm(), ArchiveOptions::default()));
    let reason = "has no image for linux/amd64; it has linux/arm64, linux/arm/v7";
    assert!(error.ends_with(reason), "{error}");
    let s390x = ArchiveOptions::default().platform("linux/s390x".parse().unwrap());
    let error = message(image_archive(Vec::new(), [for_platform("linux/amd64")], s390x));
    assert!(error.ends_with("has no image for linux/s390x; it has linux/amd64"), "{error}");
}

#[test]
fn artifacts_are_only_in_the_layout() {
    let text = oci_layout::MemoryBlob::new(MediaType::new("text/plain"), *b"a list");
    let list = || {
        artifact_manifest("text/plain", [Arc::new(text.clone()) as Arc<dyn Blob>], None, json!({}))
            .unwrap()
    };
    let image: Image = image([FileMapping::text("", "/a")], json!({})).into();
    let (tar, index) = archive([image.clone().tagged("a/b:1"), list()], ArchiveOptions::default());
    assert_eq!(index.manifests.len(), 2);
    assert_eq!(manifest(&tar).as_array().unwrap().len(), 1);
    assert_eq!(
        archive([list()], ArchiveOptions::default().format(ArchiveFormat::Oci)).1.manifests.len(),
        1
    );
    let written = image_archive(Vec::new(), [list()], ArchiveOptions::default()).unwrap();
    assert_eq!(written.warnings, [oci_layout::Warning::NoManifestJson]);
    assert_eq!(
        message(image_archive(
            Vec::new(),
            [list()],
            ArchiveOptions::default().format(ArchiveFormat::Docker)
        )),
        "docker-archive: none of the images is a container image: write an oci-archive, which \
         holds artifacts too"
    );
}

/// A layer that returns other bytes than its descriptor declares.
struct Damaged {
    layer: Arc<dyn Layer>,
    bytes: Vec<u8>,
}

impl Blob for Damaged {
    fn descriptor(&self) -> &Descriptor {
        self.layer.descriptor()
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes.clone())))
    }
}

impl Layer for Damaged {
    fn diff_id(&self) -> Digest {
        self.layer.diff_id()
    }
}

#[test]
fn an_export_with_a_damaged_blob_is_never_complete() {
    let file = || FileMapping::bytes(text(3 << 20, 7), "/file");
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let layer: Arc<dyn Layer> = Arc::new(layer_tar([file()], compression).unwrap());
        let good = bytes(layer.as_ref());
        let last = good.len() - 1;
        let flip = |at: usize| [&good[..at], &[good[at] ^ 1], &good[at + 1..]].concat();
        for damaged in
            [flip(0), flip(last / 2), flip(last), good[..last].to_vec(), [&good[..], b"x"].concat()]
        {
            let layer: Arc<dyn Layer> =
                Arc::new(Damaged { layer: Arc::clone(&layer), bytes: damaged });
            let config = image_config([&layer], json!({})).unwrap();
            let image = image_manifest(config, [layer], json!({})).unwrap();
            for format in FORMATS {
                let mut tar = Vec::new();
                let options = ArchiveOptions::default().format(format);
                let error = message(image_archive(&mut tar, [image.clone()], options));
                assert!(
                    error.starts_with("blob sha256:")
                        || error.starts_with("cannot read blob sha256:"),
                    "{error}"
                );
                assert_breaks_off(&tar);
            }
        }
    }
}

/// Checks that the last member of the tar is truncated, or that the tar has no members.
#[track_caller]
fn assert_breaks_off(tar: &[u8]) {
    let mut archive = tar::Archive::new(tar);
    let mut sizes = archive.entries().unwrap().map(|entry| {
        let mut entry = entry?;
        let size = entry.size();
        Ok((size, std::io::copy(&mut entry, &mut std::io::sink())?))
    });
    let whole = sizes
        .by_ref()
        .all(|sizes: std::io::Result<_>| sizes.is_ok_and(|(size, read)| size == read));
    assert!(!whole || tar.is_empty(), "{} bytes without a gap", tar.len());
}

#[test]
fn a_blob_that_is_missing_is_named() {
    let dir = TempDir::new().unwrap();
    let layer = layer_tar(
        [FileMapping::text("", "/a")],
        LayerOptions::from(Compression::None).store(dir.path()),
    )
    .unwrap();
    let (digest, file) = (layer.descriptor().digest, layer.file().unwrap().to_owned());
    let config = image_config([&layer], json!({})).unwrap();
    let image = image_manifest(config, [layer], json!({})).unwrap();
    let layout = image_layout(dir.path(), [image.tagged("a/b:1")], json!({})).unwrap();
    fs::remove_file(file).unwrap();
    for format in FORMATS {
        let options = ArchiveOptions::default().format(format);
        let error = message(image_archive(Vec::new(), layout.images().unwrap(), options));
        assert!(error.starts_with(&format!("blob {digest} is missing from")), "{error}");
    }
}

#[test]
fn formats_have_names() {
    for format in FORMATS {
        assert_eq!(format.to_string().parse::<ArchiveFormat>().unwrap(), format);
    }
    assert_eq!(
        message("oci".parse::<ArchiveFormat>()),
        "format \"oci\": expected oci-archive, docker-archive or both"
    );
}

#[test]
fn one_of_a_layouts_images_is_found_by_its_names() {
    let dir = TempDir::new().unwrap();
    let path: &Path = dir.path();
    let images =
        ["linux/amd64", "linux/arm64"].map(|platform| for_platform(platform).tagged("two"));
    let one = for_platform("linux/amd64");
    let layout =
        image_layout(path, images.into_iter().chain([one.clone().tagged("me/app:1.0")]), json!({}))
            .unwrap();
    assert_eq!(layout.whole_image(Some("me/app:1.0")).unwrap().digest(), one.digest());
    // Two manifests with their blobs, and the index.
    assert_eq!(layout.whole_image(Some("two")).unwrap().blobs().len(), 7);
    assert!(
        message(layout.whole_image(None))
            .contains("has several images: choose one by its tag; it has two, 1.0")
    );
    assert!(
        message(layout.whole_image(Some("x")))
            .contains("has no image with the tag \"x\": it has two, 1.0")
    );
}
