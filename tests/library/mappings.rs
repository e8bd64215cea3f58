//! Options of mappings and layers: globs, attributes, rules, hard links.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::common::{self, lines};
use oci_layout::{FileMapping, HardLinks, LayerOptions, PermissionRule};
use tempfile::TempDir;

/// A folder with these empty files.
fn folder(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dir
}

/// The paths of a layer's entries.
fn paths(mapping: FileMapping) -> Vec<String> {
    let path = |line: String| line.split(' ').nth(3).unwrap().to_owned();
    lines([mapping], LayerOptions::default()).into_iter().map(path).collect()
}

#[test]
fn globs_choose_files() {
    let dir =
        folder(&["a.rs", "b.txt", "src/c.rs", "src/deep/d.rs", "src/deep/e.txt", "target/f.rs"]);
    fs::create_dir(dir.path().join("empty")).unwrap();
    let of = |include: &[&str], exclude: &[&str]| {
        let mapping = FileMapping::new(dir.path(), "/");
        let mapping = include.iter().fold(mapping, |mapping, glob| mapping.include(*glob));
        paths(exclude.iter().fold(mapping, |mapping, glob| mapping.exclude(*glob)))
    };
    assert_eq!(
        of(&[], &["target", "**/*.txt"]),
        ["a.rs", "empty/", "src/", "src/c.rs", "src/deep/", "src/deep/d.rs"],
    );
    assert_eq!(of(&["*.rs"], &[]), ["a.rs"], "a star does not cross a slash");
    assert_eq!(of(&["/a.rs/"], &[]), ["a.rs"], "slashes at the ends are ignored");
    assert_eq!(
        of(&["**/*.rs"], &["target"]),
        ["a.rs", "src/", "src/c.rs", "src/deep/", "src/deep/d.rs"]
    );
    assert_eq!(
        of(&["src"], &["src/deep"]),
        ["src/", "src/c.rs"],
        "a folder with all that is in it"
    );
    assert_eq!(
        of(&["src/deep/*.txt", "empty"], &[]),
        ["empty/", "src/", "src/deep/", "src/deep/e.txt"]
    );
    assert_eq!(of(&["{a,b}.*", "src/?.rs"], &["[b]*"]), ["a.rs", "src/", "src/c.rs"]);
    assert_eq!(of(&["none"], &[]), [] as [&str; 0]);
    assert_eq!(of(&[], &["**"]), [] as [&str; 0]);
    // The folder itself is an entry, unless the globs include only some of its contents.
    let below = |mapping: fn(FileMapping) -> FileMapping| {
        paths(mapping(FileMapping::new(dir.path(), "/x/y")))
    };
    assert_eq!(below(|mapping| mapping.include("none")), [] as [&str; 0]);
    assert_eq!(below(|mapping| mapping.include("*.txt")), ["x/", "x/y/", "x/y/b.txt"]);
    assert_eq!(below(|mapping| mapping.exclude("**")), ["x/", "x/y/"]);
}

#[test]
fn attributes_are_normal_set_or_kept() {
    let dir = folder(&["plain", "private", "program", "folder/x"]);
    let at = |name: &str| dir.path().join(name);
    let mode =
        |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    symlink("plain", at("link")).unwrap();
    for (name, bits) in
        [("plain", 0o664), ("private", 0o400), ("program", 0o4711), ("folder", 0o2770)]
    {
        mode(name, bits);
        let file = fs::File::open(at(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_750)).unwrap();
    }
    fs::File::open(at("plain"))
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH - Duration::from_millis(1500))
        .unwrap();
    mode("", 0o701);
    let folder = || FileMapping::new(dir.path(), "/").exclude("folder/x");
    assert_eq!(
        lines([folder()], LayerOptions::default()),
        [
            "d0755 0:0 1 folder/",
            "l0777 0:0 1 link -> plain",
            "-0644 0:0 1 plain \"\"",
            "-0644 0:0 1 private \"\"",
            "-0755 0:0 1 program \"\"",
        ]
    );
    assert_eq!(
        lines([folder()], LayerOptions::default().owner(5, 6).mtime(-7)),
        [
            "d0755 5:6 -7 folder/",
            "l0777 5:6 -7 link -> plain",
            "-0644 5:6 -7 plain \"\"",
            "-0644 5:6 -7 private \"\"",
            "-0755 5:6 -7 program \"\"",
        ]
    );
    // The mode of a folder applies to its files. Whoever may read a directory may also enter it.
    assert_eq!(
        lines([folder().mode(0o640).owner(1, 2).mtime(3)], LayerOptions::default()),
        [
            "d0750 1:2 3 ./",
            "d0750 1:2 3 folder/",
            "l0777 1:2 3 link -> plain",
            "-0640 1:2 3 plain \"\"",
            "-0640 1:2 3 private \"\"",
            "-0640 1:2 3 program \"\"",
        ]
    );
    let kept = lines([folder().exclude("link").keep()], LayerOptions::default().owner(5, 6));
    let owner = {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(at("plain")).unwrap();
        format!("{}:{}", metadata.uid(), metadata.gid())
    };
    assert_eq!(
        kept[1..],
        [
            format!("d2770 {owner} 86400 folder/"),
            format!("-0664 {owner} -2 plain \"\""),
            format!("-0400 {owner} 86400 private \"\""),
            format!("-4711 {owner} 86400 program \"\""),
        ]
    );
    assert!(kept[0].starts_with("d0701 ") && kept[0].ends_with(" ./"), "{}", kept[0]);
    // A source without a file has no attributes to keep.
    assert_eq!(
        lines([FileMapping::text("", "/x").keep()], LayerOptions::default()),
        ["-0644 0:0 1 x \"\""]
    );
}

#[test]
fn extended_attributes_are_normal_set_or_kept() {
    let dir = folder(&["file"]);
    let file = dir.path().join("file");
    xattr::set(&file, "user.b", b"\0=\xff")
        .expect("a temporary folder on a file system with extended attributes");
    xattr::set(&file, "user.a", b"").unwrap();
    let mut expected = 2;
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let kept = |mapping: FileMapping| {
        let tar = common::tar_of([mapping.keep()], LayerOptions::default());
        common::members(&tar).pop().unwrap().xattrs
    };
    if common::is_root() {
        // CAP_NET_BIND_SERVICE, as `setcap cap_net_bind_service=ep` writes it. Only root may set
        // it.
        xattr::set(&file, "security.capability", &capability).unwrap();
        expected += 1;
        assert_eq!(kept(FileMapping::new(&file, "/x"))[&b"security.capability"[..]], capability);
    }
    for mapping in [FileMapping::new(&file, "/x"), FileMapping::new(dir.path(), "/")] {
        let xattrs = kept(mapping);
        assert_eq!(xattrs.len(), expected);
        assert_eq!(
            (&xattrs[&b"user.a"[..]][..], &xattrs[&b"user.b"[..]][..]),
            (&b""[..], &b"\0=\xff"[..])
        );
    }
    assert_eq!(
        lines([FileMapping::new(&file, "/x")], LayerOptions::default()),
        ["-0644 0:0 1 x \"\""]
    );
    let set =
        FileMapping::new(&file, "/x").xattr("security.capability", capability).xattr("user.c", "d");
    let tar = common::tar_of([set], LayerOptions::default());
    let xattrs = common::members(&tar).pop().unwrap().xattrs;
    assert_eq!(xattrs[&b"security.capability"[..]], capability);
    assert_eq!(xattrs.keys().collect::<Vec<_>>(), [&b"security.capability"[..], b"user.c"]);
}

#[test]
fn permission_rules_override_mappings() {
    let rule = |glob: &str, mode: Option<u32>, uid: Option<u64>| PermissionRule {
        glob: glob.to_owned(),
        mode,
        uid,
        gid: uid,
    };
    let files = [
        FileMapping::text("", "/home/me/key").mode(0o644).owner(1, 1),
        FileMapping::text("", "/home/me/deep/file"),
        FileMapping::symlink("key", "/home/me/link"),
        FileMapping::whiteout("/home/me/gone"),
        FileMapping::text("", "/home/other"),
    ];
    let options = LayerOptions::default()
        .permission(rule("/home/me/**", Some(0o600), Some(7)))
        .permission(rule("home/me", None, Some(7)))
        .permission(rule("**/deep", Some(0o700), None))
        .permission(rule("/home/*", None, Some(8)));
    assert_eq!(
        lines(files, options),
        [
            "d0755 0:0 1 home/",
            "d0755 8:8 1 home/me/",
            "-0644 0:0 1 home/me/.wh.gone \"\"",
            "d0700 7:7 1 home/me/deep/",
            "-0600 7:7 1 home/me/deep/file \"\"",
            "-0600 7:7 1 home/me/key \"\"",
            "l0777 7:7 1 home/me/link -> key",
            "-0644 8:8 1 home/other \"\"",
        ]
    );
}

/// Files are compared by contents and attributes, never by inode. Empty files are not linked.
#[test]
fn identical_files_become_hard_links_if_asked() {
    let dir = folder(&["empty", "empty too"]);
    let at = |name: &str| dir.path().join(name);
    fs::write(at("b"), "same").unwrap();
    fs::hard_link(at("b"), at("c")).unwrap();
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/copy"), "same").unwrap();
    fs::write(at("other"), "emas").unwrap();
    fs::write(at("program"), "same").unwrap();
    fs::set_permissions(at("program"), fs::Permissions::from_mode(0o755)).unwrap();
    let files = || [FileMapping::new(dir.path(), "/"), FileMapping::text("same", "/a").owner(1, 1)];
    let plain = [
        "-0644 1:1 1 a \"same\"",
        "-0644 0:0 1 b \"same\"",
        "-0644 0:0 1 c \"same\"",
        "d0755 0:0 1 d/",
        "-0644 0:0 1 d/copy \"same\"",
        "-0644 0:0 1 empty \"\"",
        "-0644 0:0 1 empty too \"\"",
        "-0644 0:0 1 other \"emas\"",
        "-0755 0:0 1 program \"same\"",
    ];
    assert_eq!(lines(files(), LayerOptions::default()), plain);
    let mut linked = plain;
    (linked[2], linked[4]) = ("h0644 0:0 1 c -> b", "h0644 0:0 1 d/copy -> b");
    assert_eq!(lines(files(), LayerOptions::default().hard_links(HardLinks::Merge)), linked);
    // A rule that changes one of them makes it a separate file.
    let rule = PermissionRule { glob: "/c".to_owned(), mode: Some(0o600), uid: None, gid: None };
    linked[2] = "-0600 0:0 1 c \"same\"";
    assert_eq!(
        lines(files(), LayerOptions::default().hard_links(HardLinks::Merge).permission(rule)),
        linked
    );
}

#[test]
fn a_path_is_its_own_destination() {
    let dir = folder(&["file"]);
    let path = dir.path().join("file");
    let expected = Path::new("/").join(&path);
    let lines = lines([FileMapping::at_source(&path)], LayerOptions::default());
    assert_eq!(
        lines.last().unwrap(),
        &format!("-0644 0:0 1 {} \"\"", &expected.to_str().unwrap()[1..])
    );
}
