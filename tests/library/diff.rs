//! What differs between two images, with tars that Python writes in every format.

use std::{
    io::Read,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use oci_layout::{
    Blob, Digest, FileMapping, Layer, LayerOptions, MemoryBlob, PlatformImage, Pool, Result,
    document::{Descriptor, MediaType},
    image_config, image_manifest, layer_tar,
    rootfs::{FileChange, ImageDiff, image_diff},
};
use serde_json::{Value, json};

use crate::common::run;

/// A layer of these bytes, whose diff ID is that of this tar. It counts how often it is opened.
#[derive(Clone)]
struct RawLayer {
    blob: MemoryBlob,
    diff_id: Digest,
    opened: Arc<AtomicU64>,
}

impl RawLayer {
    fn new(media_type: MediaType, bytes: Vec<u8>, tar: &[u8]) -> Self {
        let blob = MemoryBlob::new(media_type, bytes);
        Self { blob, diff_id: Digest::of(tar), opened: Arc::default() }
    }

    fn tar(tar: Vec<u8>) -> Self {
        Self::new(MediaType::LAYER, tar.clone(), &tar)
    }

    fn of(files: impl IntoIterator<Item = FileMapping>) -> Self {
        let options = LayerOptions::from(oci_layout::Compression::None);
        Self::tar(crate::common::bytes(&layer_tar(files, options).unwrap()))
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Blob for RawLayer {
    fn descriptor(&self) -> &Descriptor {
        self.blob.descriptor()
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.blob.open()
    }
}

impl Layer for RawLayer {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }
}

fn image(layers: &[RawLayer], config: Value) -> PlatformImage {
    let config = image_config(layers, config).unwrap();
    let arcs = layers.iter().map(|layer| Arc::new(layer.clone()) as Arc<dyn Layer>);
    let image = image_manifest(config, arcs, json!({})).unwrap();
    layers.iter().for_each(|layer| layer.opened.store(0, Ordering::Relaxed));
    PlatformImage::of(&image.into(), None).unwrap()
}

#[track_caller]
fn diff(old: &[RawLayer], new: &[RawLayer]) -> ImageDiff {
    let config = || json!({ "history": [] });
    let found = image_diff(&image(old, config()), &image(new, config()), &Pool::new(2)).unwrap();
    assert_eq!(found.configuration, []);
    found
}

/// One line for each file.
fn files(diff: &ImageDiff) -> Vec<String> {
    let line = |file: &oci_layout::rootfs::FileDiff| {
        let fields = file.fields.iter().map(|field| match &*field.field {
            "contents" => " contents".to_owned(),
            name => format!(" {name} {:?} {:?}", field.old, field.new),
        });
        let change = match file.change {
            FileChange::Added => '+',
            FileChange::Removed => '-',
            FileChange::Changed => '~',
        };
        format!("{change}{}{}", file.path.display(), fields.collect::<String>())
    };
    diff.files.iter().map(line).collect()
}

/// One line for each difference in the bytes of the only layer.
fn bytes(diff: &ImageDiff) -> Vec<String> {
    assert_eq!((diff.layers.len(), &*files(diff)), (1, &[][..]), "{diff:?}");
    let line = |found: &oci_layout::rootfs::BytesDiff| {
        let path = found.path.as_ref().map(|path| format!(" {} {}", path.display(), found.count));
        let (field, old, new) = (&found.field.field, &found.field.old, &found.field.new);
        format!("{field} {old:?} {new:?}{}", path.unwrap_or_default())
    };
    diff.layers[0].bytes.iter().map(line).collect()
}

/// What Python prints.
fn python(script: &str) -> Vec<u8> {
    let start = "import gzip, io, sys, tarfile\nout = sys.stdout.buffer\n";
    run(Command::new("python3").args(["-c", &format!("{start}{script}")]))
}

/// The tar of two files in this format, with these members of each.
fn tar(format: &str, names: &str, members: &str) -> Vec<u8> {
    python(&format!(
        "with tarfile.open(fileobj=out, mode='w|', format=tarfile.{format}_FORMAT) as tar:
    for name in {names}:
        member = tarfile.TarInfo(name)
        member.mtime = 1
        {members}
        member.size = 1
        tar.addfile(member, io.BytesIO(b'x'))
"
    ))
}

#[test]
fn files_differ_by_field() {
    let old = RawLayer::of([
        FileMapping::text("1", "/etc/contents"),
        FileMapping::text("1", "/etc/size"),
        FileMapping::text("1", "/etc/type"),
        FileMapping::text("1", "/gone/file"),
        FileMapping::text("1", "/same"),
        FileMapping::text("1", "/attributes").xattr("user.x", "1"),
        FileMapping::symlink("a", "/link"),
    ]);
    let new = RawLayer::of([
        FileMapping::text("2", "/etc/contents"),
        FileMapping::text("22", "/etc/size"),
        FileMapping::symlink("contents", "/etc/type"),
        FileMapping::text("1", "/new/file"),
        FileMapping::text("1", "/same"),
        FileMapping::text("1", "/attributes").mode(0o600).owner(1, 2).mtime(7).xattr("user.y", "2"),
        FileMapping::symlink("b", "/link"),
    ]);
    let found = diff(&[old], &[new]);
    let wanted = [
        r#"~/attributes mode "0644" "0600" owner "0:0" "1:2" time "1" "7" xattr user.x "1" "" xattr user.y "" "2""#,
        "~/etc/contents contents",
        r#"~/etc/size size "1" "2" contents"#,
        r#"~/etc/type type "file" "symlink" mode "0644" "0777" target "" "contents""#,
        "-/gone",
        "-/gone/file",
        r#"~/link target "a" "b""#,
        "+/new",
        "+/new/file",
    ];
    assert_eq!(files(&found), wanted);
    assert_eq!(found.layers.len(), 1);
    assert!(!found.is_empty());
}

#[test]
fn hard_links_and_copies_differ() {
    let links = "member.type, member.linkname = (b'0', '') if name == 'a' else (b'1', 'a')";
    let script = |members: &str| {
        python(&format!(
            "with tarfile.open(fileobj=out, mode='w|') as tar:
    for name in ['a', 'b']:
        member = tarfile.TarInfo(name)
        {members}
        tar.addfile(member)
"
        ))
    };
    let found = diff(&[RawLayer::tar(script("pass"))], &[RawLayer::tar(script(links))]);
    assert_eq!(files(&found), [r#"~/b hard link "" "/a""#]);
}

#[test]
fn shared_layers_are_not_read() {
    let base = RawLayer::of([FileMapping::text("1", "/a"), FileMapping::text("1", "/b")]);
    let top = RawLayer::of([FileMapping::text("1", "/top")]);
    let old = RawLayer::of([FileMapping::text("1", "/c"), FileMapping::whiteout("/a")]);
    let new = RawLayer::of([FileMapping::text("2", "/c"), FileMapping::whiteout("/a")]);
    let found =
        diff(&[base.clone(), old.clone(), top.clone()], &[base.clone(), new.clone(), top.clone()]);
    assert_eq!(files(&found), ["~/c contents"]);
    assert_eq!(found.layers.len(), 1);
    assert_eq!(found.layers[0].old.as_ref().unwrap().number, 1);
    assert_eq!([base.opened(), old.opened(), new.opened(), top.opened()], [0, 1, 1, 0]);
    // Only the layer at the top is shared.
    let found = diff(&[base.clone(), top.clone()], &[old.clone(), top.clone()]);
    assert_eq!(files(&found), ["-/a", "-/b", "+/c"]);
    assert_eq!([base.opened(), old.opened(), top.opened()], [1, 1, 0]);
    // Nothing differs.
    let found = diff(&[base.clone(), old.clone()], &[base.clone(), old.clone()]);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!([base.opened(), old.opened()], [0, 0]);
}

#[test]
fn a_shared_layer_is_read_if_its_files_matter() {
    let base = RawLayer::of([
        FileMapping::text("1", "/etc/a"),
        FileMapping::text("1", "/etc/b"),
        FileMapping::text("1", "/dir/a"),
        FileMapping::text("1", "/dir/b"),
    ]);
    let top = RawLayer::of([FileMapping::text("1", "/top")]);
    let compare = |old: &[RawLayer], new: &[RawLayer]| {
        let with_others = |layers: &[RawLayer]| {
            [std::slice::from_ref(&base), layers, std::slice::from_ref(&top)].concat()
        };
        let found = diff(&with_others(old), &with_others(new));
        assert_eq!([base.opened(), top.opened()], [1, 0]);
        assert!(found.layers.iter().all(|layer| layer.bytes.is_empty()), "{found:?}");
        files(&found)
    };
    let file = |text: &str, path: &str| RawLayer::of([FileMapping::text(text, path)]);
    // One layer more, whose directory is that of the layer below.
    assert_eq!(compare(&[], &[file("22", "/etc/a")]), [r#"~/etc/a size "1" "2" contents"#]);
    assert_eq!(compare(&[file("2", "/etc/a")], &[]), ["~/etc/a contents"]);
    assert_eq!(compare(&[], &[file("1", "/etc/a")]), [""; 0]);
    assert_eq!(compare(&[], &[file("1", "/etc/c")]), ["+/etc/c"]);
    assert_eq!(compare(&[file("1", "/new/c")], &[]), ["-/new", "-/new/c"]);
    assert_eq!(
        compare(&[file("2", "/etc/a")], &[file("2", "/etc/b")]),
        ["~/etc/a contents", "~/etc/b contents"]
    );
    // Whiteouts remove all that is below a directory, and a file in its place does too.
    let without = |path: &str| RawLayer::of([FileMapping::whiteout(path)]);
    assert_eq!(compare(&[], &[without("/dir")]), ["-/dir", "-/dir/a", "-/dir/b"]);
    assert_eq!(compare(&[without("/dir/a")], &[without("/dir/b")]), ["+/dir/a", "-/dir/b"]);
    assert_eq!(compare(&[], &[without("/absent")]), [""; 0]);
    assert_eq!(
        compare(&[], &[file("1", "/dir")]),
        [r#"~/dir type "directory" "file" mode "0755" "0644""#, "-/dir/a", "-/dir/b"]
    );
    let opaque = python(
        "with tarfile.open(fileobj=out, mode='w|') as tar:
    for name in ['dir/b', 'dir/.wh..wh..opq']:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = 1, 1
        tar.addfile(member, io.BytesIO(b'1'))
",
    );
    assert_eq!(compare(&[file("1", "/dir/b")], &[RawLayer::tar(opaque)]), ["-/dir/a"]);
    // A hard link to a file of the layer below.
    let link = |target: &str| {
        RawLayer::tar(python(&format!(
            "with tarfile.open(fileobj=out, mode='w|') as tar:
    member = tarfile.TarInfo('link')
    member.type, member.linkname = b'1', '{target}'
    tar.addfile(member)
"
        )))
    };
    let names = ["etc/a", "etc/b"].map(link);
    let found = diff(&[base.clone(), names[0].clone()], &[base.clone(), names[1].clone()]);
    assert_eq!(files(&found), [r#"~/link hard link "/etc/a" "/etc/b""#]);
}

#[test]
fn bytes_of_equal_files_differ_by_field() {
    let both = "['etc/a', 'etc/b']";
    let plain = RawLayer::tar(tar("USTAR", both, "pass"));
    let compare =
        |other: Vec<u8>| bytes(&diff(std::slice::from_ref(&plain), &[RawLayer::tar(other)]));
    assert_eq!(
        compare(tar("GNU", both, "pass")),
        [r#"magic "ustar" "ustar " etc/a 2"#, r#"version "00" " " etc/a 2"#]
    );
    assert_eq!(compare(tar("USTAR", both, "member.uname = 'me'")), [r#"uname "" "me" etc/a 2"#]);
    assert_eq!(
        compare(tar("PAX", both, "member.pax_headers = {'comment': 'hello'}")),
        [r#"extended headers "" "pax" etc/a 2"#]
    );
    assert_eq!(
        compare(tar("USTAR", "['etc/b', 'etc/a']", "pass")),
        [r#"order of entries "etc/a" "etc/b" etc/a 1"#]
    );
    let mut longer = tar("USTAR", both, "pass");
    longer.extend([0; 512]);
    assert!(compare(longer)[0].starts_with("end of the tar"));
    // Records of extended headers.
    let records = |members: &str| RawLayer::tar(tar("PAX", both, members));
    let comment = |text: &str| records(&format!("member.pax_headers = {{'comment': '{text}'}}"));
    assert_eq!(
        bytes(&diff(&[comment("old")], &[comment("new")])),
        [r#"pax comment "old" "new" etc/a 2"#]
    );
    // Fractions of a second are a difference of the files.
    for [old, new] in [["1.25", "1.5"], ["-0.5", "1"]] {
        let [old_layer, new_layer] =
            [old, new].map(|time| records(&format!("member.mtime = {time}")));
        let line = |path: &str| format!("~{path} time {old:?} {new:?}");
        let found = files(&diff(&[old_layer], &[new_layer]));
        assert_eq!(found, [line("/etc/a"), line("/etc/b")]);
    }
}

#[test]
fn compressions_differ_by_field() {
    let tar = tar("USTAR", "['a', 'b']", "pass");
    let gzip = |options: &str| {
        let text: Vec<_> = tar.iter().map(|byte| byte.to_string()).collect();
        let script = format!("out.write(gzip.compress(bytes([{}]), {options}))", text.join(","));
        RawLayer::new(MediaType::LAYER_GZIP, python(&script), &tar)
    };
    let compare = |old: &RawLayer, new: &RawLayer| {
        let found = diff(std::slice::from_ref(old), std::slice::from_ref(new));
        // The tar is the same, and not read.
        assert_eq!([old.opened(), new.opened()], [1, 1]);
        bytes(&found)
    };
    let nine = gzip("9, mtime=7");
    assert_eq!(compare(&nine, &gzip("9, mtime=9")), [r#"gzip header: time "7" "9""#]);
    assert_eq!(compare(&nine, &gzip("1, mtime=7")), [r#"gzip header: level "2" "4""#]);
    let zstd = zstd::encode_all(&tar[..], 3).unwrap();
    let zstd = RawLayer::new(MediaType::LAYER_ZSTD, zstd, &tar);
    assert_eq!(compare(&nine, &zstd), [r#"compression "gzip" "zstd""#]);
    let plain = RawLayer::tar(tar.clone());
    assert_eq!(compare(&zstd, &plain), [r#"compression "zstd" "none""#]);
    let level = compare(&gzip("5, mtime=7"), &gzip("6, mtime=7"));
    assert!(level[0].starts_with("compression level or program"), "{level:?}");
}

#[test]
fn configurations_differ_by_member() {
    let layers = [RawLayer::of([FileMapping::text("1", "/a")])];
    let old = json!({ "config": { "Env": ["A=1", "B=1"], "User": "me" }, "author": "me" });
    let new = json!({ "config": { "Env": ["A=1", "B=2"], "Labels": { "x": "1" } } });
    let pool = Pool::new(1);
    let found = image_diff(&image(&layers, old), &image(&layers, new), &pool).unwrap();
    let lines: Vec<_> = found
        .configuration
        .iter()
        .map(|found| {
            let shown = |value: &Option<Value>| value.as_ref().map(Value::to_string);
            (&*found.member, shown(&found.old), shown(&found.new))
        })
        .collect();
    let text = |text: &str| Some(format!("{text:?}"));
    let wanted = [
        ("author", text("me"), None),
        ("config.Env[1]", text("B=1"), text("B=2")),
        ("config.Labels.x", None, text("1")),
        ("config.User", text("me"), None),
    ];
    assert_eq!(lines, wanted);
    assert_eq!((&*found.layers, &*found.files), (&[][..], &[][..]));
}

#[test]
fn ports_and_volumes_differ() {
    let layers = [RawLayer::of([FileMapping::text("1", "/a")])];
    let old = json!({ "config": { "User": "me", "Volumes": { "/old": {} } } });
    let new = json!({ "config": { "User": "me", "ExposedPorts": { "80/tcp": {} } } });
    let (old, new) = (image(&layers, old), image(&layers, new));
    let found = image_diff(&old, &new, &Pool::new(1)).unwrap();
    let members: Vec<_> = found
        .configuration
        .iter()
        .map(|found| (&*found.member, found.old.clone(), found.new.clone()))
        .collect();
    let wanted = [
        ("config.ExposedPorts.80/tcp", None, Some(json!({}))),
        ("config.Volumes./old", Some(json!({})), None),
    ];
    assert_eq!(members, wanted);
}
