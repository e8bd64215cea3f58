//! A tar as a source: tars of Python's tarfile and GNU tar become the layer that Python expects.

mod foreign;
mod links;
mod list;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression as Level, write::GzEncoder};
use oci_layout::{
    Blob, Compression, Error, FileMapping, Layer, LayerOptions, OnConflict, PermissionRule,
    TarLayer, layer_tar,
};
use tempfile::TempDir;

use self::list::tar_crate;
use crate::common::python::{make, python};

/// The uncompressed layer of these mappings, and its bytes.
fn layer(
    files: impl IntoIterator<Item = FileMapping>,
    options: LayerOptions,
) -> (TarLayer, Vec<u8>) {
    let layer = layer_tar(files, options.compression(Compression::None)).unwrap();
    let mut bytes = Vec::new();
    layer.open().unwrap().read_to_end(&mut bytes).unwrap();
    (layer, bytes)
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn layer_of(dir: &TempDir, tar: &[u8]) -> Vec<u8> {
    layer([FileMapping::tar(write(dir, "source.tar", tar), "/")], LayerOptions::default()).1
}

/// The layer has the entries that Python expects, read by Python and by the `tar` crate, in plain
/// headers.
#[track_caller]
fn check(dir: &TempDir, tar: &[u8]) -> Vec<String> {
    let expected = python(tar, &["layer"]);
    let made = layer_of(dir, tar);
    assert_same(&python(&made, &[]), &expected);
    assert_same(&tar_crate(&made), &expected);
    for entry in tar::Archive::new(&made[..]).entries().unwrap().raw(true) {
        let header = entry.unwrap().header().clone();
        assert!(header.as_ustar().is_some(), "{header:?}");
        assert!(b"0123456x".contains(&header.entry_type().as_byte()), "{header:?}");
    }
    expected
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn tars_of_python_become_the_expected_layers() {
    let dir = TempDir::new().unwrap();
    for (format, entries) in [("USTAR", 24), ("GNU", 34), ("PAX", 37)] {
        assert_eq!(check(&dir, &make(format)).len(), entries, "{format}");
    }
}

#[test]
fn tars_of_gnu_tar_become_the_expected_layers() {
    let dir = TempDir::new().unwrap();
    let script = r#"mkdir t && cd t && umask 022 && mkdir empty dir "$(printf %0120d 0)"
        echo hello > dir/z && ln dir/z a && ln dir/z dir/0 && ln -s ../else link && mkfifo dir/fifo
        touch -d @-5.5 dir/z && echo "" > "$(printf %0120d 0)/$(printf %0120d 0)"
        truncate -s 600K holes && printf x | dd of=holes bs=1 seek=200000 conv=notrunc status=none
        printf y | dd of=holes bs=1 seek=400000 conv=notrunc status=none
        truncate -s 100K all-hole && truncate -s 50000 ends && printf z >> ends
        for i in $(seq 1 40); do printf $i | dd of=many bs=1 seek=${i}0000 conv=notrunc status=none; done
        printf '\0' > "$(printf 'not-utf-8-\377')""#;
    assert!(Command::new("sh").args(["-ec", script]).current_dir(&dir).status().unwrap().success());
    // All formats give the same layer.
    let mut expected = None;
    for options in [
        &["--format=gnu"][..],
        &["--format=oldgnu", "--sparse"],
        &["--format=gnu", "--sparse"],
        &["--format=gnu", "--sparse", "--sort=name", "--transform=s,^\\./,/,"],
        &["--format=posix"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0"],
    ] {
        let mut tar = Command::new("tar");
        tar.args(options)
            .args(["--mtime=@1.5", "--owner=0", "--group=0", "-c", "."])
            .current_dir(dir.path().join("t"));
        let tar = tar.output().unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        match &expected {
            None => expected = Some((check(&dir, &tar.stdout), layer_of(&dir, &tar.stdout))),
            Some((entries, bytes)) => {
                assert_same(&python(&tar.stdout, &["layer"]), entries);
                assert!(layer_of(&dir, &tar.stdout) == *bytes, "{options:?}");
            }
        }
    }
    assert_eq!(expected.unwrap().0.len(), 15);
}

#[test]
fn a_compressed_tar_gives_the_same_layer() {
    let dir = TempDir::new().unwrap();
    let plain = make("PAX");
    // Two members, as `pigz -i` and our own layers have them.
    let mut gz = Vec::new();
    for half in [&plain[..10_000], &plain[10_000..]] {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(half).unwrap();
        gz.extend(encoder.finish().unwrap());
    }
    let (expected, _) =
        layer([FileMapping::tar(write(&dir, "x.tar", &plain), "/")], LayerOptions::default());
    let compressed = [
        write(&dir, "x.tar.gz", &gz),
        #[cfg(feature = "zstd")]
        write(&dir, "named-otherwise", &zstd::encode_all(&plain[..], 3).unwrap()),
    ];
    for path in &compressed {
        let missing =
            layer_tar([FileMapping::tar(path, "/")], LayerOptions::default()).unwrap_err();
        assert!(matches!(missing, Error::ScratchNeeded { path: named } if named == *path));
        let scratch = dir.path().join("scratch");
        let options = LayerOptions::default().scratch(&scratch);
        assert_eq!(layer([FileMapping::tar(path, "/")], options).0.diff_id(), expected.diff_id());
        assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
        let store = layer_tar(
            [FileMapping::tar(path, "/")],
            LayerOptions::default().store(dir.path().join("store")),
        );
        assert_eq!(store.unwrap().diff_id(), expected.diff_id());
    }
}

#[test]
fn a_tar_can_be_filtered_changed_and_moved_to_a_destination() {
    let dir = TempDir::new().unwrap();
    let tar = write(&dir, "x.tar", &make("PAX"));
    let mapping = FileMapping::tar(&tar, "/opt/x");
    let names = |files: FileMapping| {
        let lines = tar_crate(&layer([files], LayerOptions::default()).1);
        lines
            .iter()
            .map(|line| line.split(" 1234567890").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // The root of the tar is the destination, and intermediate folders are those of the tar.
    let some = names(mapping.clone().include("z/*").exclude("**/.wh.*"));
    assert_eq!(
        some,
        [
            "dir opt 0755 0:0 1",
            "dir opt/x 0700 7:8",
            "dir opt/x/z 1770 0:0",
            "file opt/x/z/0-link 4755 1000:2000",
            "hardlink opt/x/z/file 4755 1000:2000",
        ]
    );
    // A whiteout removes a path below the destination.
    let whiteouts = names(mapping.clone().include("**/.wh.*"));
    assert_eq!(whiteouts[2..4], ["file opt/x/.wh.older 0644 0:0", "dir opt/x/z 1770 0:0"]);
    assert!(whiteouts[4].starts_with("file opt/x/z/.wh..wh..opq "), "{whiteouts:?}");
    let changed = names(
        mapping
            .clone()
            .include("capability")
            .include("disk")
            .mode(0o600)
            .owner(5, 6)
            .xattr("user.x", "y"),
    );
    let capability = changed.iter().find(|line| line.contains("capability")).unwrap();
    assert_eq!(capability, "file opt/x/capability 0600 5:6");
    assert!(changed.contains(&"block opt/x/disk 0600 5:6".to_owned()), "{changed:?}");
    let lines = tar_crate(
        &layer([mapping.include("capability").xattr("user.x", "y")], LayerOptions::default()).1,
    );
    assert!(lines.last().unwrap().ends_with(" user.x=y"), "{lines:?}");
}

#[test]
fn a_permission_rule_for_one_name_separates_it_from_its_hard_links() {
    let dir = TempDir::new().unwrap();
    let tar = FileMapping::tar(write(&dir, "x.tar", &make("USTAR")), "/")
        .include("*-link")
        .include("z/*");
    let names = |changed: &str| {
        let rule = PermissionRule { glob: changed.into(), mode: Some(0o640), uid: None, gid: None };
        let (_, made) = layer([tar.clone()], LayerOptions::default().permission(rule));
        let links = tar_crate(&made)
            .into_iter()
            .filter(|line| line.contains("1000:2000"))
            .collect::<Vec<_>>();
        links.join("\n").replace(" 1234567890", "")
    };
    let bytes = "900 9d4e82162754a06c9163c6c95bfb3608ecdbe8a2daddfc0ca142fb0437a1bc64";
    assert_eq!(
        names("/z/0-link"),
        format!(
            "file a-link 4755 1000:2000 {bytes}\nfile z/0-link 0640 1000:2000 {bytes}\n\
             hardlink z/file 4755 1000:2000 -> a-link"
        )
    );
    assert_eq!(
        names("/a-link"),
        format!(
            "file a-link 0640 1000:2000 {bytes}\nfile z/0-link 4755 1000:2000 {bytes}\n\
             hardlink z/file 4755 1000:2000 -> z/0-link"
        )
    );
}

#[test]
fn a_tar_beside_other_mappings() {
    let dir = TempDir::new().unwrap();
    let tar = FileMapping::tar(write(&dir, "x.tar", &make("PAX")), "/");
    // Two equal ones are one.
    let once = layer([tar.clone()], LayerOptions::default()).0.diff_id();
    assert_eq!(layer([tar.clone(), tar.clone()], LayerOptions::default()).0.diff_id(), once);
    let other = FileMapping::text("other", "/z/file");
    let conflict = layer_tar([tar.clone(), other.clone()], LayerOptions::default()).unwrap_err();
    let Error::Conflict { destination, first, second } = conflict else { panic!("{conflict}") };
    assert_eq!(destination, Path::new("/z/file"));
    assert!(first.contains("x.tar\" (a file, mode 4755"), "{first}");
    assert_eq!(second, "a text of 5 bytes");
    let (_, made) = layer([tar, other], LayerOptions::default().on_conflict(OnConflict::LastWins));
    // The other names are still hard links of each other.
    let lines = tar_crate(&made);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("hardlink z/0-link ") && line.ends_with(" -> a-link")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("file z/file 0644 0:0 1 5 ")), "{lines:?}");
}

#[test]
fn a_tar_that_changes_is_noticed() {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "x.tar", &make("USTAR"));
    let described = layer_tar([FileMapping::tar(&path, "/")], LayerOptions::default()).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"X", 1024 + 512).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    let error = described.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "source {path:?} changed while it was being read: build again when nothing writes to it"
        )
    );
    file.set_len(2048).unwrap();
    let error = described.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("x.tar\" shrank while"), "{error}");
}

/// A header of the old format, with a defect.
fn header(name: &[u8], kind: u8, size: u64, change: impl FnOnce(&mut tar::Header)) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    change(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn damaged_tars_are_errors_with_the_offset() {
    let dir = TempDir::new().unwrap();
    let plain = |name: &[u8], kind: u8| header(name, kind, 0, |_| ());
    let link = |name: &[u8], kind: u8, target: &[u8]| {
        header(name, kind, 0, |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target)
        })
    };
    let end = vec![0; 1024];
    let good = plain(b"good", b'0');
    let of_512 = header(b"long", b'0', 512, |_| ());
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    for (blocks, offset, reason) in [
        (
            vec![&good, &flipped, &end],
            512,
            "this is not the header of a tar: its checksum is wrong",
        ),
        (
            vec![&good, &of_512, &end[..300].to_vec()],
            512,
            "its contents of 512 bytes extend beyond the end of the tar",
        ),
        (
            vec![&good, &plain(b"a/../../b", b'0'), &end],
            512,
            "\"a/../../b\" has `..`: pack the tar again without it",
        ),
        (
            vec![&good, &link(b"hard", b'1', b"later"), &plain(b"later", b'0'), &end],
            512,
            "\"hard\" is a hard link to \"later\", which is not an earlier file of the tar",
        ),
        (
            vec![&good, &plain(b"dir/", b'5'), &link(b"hard", b'1', b"dir"), &end],
            1024,
            "\"hard\" is a hard link to \"dir\", which is not an earlier file",
        ),
        (
            vec![&good, &plain(b"a/.wh.", b'0'), &end],
            512,
            "\"a/.wh.\" is a whiteout without a name: exclude it",
        ),
        (
            vec![&good, &plain(b".wh..wh.plnk", b'5'), &end],
            512,
            "\".wh..wh.plnk\" belongs to AUFS and is not a whiteout: exclude it",
        ),
        (
            vec![&good, &plain(b".wh.dir/", b'5'), &end],
            512,
            "\".wh.dir/\" has the name of a whiteout, but is not an empty file",
        ),
        (vec![&good, &plain(b".wh.dir/x", b'0'), &end], 512, "\".wh.dir/x\" starts with `.wh.`"),
        (
            vec![&good, &plain(b"odd", b'N'), &end],
            512,
            "\"odd\" has the type 'N', which a layer cannot contain: exclude it",
        ),
        (
            vec![&good, &link(b"link", b'2', b""), &end],
            512,
            "\"link\" is a symbolic link whose target is empty",
        ),
        (
            vec![&good, &plain(b"file/", b'0'), &end],
            512,
            "\"file/\" is a file whose name ends with a slash",
        ),
        (vec![&good, &plain(b".", b'0'), &end], 512, "\".\" is the root, but not a directory"),
        (vec![&Vec::new()], 0, "it is empty and therefore not a tar"),
        (vec![&good, &end, &good], 1536, "data follows the end of the tar"),
        (vec![&b"no tar at all".repeat(100)], 0, "this is not the header of a tar"),
        (vec![&b"too short".to_vec()], 9, "the tar ends in the middle of an entry"),
        (vec![&b"BZh9".repeat(300)], 0, "it is compressed with bzip2 or xz"),
    ] {
        let path =
            write(&dir, "broken.tar", &blocks.into_iter().flatten().copied().collect::<Vec<_>>());
        let error = layer_tar([FileMapping::tar(&path, "/")], LayerOptions::default()).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("tar {path:?}, at byte {offset}: {reason}")),
            "{error}\n{reason}"
        );
        assert!(matches!(error, Error::SourceTar { offset: at, .. } if at == offset));
    }
    // Excluded members may have any defect.
    let odd = [
        plain(b"label", b'V'),
        plain(b"../x", b'0'),
        plain(b".wh..wh.plnk", b'5'),
        good.clone(),
        end,
    ]
    .concat();
    let mapping = FileMapping::tar(write(&dir, "odd.tar", &odd), "/")
        .exclude("label")
        .exclude("../x")
        .exclude(".wh..wh.*");
    assert_eq!(tar_crate(&layer([mapping], LayerOptions::default()).1).len(), 1);
    // A file used as a folder by others.
    let inside = [plain(b"good/x", b'0'), vec![0; 1024]].concat();
    let path = write(&dir, "inside.tar", &[good, inside].concat());
    let error = layer_tar([FileMapping::tar(path, "/")], LayerOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("\"/good\" is provided twice, by tar "), "{error}");
    // A truncated compressed stream.
    let mut gz = GzEncoder::new(Vec::new(), Level::fast());
    gz.write_all(&make("USTAR")).unwrap();
    let gz = gz.finish().unwrap();
    let path = write(&dir, "broken.tar.gz", &gz[..gz.len() / 2]);
    let error = layer_tar(
        [FileMapping::tar(path, "/")],
        LayerOptions::default().store(dir.path().join("s")),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("broken.tar.gz\", at byte ")
            && error.to_string().contains("it cannot be decompressed ("),
        "{error}"
    );
}

#[test]
fn sizes_that_no_layer_can_have_are_refused() {
    let dir = TempDir::new().unwrap();
    let huge = |name: &[u8]| {
        header(name, b'S', 0, |header| {
            let bytes = header.as_mut_bytes();
            bytes[257..265].copy_from_slice(b"ustar  \0");
            bytes[483..495].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xf0\0");
        })
    };
    let tar = [huge(b"a"), huge(b"b"), huge(b"c"), vec![0; 1024]].concat();
    let options = LayerOptions::default().unpack_limit(u64::MAX);
    let error =
        layer_tar([FileMapping::tar(write(&dir, "x.tar", &tar), "/")], options).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("layer with \"/c\": its files have more than 16 EiB in total"),
        "{error}"
    );
}
