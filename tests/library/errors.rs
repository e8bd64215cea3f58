//! The exact text of each error, and that a failure leaves no file.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{
    fs,
    io::{self, Read},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use crate::common::{self, behind, child, child_argument, files_in, image, message, run};
use oci_layout::{
    BYTE_FORMAT, Blob, Compression, ConfigOptions, Digest, Error, FileBlob, FileMapping,
    ImageLayout, Layer, LayerOptions, Pool, Progress, Recipe, Report, Result, artifact_manifest,
    document::{Descriptor, MediaType, Platform},
    image_config, image_index, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The error of making a layer of this mapping.
#[track_caller]
fn of_layer(mapping: FileMapping) -> String {
    message(layer_tar([mapping], Compression::None))
}

#[track_caller]
fn of_config(extra: Value) -> String {
    let layer = layer_tar([FileMapping::text("", "/x")], Compression::None).unwrap();
    message(image_config([&layer], extra))
}

#[test]
fn sources() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    for (source, expected) in [
        (
            at("none"),
            format!(
                "source {:?} does not exist: correct the path, or create the file first",
                at("none")
            ),
        ),
        (
            at("dangling"),
            format!(
                "cannot read source {:?}: it is a link to \"nowhere\", which does not exist",
                at("dangling")
            ),
        ),
        (
            at("file/x"),
            format!("cannot read source {:?}: Not a directory (os error 20)", at("file/x")),
        ),
        (
            at("loop"),
            format!(
                "cannot read source {:?}: Too many levels of symbolic links (os error 40)",
                at("loop")
            ),
        ),
        (
            at("socket"),
            format!(
                "source {:?} is a socket, but a layer can only contain the bytes of files and \
                 pipes: copy the data into a file first",
                at("socket")
            ),
        ),
        (
            Path::new("/dev/zero").to_owned(),
            "source \"/dev/zero\" is a device, but a layer can only contain the bytes of files \
             and pipes: copy the data into a file first"
                .to_owned(),
        ),
    ] {
        assert_eq!(of_layer(FileMapping::new(source, "/x")), expected);
    }
}

#[test]
fn source_tars() {
    let dir = TempDir::new().unwrap();
    let tar = dir.path().join("source.tar");
    fs::write(&tar, [b'x'; 512]).unwrap();
    let said = of_layer(FileMapping::tar(&tar, "/"));
    assert!(said.starts_with(&format!("tar {tar:?}, at byte 0: ")), "{said}");
    fs::write(&tar, b"\x1f\x8b\x08\0\0\0\0\0\0\0").unwrap();
    assert_eq!(
        of_layer(FileMapping::tar(&tar, "/")),
        format!(
            "tar {tar:?} is compressed, and there is no folder to decompress it in: store the \
             layer, set a scratch folder, or decompress the tar first"
        )
    );
}

#[test]
fn mappings() {
    assert_eq!(
        of_layer(FileMapping::text("", "/a/../b")),
        "destination \"/a/../b\" has `..`: write the path in the image without it"
    );
    let files = [FileMapping::text("one", "/a"), FileMapping::symlink("x", "/a")];
    assert_eq!(
        message(layer_tar(files, Compression::None)),
        "\"/a\" is provided twice, by a text of 3 bytes and by a link to \"x\" (a symbolic link, \
         mode 0777, owner 0:0): remove one, exclude the path from it, or choose which one wins"
    );
    let dir = TempDir::new().unwrap();
    assert_eq!(
        of_layer(FileMapping::new(dir.path(), "/").exclude("[")),
        "glob \"[\" is not valid: unclosed character class; missing ']'"
    );
    assert_eq!(
        of_layer(FileMapping::text("", "/a").mode(0o10000)),
        "mode 10000 of \"/a\": a mode has at most four octal digits, as in 0755 or 1777"
    );
    assert_eq!(
        of_layer(FileMapping::text("", "/a").xattr("user.a=b", "")),
        "extended attribute \"user.a=b\" of \"/a\": the name is empty, or has an equals sign or a \
         NUL byte: choose another name"
    );
    assert_eq!(
        of_layer(FileMapping::symlink("", "/a")),
        "symbolic link \"/a\": its target is empty or has a NUL byte: write another target"
    );
}

#[test]
fn compressions() {
    let used = |compression| message(layer_tar([FileMapping::text("", "/a")], compression));
    assert_eq!(
        used(Compression::Gzip { level: 0 }),
        "compression \"gzip:0\": gzip supports levels 1 to 12"
    );
    assert_eq!(
        used(Compression::Zstd { level: 20 }),
        "compression \"zstd:20\": zstd supports levels 1 to 19"
    );
    let read = |text: &str| message(text.parse::<Compression>());
    assert_eq!(read("bzip2"), "compression \"bzip2\": expected gzip, zstd, zstd:chunked or none");
    assert_eq!(
        read("gzip:x"),
        "compression \"gzip:x\": the level after the colon must be a number"
    );
    assert_eq!(read("none:1"), "compression \"none:1\": none has no levels");
    // Another codec cannot be linked into this test.
    assert_eq!(
        Error::CodecBytes { codec: "zstd:3".to_owned(), format: BYTE_FORMAT }.to_string(),
        "the zstd:3 that is linked into this program does not make the bytes that byte format 2 \
         promises: build with the Cargo.lock of this release, and do not replace the codec by a \
         library of the system"
    );
}

#[test]
fn recipes() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("app");
    fs::write(&source, "one").unwrap();
    let layer =
        layer_tar([FileMapping::new(&source, "/app")], LayerOptions::default().recipe(true))
            .unwrap();
    let digest = layer.descriptor().digest;
    let json = String::from_utf8(layer.recipe().unwrap().to_bytes().unwrap()).unwrap();
    let read = |json: &str| Recipe::from_bytes(json.as_bytes());
    fs::write(&source, "two").unwrap();
    let error = read(&json).unwrap().open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "blob {digest} cannot be made again: {source:?} changed since it was described; \
             restore it, or make the image again"
        )
    );
    assert_eq!(
        message(read(&json.replace("\"byteFormat\":2", "\"byteFormat\":3"))),
        format!(
            "the recipe of blob {digest} is for byte format 3, but this program makes byte format \
             2: use a release that makes format 3, or make the image again"
        )
    );
    assert_eq!(
        message(read("{")),
        "recipe: EOF while parsing an object at line 1 column 1: make the image again"
    );
}

#[test]
fn digests_and_platforms() {
    let digest = |text: &str| text.parse::<Digest>().unwrap_err().to_string();
    assert_eq!(digest("00"), "digest \"00\" has no algorithm: write it as sha256:HEX");
    assert_eq!(
        digest("sha512:00"),
        "digest \"sha512:00\" has an unsupported algorithm: only sha256 is supported"
    );
    assert_eq!(
        digest("sha256:0A"),
        "digest \"sha256:0A\" does not have 64 lower-case hexadecimal digits"
    );
    for text in ["linux", "", "linux/", "a/b/c/d", "li nux/amd64"] {
        assert_eq!(
            message(text.parse::<Platform>()),
            format!(
                "platform {text:?}: write it as OS/ARCHITECTURE[/VARIANT], for example linux/arm64"
            )
        );
    }
}

#[test]
fn configurations() {
    assert_eq!(
        of_config(json!([])),
        "image configuration (set by the options): expected a JSON object, found []"
    );
    assert_eq!(
        of_config(json!({ "entrypoint": [] })),
        "image configuration (set by the options): unknown member \"entrypoint\"; did you mean \
         \"config.Entrypoint\"?"
    );
    assert_eq!(
        of_config(json!({ "command": [] })),
        "image configuration (set by the options): unknown member \"command\"; expected one of \
         created, author, architecture, os, os.version, os.features, variant, config, rootfs, \
         history"
    );
    for (config, place, closest) in [
        (json!({ "config": { "Entripoint": [] } }), "config", "Entrypoint"),
        (
            json!({ "config": { "Healthcheck": { "Intervall": 0 } } }),
            "config.Healthcheck",
            "Interval",
        ),
        (json!({ "history": [{}, { "create_by": "x" }] }), "history[1]", "created_by"),
    ] {
        let said = of_config(config);
        assert!(
            said.starts_with(&format!("image configuration, {place} (set by the options): "))
                && said.ends_with(&format!("; did you mean {closest:?}?")),
            "{said}"
        );
    }
    assert_eq!(
        of_config(json!({ "config": { "cmd": [], "CMD": [] } })),
        "image configuration, config (set by the options): member \"Cmd\" is given twice, in \
         different cases: keep one"
    );
    assert_eq!(
        of_config(json!({ "config": { "Env": ["PATH"] } })),
        "image configuration, config.Env[0] (set by the options): is \"PATH\" and must be \
         NAME=VALUE"
    );
    assert_eq!(
        of_config(json!({ "created": "yesterday" })),
        "image configuration, created (set by the options): is \"yesterday\" and must be a time as \
         RFC 3339 writes it, as in \"2026-01-31T12:00:00Z\""
    );
    assert_eq!(
        of_config(json!({ "os": "" })),
        "image configuration, os (set by the options): is \"\" and must be a string that is not \
         empty"
    );
    assert_eq!(of_config(json!({ "os": null })), "image configuration, os: it must not be empty");
    assert_eq!(
        of_config(json!({ "history": [{ "empty_layer": true }] })),
        "image configuration, history: it has 0 entries for layers, but the image has 1 layers: \
         provide one entry for each layer, or omit the history"
    );
    assert_eq!(
        of_config(json!({ "config": { "Cmd": "sh" } })),
        "image configuration, config.Cmd (set by the options): is \"sh\" and must be a list of \
         strings"
    );
}

#[test]
fn manifests_indexes_and_names() {
    let layer = |text: &str| layer_tar([FileMapping::text(text, "/x")], Compression::None).unwrap();
    let (one, other) = (layer("one"), layer("other"));
    let config = image_config([&one], json!({})).unwrap();
    assert_eq!(
        message(image_manifest(config.clone(), [other.clone()], json!({}))),
        format!(
            "image manifest: its configuration was made for other layers (diff IDs {}) than the \
             given ones (diff IDs {}): pass the same layers to both, in the same order",
            one.diff_id(),
            other.diff_id()
        )
    );
    let two_layers = image_config([&other, &one], json!({})).unwrap();
    assert_eq!(
        message(image_manifest(two_layers, [one.clone()], json!({}))),
        "image manifest: its configuration has 1 more layers below the given ones: also pass the \
         base image with which it was made"
    );
    assert_eq!(
        message(image_manifest(config.clone(), [one.clone()], json!({ "schemaVersion": 3 }))),
        "image manifest: schemaVersion is 3, but must be 2"
    );
    assert_eq!(
        message(image_manifest(config.clone(), [one.clone()], json!({ "mediaType": "x/y" }))),
        "image manifest: its mediaType is \"x/y\", but must be \
         application/vnd.oci.image.manifest.v1+json: remove it"
    );
    for (extra, said) in [
        (
            json!({ "annotation": {} }),
            "image manifest: unknown member \"annotation\"; did you mean \"annotations\"?",
        ),
        (
            json!({ "annotations": { "a": 1 } }),
            "image manifest, annotations.a: invalid type: integer `1`, expected a string: correct \
             the JSON given for it",
        ),
        (
            json!({ "annotations": ["a"] }),
            "image manifest, annotations: invalid type: sequence, expected a map: correct the JSON \
             given for it",
        ),
        (
            json!({ "subject": { "diggest": "" } }),
            "image manifest, subject: unknown member \"diggest\"; did you mean \"digest\"?",
        ),
        (
            json!({ "subject": { "platform": { "cpu": "arm64" } } }),
            "image manifest, subject.platform: unknown member \"cpu\"; expected one of \
             architecture, os, os.version, os.features, variant",
        ),
        (
            json!({ "subject": { "platform": { "arch": "arm64" } } }),
            "image manifest, subject.platform: unknown member \"arch\"; did you mean \
             \"architecture\"?",
        ),
    ] {
        assert_eq!(message(image_manifest(config.clone(), [one.clone()], extra)), said);
    }
    let first = image([FileMapping::text("", "/x")], json!({}));
    let second = image([FileMapping::text("", "/y")], json!({}));
    assert_eq!(
        message(image_index([first.clone(), second.clone()], json!({}))),
        format!(
            "images {} and {} are both for linux/amd64: use different platforms, or different tags",
            first.digest(),
            second.digest()
        )
    );
    let dir = TempDir::new().unwrap();
    let layout =
        |name: &str| message(image_layout(dir.path(), [first.clone().tagged(name)], json!({})));
    const TAG: &str = "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not start \
        with `.` or `-`";
    assert_eq!(layout("-x"), format!("image name \"-x\": {TAG}"));
    assert_eq!(layout("app:"), format!("image name \"app:\": {TAG}"));
    assert_eq!(
        layout("me/App"),
        "image name \"me/App\": a name has the form [REGISTRY/]PATH[:TAG], and the path has only \
         lower-case letters, digits, `.`, `_`, `-` and `/`"
    );
    assert_eq!(
        layout("app@sha256:00"),
        "image name \"app@sha256:00\": it has a digest, which the image's contents determine: use \
         a tag"
    );
    let images = [first.clone().tagged("me/one:v1"), second.clone().tagged("me/two:v1")];
    assert_eq!(
        message(image_layout(dir.path(), images, json!({}))),
        format!(
            "images {} and {} both have the tag \"v1\": give one of them another",
            first.digest(),
            second.digest()
        )
    );
    assert_eq!(
        message(artifact_manifest("spdx", [], None, json!({}))),
        "artifact type \"spdx\": expected a media type, for example application/spdx+json"
    );
    assert_eq!(files_in(dir.path()), [] as [&Path; 0]);
}

#[test]
fn base_images() {
    let dir = TempDir::new().unwrap();
    let arm = Platform::new("linux", "arm64");
    let layout =
        image_layout(dir.path(), [image([FileMapping::text("", "/x")], json!({}))], json!({}))
            .unwrap();
    let base = layout.image(None, None).unwrap();
    let layer = layer_tar([FileMapping::text("", "/y")], Compression::None).unwrap();
    assert_eq!(
        message(image_config([&layer], ConfigOptions::default().base(base).platform(arm))),
        "platform linux/arm64: the base image is for linux/amd64: choose the base image of that \
         platform"
    );
}

#[test]
fn layouts() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let open = |name: &str| {
        message(ImageLayout::open(at(name)).and_then(|layout| layout.index().cloned()))
    };
    assert_eq!(
        open("none"),
        format!(
            "{:?} does not exist: give the folder of an image layout, or an archive of images",
            at("none")
        )
    );
    fs::create_dir(at("empty")).unwrap();
    assert_eq!(
        open("empty"),
        format!(
            "{:?} is not an image layout, because it has no oci-layout file: give the folder of \
             an image layout, or an archive of images",
            at("empty")
        )
    );
    fs::write(at("empty/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    assert_eq!(
        open("empty"),
        format!(
            "{:?} has no index.json, because it is incomplete: make or fetch it again",
            at("empty")
        )
    );
    fs::write(at("empty/index.json"), "{}").unwrap();
    let said = open("empty");
    assert!(
        said.starts_with(&format!(
            "{:?} is not an image index (missing field",
            at("empty/index.json")
        )),
        "{said}"
    );
    fs::remove_file(at("empty/index.json")).unwrap();
    fs::create_dir(at("empty/index.json")).unwrap();
    assert_eq!(
        open("empty"),
        format!(
            "{:?} is a folder, but every file of a layout must be a regular file inside it: make \
             or fetch the layout again",
            at("empty/index.json")
        )
    );

    let image = image([FileMapping::text("", "/x")], json!({}));
    let mut layout = image_layout(at("layout"), [image.clone().tagged("v1")], json!({})).unwrap();
    assert_eq!(
        message(image_layout(at("layout"), [image.clone()], json!({}))),
        format!(
            "{:?} is an image layout already: append to it, or choose another folder",
            at("layout")
        )
    );
    assert_eq!(
        message(layout.image(Some("v2"), None)),
        format!("{:?} has no image with the tag \"v2\": it has v1", at("layout"))
    );
    assert_eq!(
        message(layout.remove("v2")),
        format!("{:?} has no image with the tag \"v2\": it has v1", at("layout"))
    );
    assert_eq!(
        message(layout.image(None, Some(&Platform::new("linux", "s390x")))),
        format!("{:?} has no image for linux/s390x; it has linux/amd64", at("layout"))
    );

    let config = layout.image(None, None).unwrap().manifest().config.digest;
    let blob = at("layout/blobs/sha256").join(config.hex());
    let bytes = fs::read(&blob).unwrap();
    fs::remove_file(&blob).unwrap();
    let missing =
        format!("blob {config} is missing from {:?}: fetch the complete image again", at("layout"));
    assert_eq!(message(layout.image(None, None)), missing);
    fs::write(&blob, &bytes[1..]).unwrap();
    let (size, less) = (bytes.len(), bytes.len() - 1);
    assert_eq!(
        message(layout.image(None, None)),
        format!(
            "blob {config} is damaged: its descriptor says {size} bytes, but it has {less} bytes; \
             make or fetch it again"
        )
    );
    let other = [&bytes[..less], b" "].concat();
    fs::write(&blob, &other).unwrap();
    assert_eq!(
        message(layout.image(None, None)),
        format!(
            "blob {config} is damaged: its descriptor says {config}, but it has {}; make or fetch \
             it again",
            Digest::of(other)
        )
    );
}

/// A layer whose reader returns other bytes than its descriptor declares, or more, or an error.
struct Liar(Descriptor, Digest, &'static [u8], Option<u32>);

impl Blob for Liar {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        struct Fail;
        impl Read for Fail {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the wire is cut"))
            }
        }
        match self.3 {
            Some(_) => Ok(Box::new(self.2.chain(Fail))),
            None => Ok(Box::new(self.2)),
        }
    }
}

impl Layer for Liar {
    fn diff_id(&self) -> Digest {
        self.1
    }
}

/// A failed write leaves complete blobs, and no other file.
#[test]
fn blobs_with_wrong_bytes_are_not_kept() {
    let descriptor = Descriptor::of(MediaType::LAYER, b"the right bytes");
    let digest = descriptor.digest;
    for (bytes, fails, expected) in [
        (
            &b"the wrong bytes"[..],
            None,
            format!("says {digest}, but it has {}; ", Digest::of("the wrong bytes")),
        ),
        (b"too few", None, "says 15 bytes, but it has 7 bytes; ".to_owned()),
        (b"the right bytes and more", None, "says 15 bytes, but it has more; ".to_owned()),
        (b"the right", Some(1), "the wire is cut".to_owned()),
    ] {
        let dir = TempDir::new().unwrap();
        let out = dir.path().join("out");
        let layer = std::sync::Arc::new(Liar(descriptor.clone(), digest, bytes, fails))
            as std::sync::Arc<dyn Layer>;
        let config = image_config([&*layer], json!({})).unwrap();
        let config_hex = config.digest().hex();
        let manifest = image_manifest(config, [layer], json!({})).unwrap();
        let manifest_hex = manifest.digest().hex();
        let said = message(image_layout(&out, [manifest], json!({})));
        assert!(said.contains(&expected), "{said}");
        let left = files_in(&out);
        assert!(!out.join("index.json").exists());
        for file in left.into_iter().filter(|file| !out.join(file).is_dir()) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            assert!([&config_hex, &manifest_hex].contains(&&name), "{name} after {said:?}");
        }
    }
}

#[test]
fn a_failed_layer_leaves_no_file() {
    let dir = TempDir::new().unwrap();
    let (source, out) = (dir.path().join("source"), dir.path().join("out"));
    fs::write(&source, "x").unwrap();
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let vanishes = source.clone();
        let progress = Progress::new(move |_, _| drop(fs::remove_file(&vanishes)));
        fs::write(&source, "x").unwrap();
        let files = [FileMapping::bytes(vec![0; 9 << 20], "/a"), FileMapping::new(&source, "/b")];
        let options = LayerOptions::from(compression).store(&out).progress(progress);
        let said = message(layer_tar(files, options.pool(&Pool::new(1))));
        assert_eq!(
            said,
            format!(
                "source {source:?} vanished while it was being read: build again when nothing \
                 writes to it"
            )
        );
        assert_eq!(files_in(&out), ["blobs", "blobs/sha256"].map(Path::new));
    }
}

/// The partially written file has no name.
#[test]
fn a_layer_is_not_stored_in_its_own_source() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(dir.path().join("file"), "x").unwrap();
    let (inside, link) = (dir.path().join("a/out"), elsewhere.path().join("link"));
    symlink(dir.path(), &link).unwrap();
    let pack = |source: &Path, out: &Path, change: fn(FileMapping) -> FileMapping| {
        let options = LayerOptions::from(Compression::None).store(out);
        layer_tar(
            [change(FileMapping::new(source, "/app")), FileMapping::text("x", "/app/b")],
            options,
        )
    };
    let refused = |source: &Path, out: &Path, change| {
        assert_eq!(
            message(pack(source, out, change)),
            format!(
                "source {source:?}: the output of the layer is there, and would become a part of \
                 the layer: write it elsewhere, or exclude it"
            )
        );
    };
    refused(dir.path(), &inside, |mapping| mapping);
    refused(dir.path(), dir.path(), |mapping| mapping.exclude("a"));
    refused(&link, &inside, |mapping| mapping.include("a"));
    refused(dir.path(), &link.join("a/out"), |mapping| mapping);
    assert_eq!(files_in(dir.path()), ["file"].map(Path::new));
    let kept: [fn(FileMapping) -> FileMapping; 3] = [
        |mapping| mapping.exclude("a/out"),
        |mapping| mapping.exclude("a"),
        |mapping| mapping.include("file"),
    ];
    for change in kept {
        let digest = pack(dir.path(), elsewhere.path(), change).unwrap().diff_id();
        assert_eq!(pack(dir.path(), &inside, change).unwrap().diff_id(), digest);
    }
}

/// A folder is listed while the files that were already found are read and stored.
#[test]
fn an_error_during_listing_leaves_no_file() {
    let (dir, dirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for n in 0..1000 {
        fs::write(dir.path().join(format!("{n:04}")), vec![0; 20_000]).unwrap();
    }
    // Of two errors, the one of the first path in the layer is returned.
    let [first, second] = ["socket-1", "socket-2"].map(|name| dir.path().join(name));
    let _sockets =
        [&second, &first].map(|path| std::os::unix::net::UnixListener::bind(path).unwrap());
    for n in 0..300 {
        fs::write(dir.path().join(format!("socket-1-{n}")), "").unwrap();
    }
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        for threads in [1, 2, 8] {
            let out = dirs.path().join(format!("{compression}-{threads}"));
            let options = LayerOptions::from(compression).store(&out).pool(&Pool::new(threads));
            let said = message(layer_tar([FileMapping::new(dir.path(), "/opt/app")], options));
            assert!(said.starts_with(&format!("source {first:?} is a socket")), "{said}");
            assert_eq!(files_in(&out), ["blobs", "blobs/sha256"].map(Path::new));
        }
    }
}

/// As on a full disk: the file exceeds the size that the system allows.
#[test]
fn an_output_that_cannot_be_written() {
    if let Some(out) = child_argument() {
        let files = [FileMapping::bytes(common::text(3 << 20, 1), "/a")];
        let said = message(layer_tar(files, LayerOptions::from(Compression::None).store(&out)));
        let blobs = out.join("blobs/sha256");
        assert_eq!(said, format!("cannot write {blobs:?}: File too large (os error 27)"));
        return assert_eq!(files_in(&out), ["blobs", "blobs/sha256"].map(Path::new));
    }
    let dir = TempDir::new().unwrap();
    let this = child(an_output_that_cannot_be_written, dir.path());
    // In blocks of 512 bytes. The signal would end the process before it could report the error.
    run(&mut behind(&["sh", "-c", "trap '' XFSZ; ulimit -f 3000; exec \"$0\" \"$@\""], &this));

    fs::write(dir.path().join("file"), "").unwrap();
    let out = dir.path().join("file/out");
    assert_eq!(
        message(layer_tar([FileMapping::text("", "/a")], LayerOptions::default().store(&out))),
        format!("cannot write {:?}: Not a directory (os error 20)", out.join("blobs/sha256"))
    );
}

/// A `FileBlob` for a file that does not exist.
#[test]
fn a_blob_whose_file_is_gone() {
    let dir = TempDir::new().unwrap();
    let blob = FileBlob::new(Descriptor::of(MediaType::LAYER, b"x"), dir.path().join("none"));
    let said = message(blob.open());
    assert_eq!(
        said,
        format!(
            "cannot read {:?}: No such file or directory (os error 2)",
            dir.path().join("none")
        )
    );
    // The chain has the cause once, and its kind is kept.
    let error = blob.open().err().unwrap();
    assert_eq!(error.to_string(), format!("cannot read {:?}", dir.path().join("none")));
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "No such file or directory (os error 2)");
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(Report(&error).to_string(), said);
}

/// The data that a caller can match on.
#[test]
fn a_missing_image_is_an_error_that_lists_the_images() {
    let dir = TempDir::new().unwrap();
    let one = |name: &str| image([FileMapping::text(name, "/x")], json!({})).tagged(name);
    let mut layout = image_layout(dir.path(), [one("a"), one("b")], json!({})).unwrap();
    let tags = ["a", "b"].map(str::to_owned);
    assert!(matches!(
        layout.image(Some("c"), None),
        Err(Error::ImageNotFound { name: Some(name), available, .. })
            if name == "c" && available == tags
    ));
    assert!(matches!(
        layout.remove("c"),
        Err(Error::ImageNotFound { available, .. }) if available == tags
    ));
    assert!(matches!(
        layout.image(None, None),
        Err(Error::ImageAmbiguous { name: None, available, .. }) if available == tags
    ));
    let platform = Platform::new("linux", "s390x");
    assert!(matches!(
        layout.image(Some("a"), Some(&platform)),
        Err(Error::PlatformNotFound { platform, available, .. })
            if platform == "linux/s390x" && available == ["linux/amd64"]
    ));
    assert!(matches!(
        image_layout(dir.path(), [one("a")], json!({})),
        Err(Error::OutputExists { .. })
    ));
    assert!(matches!(ImageLayout::open(dir.path().join("blobs")), Err(Error::NotALayout { .. })));
}
