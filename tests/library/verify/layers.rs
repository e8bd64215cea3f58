//! Defects of layers.

use oci_layout::{Digest, document::MediaType};

use crate::common::{
    gzip,
    raw_tar::{directory, entry, file, hard_link, pax, symlink, tar, with_checksum},
};

use super::layout::{Expected, Layout, expected, verify};

const CUT: &str = "it is truncated, or other bytes follow it";
const PLACE: &str = "index.json, manifests[0], layers[2]";

/// Entries, and the finding: the entry (none for the layer as a whole) and the sentence.
type Case = (&'static str, fn() -> Vec<Vec<u8>>, &'static [(&'static str, &'static str)]);

const TWICE: &str = "is in the layer twice: which of the two is unpacked depends on the tool";
const ABSOLUTE: &str =
    "is an absolute path: write it relative to the root of the image, without the leading slash";
const DOT_DOT: &str = "has `..` in its path: tools refuse it, or write outside of the image";
const NO_EARLIER: &str =
    "is not an earlier entry of the layer: tools cannot create the link, or create a wrong one";
const NO_WHITEOUT: &str = "has the name of a whiteout, but is not an empty regular file";
const NAMES_NOTHING: &str = "has the name of a whiteout, but does not name a file to remove";
const AUFS: &str = "has the name of a file of aufs, which is not a whiteout: `.wh..wh..opq` is \
    the only one with this prefix";
const SPARSE: &str =
    "is stored as a sparse file, which layers should not contain: readers unpack it differently";
const NO_DIRECTORY: &str = "which is not a directory according to another entry of the layer";

const CASES: &[Case] = &[
    (
        "what layers may have",
        || {
            vec![
                directory("./"),
                directory("./a/"),
                file("a/b", b"x"),
                hard_link("a/c", "./a/b"),
                symlink("a/d", "../../anywhere"),
                symlink("e", "/absolute"),
                file("no/parent/before", b""),
                directory("no/parent/"),
                file("a/.wh.gone", b""),
                file("a/.wh..wh..opq", b""),
                file("a/gone", b"and again"),
                entry("a/fifo", b'6', "", b""),
                entry("a/contiguous", b'7', "", b"x"),
                file(".wh.x.wh.y", b""),
                file("wh.x", b"x"),
                pax(&[("path", &"long/".repeat(200)), ("mtime", "1.5")], &directory("x")),
            ]
        },
        &[],
    ),
    ("a path twice", || vec![file("a", b"x"), file("b", b"x"), file("a", b"x")], &[("a", TWICE)]),
    (
        "a path twice, differently written",
        || vec![directory("a"), file("a/b", b""), file("./a//b", b"")],
        &[("./a//b", TWICE)],
    ),
    ("a directory twice", || vec![directory("a/"), directory("a/")], &[("a/", TWICE)]),
    ("a directory and a file", || vec![directory("a/"), file("a", b"")], &[("a", TWICE)]),
    ("a whiteout twice", || vec![file(".wh.a", b""), file(".wh.a", b"")], &[(".wh.a", TWICE)]),
    ("an absolute path", || vec![file("/a", b"")], &[("/a", ABSOLUTE)]),
    (
        "an absolute path that is there already",
        || vec![file("a", b""), file("/a", b"")],
        &[("/a", ABSOLUTE), ("/a", TWICE)],
    ),
    (
        "paths with ..",
        || vec![file("..", b""), file("a/../b", b""), file("a..b", b"")],
        &[("..", DOT_DOT), ("a/../b", DOT_DOT)],
    ),
    ("an entry without a name", || vec![file("", b"")], &[("", "is an entry without a name")]),
    (
        "the root as a file",
        || vec![file("./", b"")],
        &[("./", "is the root of the image, but not a directory")],
    ),
    (
        "a NUL in a name",
        || vec![pax(&[("path", "a\0b")], &file("x", b""))],
        &[("a\\0b", "has a NUL byte in its path, where tools truncate it")],
    ),
    (
        "a name that is too long",
        || vec![pax(&[("path", &format!("a/{:0256}", 0))], &file("x", b""))],
        &[(
            "a/000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000…",
            "has a name of more than 255 bytes, which file systems refuse",
        )],
    ),
    (
        "a path that is too long",
        || vec![pax(&[("path", &"a/".repeat(2048))], &file("x", b""))],
        &[(
            "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/…",
            "is longer than the 4095 bytes that a path can have",
        )],
    ),
    (
        "a file that is used as a directory",
        || vec![file("a", b""), file("a/b/c", b"")],
        &[("a/b/c", "is in \"a\", NO_DIRECTORY")],
    ),
    (
        "a link that is used as a directory",
        || vec![symlink("d/a", "b"), directory("d/b"), file("d/a/c", b"")],
        &[("d/a/c", "is in \"d/a\", NO_DIRECTORY")],
    ),
    (
        "a directory that becomes a file",
        || vec![file("a/b", b""), file("a", b"")],
        &[(
            "a",
            "is not a directory, but earlier entries of the layer are in it: tools remove those, \
             or fail",
        )],
    ),
    (
        "a hard link before its target",
        || vec![hard_link("a", "b"), file("b", b"x")],
        &[("a", "is a hard link to \"b\", which NO_EARLIER")],
    ),
    (
        "hard links to what is not there",
        || {
            vec![
                file("bin/app", b"x"),
                hard_link("a", "app"),
                hard_link("c", "c"),
                hard_link("e", "bin"),
            ]
        },
        &[
            ("a", "is a hard link to \"app\", which NO_EARLIER"),
            ("c", "is a hard link to \"c\", which NO_EARLIER"),
            ("e", "is a hard link to \"bin\", which NO_EARLIER"),
        ],
    ),
    (
        "hard links out of the layer",
        || {
            vec![
                file("a", b"x"),
                hard_link("b", "/a"),
                hard_link("c", "x/../a"),
                hard_link("d", ""),
            ]
        },
        &[
            (
                "b",
                "is a hard link to \"/a\", which is an absolute path: write it relative to the \
                 root of the image",
            ),
            ("c", "is a hard link to \"x/../a\", which is not a valid path in a layer"),
            ("d", "is a hard link to \"\", which is not a valid path in a layer"),
        ],
    ),
    (
        "a hard link to a directory",
        || vec![directory("a"), hard_link("b", "a")],
        &[("b", "is a hard link to \"a\", which is a directory")],
    ),
    (
        "whiteouts that are not empty files",
        || {
            vec![
                file("a/.wh.b", b"x"),
                directory(".wh.c/"),
                symlink(".wh.d", "d"),
                directory("e/.wh..wh..opq"),
            ]
        },
        &[
            ("a/.wh.b", NO_WHITEOUT),
            (".wh.c/", NO_WHITEOUT),
            (".wh.d", NO_WHITEOUT),
            ("e/.wh..wh..opq", NO_WHITEOUT),
        ],
    ),
    (
        "whiteouts of nothing",
        || vec![file(".wh.", b""), file(".wh..", b""), file("a/.wh...", b"")],
        &[(".wh.", NAMES_NOTHING), (".wh..", NAMES_NOTHING), ("a/.wh...", NAMES_NOTHING)],
    ),
    (
        "files of aufs",
        || vec![file(".wh..wh.aufs", b""), file("a/.wh..wh.opq", b""), file(".wh..wh..opqx", b"")],
        &[(".wh..wh.aufs", AUFS), ("a/.wh..wh.opq", AUFS), (".wh..wh..opqx", AUFS)],
    ),
    (
        "a directory with a whiteout's name",
        || vec![file(".wh.a/b", b"")],
        &[(
            ".wh.a/b",
            "is in a directory with the name of a whiteout, but a whiteout is an empty file",
        )],
    ),
    (
        "a whiteout of overlayfs",
        || vec![entry("a", b'3', "", b"")],
        &[(
            "a",
            "is a character device 0/0, a whiteout of overlayfs: a layer has an empty file \
             `.wh.NAME` instead",
        )],
    ),
    (
        "marks of overlay file systems",
        || {
            let marked = |name: &str, mark| pax(&[(mark, "y")], &directory(name));
            vec![
                marked("a/", "SCHILY.xattr.trusted.overlay.opaque"),
                marked("b/", "SCHILY.xattr.user.overlay.opaque"),
                marked("c/", "SCHILY.xattr.user.fuseoverlayfs.opaque"),
                marked("d/", "SCHILY.xattr.user.overlays"),
                marked("e/", "SCHILY.xattr.security.capability"),
            ]
        },
        &[
            (
                "a/",
                "has the extended attribute \"trusted.overlay.opaque\", a mark of an overlay file \
                 system: for some readers, it hides files of the layers below; remove it",
            ),
            (
                "b/",
                "has the extended attribute \"user.overlay.opaque\", a mark of an overlay file \
                 system: for some readers, it hides files of the layers below; remove it",
            ),
            (
                "c/",
                "has the extended attribute \"user.fuseoverlayfs.opaque\", a mark of an overlay \
                 file system: for some readers, it hides files of the layers below; remove it",
            ),
        ],
    ),
    (
        "sparse files",
        || {
            let mut old = entry("old", b'S', "", b"x");
            old[386..398].copy_from_slice(b"00000000000\0");
            old[398..410].copy_from_slice(b"00000000001\0");
            old[483..495].copy_from_slice(b"00000001000\0");
            let header: [u8; 512] = old[..512].try_into().unwrap();
            old[..512].copy_from_slice(&with_checksum(header));
            let records = [
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "new"),
                ("GNU.sparse.realsize", "4096"),
            ];
            let mut map = b"1\n0\n1\n".to_vec();
            map.resize(512, 0);
            map.push(b'x');
            vec![old, pax(&records, &file("x", &map))]
        },
        &[("old", SPARSE), ("new", SPARSE)],
    ),
    (
        "a type that nobody knows",
        || vec![entry("a", b'Z', "", b""), entry("b", b'V', "", b"")],
        &[
            ("a", "is an entry of type 'Z', which is not valid in a layer"),
            ("b", "is an entry of type 'V', which is not valid in a layer"),
        ],
    ),
    (
        "control characters in a name",
        || vec![file("/a\n\x1b[2J", b"")],
        &[("/a\\n\\u{1b}[2J", ABSOLUTE)],
    ),
];

#[test]
fn each_defect_is_found_alone() {
    for (name, entries, found) in CASES {
        let layout = Layout::good();
        let tar = tar(&entries());
        let digest = layout.replace_layer(MediaType::LAYER, &tar, Digest::of(&tar));
        let expected: Vec<Expected> = found
            .iter()
            .map(|(entry, sentence)| {
                let sentence = sentence
                    .replace("NO_EARLIER", NO_EARLIER)
                    .replace("NO_DIRECTORY", NO_DIRECTORY);
                expected(format!("{PLACE}, entry \"{entry}\""), digest, sentence)
            })
            .collect();
        assert_eq!(verify(layout.path()), expected, "{name}");
    }
}

/// The findings for the tar as a whole.
#[track_caller]
fn found_in_tar(tar: &[u8]) -> Vec<String> {
    found_in(MediaType::LAYER, tar, tar)
}

#[track_caller]
fn found_in(media_type: MediaType, blob: &[u8], tar: &[u8]) -> Vec<String> {
    let layout = Layout::good();
    let digest = layout.replace_layer(media_type, blob, Digest::of(tar));
    let found = verify(layout.path());
    assert!(
        found.iter().all(|(place, found, _)| place.starts_with(PLACE) && *found == Some(digest)),
        "{found:?}"
    );
    found.into_iter().map(|(_, _, sentence)| sentence).collect()
}

#[test]
fn the_end_of_a_tar_is_checked() {
    let entries = [file("a", b"x"), file("b", b"y")].concat();
    let ended = [&entries[..], &[0; 1024]].concat();
    assert_eq!(found_in_tar(&ended), <[&str; 0]>::default());
    // Padded to a record, as GNU tar does.
    assert_eq!(found_in_tar(&[&ended[..], &[0; 10240]].concat()), <[&str; 0]>::default());

    let unended = "is a tar without the two blocks of zeros at its end: it may be truncated";
    assert_eq!(found_in_tar(&entries), [unended]);
    assert_eq!(found_in_tar(&ended[..entries.len() + 512]), [unended]);
    assert_eq!(
        found_in_tar(b""),
        ["is described as application/vnd.oci.image.layer.v1.tar, but its bytes are neither \
             gzip, zstd nor a tar: correct the mediaType"]
    );

    let trailing = "has bytes after the end of the tar, the first at 3075: readers do not see them";
    assert_eq!(found_in_tar(&[&ended[..], b"\0\0\0x"].concat()), [trailing]);
    let [cut] = &found_in_tar(&entries[..entries.len() - 100])[..] else { panic!() };
    assert!(cut.starts_with("is a tar that cannot be read past byte 1948: "), "{cut}");
    let mut flipped = ended.clone();
    flipped[1024 + 5] ^= 1;
    let [checksum] = &found_in_tar(&flipped)[..] else { panic!() };
    assert!(checksum.starts_with("is a tar that cannot be read past byte 1024: "), "{checksum}");
    assert!(checksum.ends_with("its checksum is wrong"), "{checksum}");
}

#[test]
fn wrong_media_types_are_found() {
    let tar = tar(&[file("a", b"x")]);
    let zstd = zstd::encode_all(&tar[..], 3).unwrap();
    let lie = |said: &MediaType, found| {
        format!("is described as {said}, but its bytes are {found}: correct the mediaType")
    };
    let plain = "a tar without compression";
    let docker = MediaType::new("application/vnd.docker.image.rootfs.diff.tar.gzip");
    for (media_type, blob, found) in [
        (MediaType::LAYER_GZIP, &tar, plain),
        (MediaType::LAYER_GZIP, &zstd, "zstd"),
        (MediaType::LAYER_ZSTD, &gzip(&tar), "gzip"),
        (MediaType::LAYER, &gzip(&tar), "gzip"),
        (docker, &zstd, "zstd"),
        (MediaType::LAYER_GZIP, &b"BZh91AY&SY".to_vec(), "bzip2"),
        (MediaType::LAYER_GZIP, &b"\xfd7zXZ\0\0".to_vec(), "xz"),
        (MediaType::LAYER, &vec![b'x'; 2000], "neither gzip, zstd nor a tar"),
    ] {
        assert_eq!(found_in(media_type.clone(), blob, &tar), [lie(&media_type, found)]);
    }
    // Bytes of an unknown type are only hashed.
    let encrypted = MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
    assert_eq!(found_in(encrypted, b"x", &tar), <[&str; 0]>::default());
}

#[test]
fn compressed_streams_are_read_to_their_end() {
    let tar = tar(&[file("a", &vec![b'x'; 100_000])]);
    let (first, second) = tar.split_at(60_000);
    // The contents of consecutive members and frames are concatenated, also of empty ones.
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    assert_eq!(found_in(MediaType::LAYER_GZIP, &members, &tar), <[&str; 0]>::default());
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let frames = [skipped.clone(), frame(first), skipped, frame(second)].concat();
    assert_eq!(found_in(MediaType::LAYER_ZSTD, &frames, &tar), <[&str; 0]>::default());

    let damaged = |codec, offset: usize, reason: &str| {
        vec![format!("is {codec} that cannot be read past byte {offset} of the tar: {reason}")]
    };
    let garbage = |stream: Vec<u8>| [&stream[..], b"bytes that do not belong to it"].concat();
    assert_eq!(
        found_in(MediaType::LAYER_GZIP, &garbage(gzip(&tar)), &tar),
        damaged("gzip", tar.len(), "invalid gzip header")
    );
    assert_eq!(
        found_in(MediaType::LAYER_ZSTD, &garbage(frame(&tar)), &tar),
        damaged("zstd", tar.len(), "Unknown frame descriptor")
    );
    // Without the final checksum, the whole tar is there, but the stream is still damaged.
    let gzipped = gzip(&tar);
    let [cut] = &found_in(MediaType::LAYER_GZIP, &gzipped[..gzipped.len() - 4], &tar)[..] else {
        panic!()
    };
    assert_eq!(*cut, damaged("gzip", tar.len(), CUT)[0]);
    let [cut] = &found_in(MediaType::LAYER_GZIP, &members[..gzip(first).len() + 5], &tar)[..]
    else {
        panic!()
    };
    assert_eq!(*cut, damaged("gzip", first.len(), CUT)[0]);
    let two = [frame(first), frame(second)].concat();
    let [cut] = &found_in(MediaType::LAYER_ZSTD, &two[..frame(first).len() + 7], &tar)[..] else {
        panic!()
    };
    assert_eq!(*cut, damaged("zstd", first.len(), CUT)[0]);
    let mut flipped = gzip(&tar);
    let at = flipped.len() - 5;
    flipped[at] ^= 1;
    let [checksum] = &found_in(MediaType::LAYER_GZIP, &flipped, &tar)[..] else { panic!() };
    assert!(checksum.starts_with("is gzip that cannot be read past byte "), "{checksum}");
}

#[test]
fn a_wrong_diff_id_is_found_in_every_compression() {
    let tar = tar(&[file("a", b"x")]);
    let said = Digest::of("another tar");
    let expected =
        format!("unpacks to the diff ID {}, but the configuration says {said}", Digest::of(&tar));
    for (media_type, blob) in [
        (MediaType::LAYER, tar.clone()),
        (MediaType::LAYER_GZIP, gzip(&tar)),
        (MediaType::LAYER_ZSTD, zstd::encode_all(&tar[..], 3).unwrap()),
    ] {
        assert_eq!(found_in(media_type, &blob, b"another tar"), [&*expected]);
    }
}
