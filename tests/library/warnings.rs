//! Probable mistakes, which are warnings, or errors with `strict`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use crate::common::{self, lines, message};
use oci_layout::{
    Compression, FileMapping, HardLinks, LayerOptions, OnConflict, PermissionRule, Pool, Warning,
    layer_tar,
};
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    dir
}

/// The warnings of a layer, which are the same for any number of threads. With `strict`, the first
/// is an error, and nothing is stored.
#[track_caller]
fn warnings(files: impl IntoIterator<Item = FileMapping>, options: LayerOptions) -> Vec<Warning> {
    let files: Vec<_> = files.into_iter().collect();
    let options = options.compression(Compression::None);
    let of = |options: LayerOptions| layer_tar(files.clone(), options).unwrap().warnings().to_vec();
    let warnings = of(options.clone().pool(&Pool::new(1)));
    assert_eq!(of(options.clone().pool(&Pool::new(4))), warnings);
    let store = TempDir::new().unwrap();
    let strict = layer_tar(files.clone(), options.strict(true).store(store.path()));
    match warnings.first() {
        None => drop(strict.unwrap()),
        Some(first) => {
            assert_eq!(message(strict), format!("{first} (strict: warnings are errors)"));
            assert_eq!(fs::read_dir(store.path().join("blobs/sha256")).unwrap().count(), 0);
        }
    }
    warnings
}

/// The globs that matched nothing.
#[track_caller]
fn unmatched(files: impl IntoIterator<Item = FileMapping>, options: LayerOptions) -> Vec<String> {
    let glob = |warning| match warning {
        Warning::GlobUnmatched { of, glob } => format!("{} {glob}", of.split(' ').next().unwrap()),
        other => panic!("{other}"),
    };
    warnings(files, options).into_iter().map(glob).collect()
}

#[test]
fn globs_that_match_nothing() {
    let dir = folder(&[
        "src/a.rs",
        "src/gen/b.rs",
        "target/debug/x.o",
        "node_modules/m/i.js",
        "keep.txt",
    ]);
    let of = |include: &[&str], exclude: &[&str]| {
        let mapping = FileMapping::new(dir.path(), "/");
        let mapping = include.iter().fold(mapping, |mapping, glob| mapping.include(*glob));
        unmatched(
            [exclude.iter().fold(mapping, |mapping, glob| mapping.exclude(*glob))],
            LayerOptions::default(),
        )
    };
    let none: [&str; 0] = [];
    // However they are spelled.
    for glob in [
        "src",
        "./src",
        "/src",
        "src/",
        "src//gen",
        "src/./gen",
        "target/../src",
        "src/*.rs",
        "**/*.rs",
        "s?c",
    ] {
        assert_eq!(of(&[glob], &[]), none, "{glob}");
        assert_eq!(of(&[], &[glob]), none, "{glob}");
    }
    for glob in [
        "scr",
        "*.rs",
        "src/*.js",
        "**/*.html",
        "../src",
        "a.rs",
        "keep.txt/x",
        "src/a.rs/b",
        "nodemodules",
    ] {
        assert_eq!(of(&[glob], &[]), [format!("include {glob}")]);
        assert_eq!(of(&[], &[glob]), [format!("exclude {glob}")]);
    }
    assert_eq!(of(&["."], &["target"]), none);
    // Both of two globs that match one path are used, and a folder that was not listed may contain
    // any match.
    assert_eq!(of(&["src", "src/a.rs", "src/gen/*.rs"], &[]), none);
    assert_eq!(
        of(&[], &["target", "target/debug", "target/release", "**/*.o", "src/gone"]),
        ["exclude src/gone"]
    );
    // Excluded files are not included.
    assert_eq!(of(&["target", "src"], &["target"]), ["include target"]);
    assert_eq!(of(&[], &["*", "!keep.txt", "!kept.txt"]), ["exclude !kept.txt"]);
    assert_eq!(of(&[], &["*", "!src/gen", "!scr/gen"]), ["exclude !scr/gen"]);
}

#[test]
fn globs_of_all_folders() {
    let (one, other) = (folder(&["a/x", "b"]), folder(&["a/y", "c"]));
    let files = || {
        [
            FileMapping::new(one.path(), "/1"),
            FileMapping::new(other.path(), "/2"),
            FileMapping::text("", "/3"),
        ]
    };
    let options = LayerOptions::default().exclude("b").exclude("./c").exclude("d");
    // Each glob has to match in one of them.
    assert_eq!(unmatched(files(), options), ["exclude d"]);
    assert_eq!(
        unmatched([FileMapping::text("", "/3")], LayerOptions::default().include("b")),
        ["include b"]
    );
    let paths = |options| {
        lines(files(), options)
            .into_iter()
            .map(|line| line.split(' ').nth(3).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths(LayerOptions::default().exclude("a")), ["1/", "1/b", "2/", "2/c", "3"]);
    assert_eq!(
        paths(LayerOptions::default().include("a").exclude("a/y")),
        ["1/", "1/a/", "1/a/x", "2/", "2/a/", "3"]
    );
}

#[test]
fn rules_that_match_nothing() {
    let rule = |glob: &str| PermissionRule {
        glob: glob.to_owned(),
        mode: Some(0o600),
        uid: None,
        gid: None,
    };
    let files = || [FileMapping::text("", "/bin/app"), FileMapping::whiteout("/bin/gone")];
    let of = |globs: &[&str]| {
        unmatched(
            files(),
            globs
                .iter()
                .fold(LayerOptions::default(), |options, glob| options.permission(rule(glob))),
        )
    };
    assert_eq!(of(&["bin/app", "./bin/app", "/bin//app", "bin/x/../app", "**", "bin/"]), [""; 0]);
    assert_eq!(
        of(&["bin/ap", "app", "bin/app", "bin/*.sh"]),
        ["rule app", "rule bin/*.sh", "rule bin/ap"]
    );
    assert_eq!(of(&["bin/gone"]), ["rule bin/gone"], "the mode of a whiteout has no effect");
    let options = ["./bin/app", "!bin"].map(|glob| LayerOptions::default().permission(rule(glob)));
    assert_eq!(lines(files(), options[0].clone())[2], "-0600 0:0 1 bin/app \"\"");
    assert!(
        message(layer_tar(files(), options[1].clone())).contains("is only supported in exclude")
    );
}

/// A folder of a web framework is not a set of letters.
#[test]
fn brackets_in_names() {
    let names = ["app/[slug]/p", "app/[...rest]/q", "app/[[...all]]/r", "app/s/t", "app/x"];
    let dir = folder(&names);
    let of = |glob: &str| {
        let mapping = FileMapping::new(dir.path(), "/").exclude(glob);
        let kept: Vec<_> = lines([mapping.clone()], LayerOptions::default())
            .into_iter()
            .filter_map(|line| {
                names.iter().find(|name| line.contains(&format!(" {name} "))).copied()
            })
            .collect();
        (kept, warnings([mapping], LayerOptions::default()).len())
    };
    let without = |left_out: &[&str]| {
        let mut names: Vec<_> = names.into_iter().filter(|name| !left_out.contains(name)).collect();
        names.sort();
        names
    };
    assert_eq!(of("app/[...rest]"), (without(&["app/[...rest]/q", "app/s/t"]), 1));
    assert_eq!(of("app/[[...all]]"), (without(&["app/[[...all]]/r"]), 0));
    assert_eq!(of("app/[slug]/p"), (without(&["app/[slug]/p"]), 0));
    assert_eq!(of(r"app/\[slug\]"), (without(&["app/[slug]/p"]), 0));
    assert_eq!(of("app/[slug]"), (without(&["app/[slug]/p", "app/s/t"]), 1));
    assert_eq!(of("app/[sx]"), (without(&["app/s/t", "app/x"]), 0));
}

#[test]
fn hard_links_of_a_folder() {
    let dir = folder(&["a/1", "b/x", "single"]);
    fs::write(dir.path().join("a/1"), "same").unwrap();
    fs::write(dir.path().join("equal"), "same").unwrap();
    for name in ["b/2", "b/3"] {
        fs::hard_link(dir.path().join("a/1"), dir.path().join(name)).unwrap();
    }
    let files = || [FileMapping::new(dir.path(), "/")];
    let copied = warnings(files(), LayerOptions::default());
    let expected = [Warning::HardLinksCopied {
        folder: dir.path().to_owned(),
        first: dir.path().join("a/1"),
        names: 3,
        bytes: 8,
    }];
    assert_eq!(copied, expected);
    for said in [HardLinks::Copy, HardLinks::Keep, HardLinks::Merge] {
        assert_eq!(warnings(files(), LayerOptions::default().hard_links(said)), [], "{said:?}");
    }
    let of = |options: LayerOptions| {
        let lines = lines(files(), options).into_iter();
        lines
            .filter(|line| line.starts_with('h'))
            .map(|line| line[12..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(LayerOptions::default()), [""; 0]);
    assert_eq!(of(LayerOptions::default().hard_links(HardLinks::Copy)), [""; 0]);
    // Like GNU tar: one file, and links to it. Files that are only equal stay separate.
    assert_eq!(
        of(LayerOptions::default().hard_links(HardLinks::Keep)),
        ["b/2 -> a/1", "b/3 -> a/1"]
    );
    let merged = ["b/2 -> a/1", "b/3 -> a/1", "equal -> a/1"];
    assert_eq!(of(LayerOptions::default().hard_links(HardLinks::Merge)), merged);
    // Only one of the names is included, or each is in a separate mapping: no copy is made.
    let one = [FileMapping::new(dir.path(), "/").exclude("b")];
    assert_eq!(warnings(one, LayerOptions::default()), []);
    let two = || {
        [
            FileMapping::new(dir.path().join("a"), "/a"),
            FileMapping::new(dir.path().join("b"), "/b").exclude("3"),
        ]
    };
    assert_eq!(warnings(two(), LayerOptions::default()), []);
    let kept = lines(two(), LayerOptions::default().hard_links(HardLinks::Keep));
    assert!(!kept.iter().any(|line| line.starts_with('h')), "{kept:?}");
    // Names with different attributes are separate files.
    let rule = PermissionRule { glob: "b/3".into(), mode: Some(0o600), uid: None, gid: None };
    assert_eq!(
        of(LayerOptions::default().hard_links(HardLinks::Keep).permission(rule)),
        ["b/2 -> a/1"]
    );
}

/// Three packages, one of which has a link where another has a folder.
struct Packages(TempDir);

impl Packages {
    fn new() -> Self {
        let dir = folder(&["b/share/doc", "b/share/man/1", "c/usr/share/base"]);
        fs::create_dir(dir.path().join("a")).unwrap();
        symlink("usr/share", dir.path().join("a/share")).unwrap();
        Self(dir)
    }

    fn files(&self, order: &str) -> Vec<FileMapping> {
        order
            .chars()
            .map(|name| FileMapping::new(self.0.path().join(name.to_string()), "/"))
            .collect()
    }
}

#[test]
fn policies_drop_nothing_silently() {
    let packages = Packages::new();
    let of = |order, policy| {
        warnings(packages.files(order), LayerOptions::default().on_conflict(policy))
    };
    let below = |lost: &str, count| Warning::LostBelow {
        destination: "/share".into(),
        kept: "symbolic link",
        lost: lost.into(),
        count,
    };
    let link = [Warning::LinkLost { destination: "/share".into(), target: "usr/share".into() }];
    assert_eq!(of("cab", OnConflict::FirstWins), [below("/share/doc", 3)]);
    assert_eq!(of("cba", OnConflict::LastWins), [below("/share/doc", 3)]);
    assert_eq!(of("cab", OnConflict::LastWins), link);
    assert_eq!(of("cb", OnConflict::FirstWins), []);
    // A directory before the link, and a file in place of the link.
    let directory_first =
        [FileMapping::directory("/share"), FileMapping::symlink("usr/share", "/share")];
    assert_eq!(
        warnings(directory_first, LayerOptions::default().on_conflict(OnConflict::FirstWins)),
        link
    );
    let both = || [FileMapping::directory("/f"), FileMapping::text("x", "/f")];
    let lost = [Warning::FileLost { destination: "/f".into(), lost: "/f".into() }];
    assert_eq!(warnings(both(), LayerOptions::default().on_conflict(OnConflict::FirstWins)), lost);
    let [directory, file] = both();
    assert_eq!(
        warnings([file, directory], LayerOptions::default().on_conflict(OnConflict::LastWins)),
        lost
    );
    // A file above, and a directory that is only implied.
    let files = || [FileMapping::text("x", "/f"), FileMapping::text("y", "/f/g")];
    let lost = Warning::LostBelow {
        destination: "/f".into(),
        kept: "file",
        lost: "/f/g".into(),
        count: 1,
    };
    assert_eq!(
        warnings(files(), LayerOptions::default().on_conflict(OnConflict::FirstWins)),
        [lost]
    );
    let files = || [FileMapping::symlink("usr/lib", "/lib"), FileMapping::text("y", "/lib/deep/x")];
    let link = [Warning::LinkLost { destination: "/lib".into(), target: "usr/lib".into() }];
    assert_eq!(warnings(files(), LayerOptions::default().on_conflict(OnConflict::LastWins)), link);
}

/// Like `rsync --keep-dirlinks` and `tar --keep-directory-symlink`.
#[test]
fn directories_are_merged_into_the_targets_of_links() {
    let packages = Packages::new();
    let keep = || LayerOptions::default().keep_directory_links(true);
    let expected = [
        "l0777 0:0 1 share -> usr/share",
        "d0755 0:0 1 usr/",
        "d0755 0:0 1 usr/share/",
        "-0644 0:0 1 usr/share/base \"c/usr/share/base\"",
        "-0644 0:0 1 usr/share/doc \"b/share/doc\"",
        "d0755 0:0 1 usr/share/man/",
        "-0644 0:0 1 usr/share/man/1 \"b/share/man/1\"",
    ];
    // In any order.
    for order in ["cab", "acb", "bac", "bca", "cba", "abc"] {
        for policy in [OnConflict::Error, OnConflict::FirstWins, OnConflict::LastWins] {
            assert_eq!(
                lines(packages.files(order), keep().on_conflict(policy)),
                expected,
                "{order}"
            );
        }
        assert_eq!(warnings(packages.files(order), keep()), []);
    }
    // The target of the link need not exist, and links may lead to links, to parents and to the
    // root.
    let places = |files: &[FileMapping]| {
        let lines = lines(files.to_vec(), keep()).into_iter();
        lines.map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let text = |path: &str| FileMapping::text("", path);
    let files = [
        FileMapping::symlink("/usr/bin", "/bin"),
        FileMapping::symlink("../bin", "/x/sbin"),
        text("/x/sbin/a/b"),
    ];
    assert_eq!(
        places(&files),
        ["bin", "usr/", "usr/bin/", "usr/bin/a/", "usr/bin/a/b", "x/", "x/sbin"]
    );
    let files = [FileMapping::symlink("usr/bin", "/bin"), FileMapping::whiteout("/bin/a")];
    assert_eq!(places(&files), ["bin", "usr/", "usr/bin/", "usr/bin/.wh.a"]);
    // The target of the link conflicts as usual, and so does a file with the link.
    let conflict = |files: &[FileMapping]| message(layer_tar(files.to_vec(), keep()));
    let link = || FileMapping::symlink("usr", "/l");
    let both =
        conflict(&[link(), FileMapping::text("1", "/l/x"), FileMapping::text("2", "/usr/x")]);
    assert!(both.starts_with("\"/usr/x\" is provided twice"), "{both}");
    assert!(conflict(&[link(), text("/l")]).starts_with("\"/l\" is provided twice"));
    assert!(
        conflict(&[link(), text("/l/x"), text("/usr")]).starts_with("\"/usr\" is provided twice")
    );
    let circle =
        conflict(&[FileMapping::symlink("b", "/a"), FileMapping::symlink("a", "/b"), text("/a/x")]);
    assert!(circle.contains("a loop of symbolic links"), "{circle}");
    let out = conflict(&[FileMapping::symlink("../..", "/a"), text("/a/x")]);
    assert!(out.contains("leads out of the root"), "{out}");
    // A directory with explicit attributes keeps them at the target of the link.
    let files = [link(), FileMapping::directory("/l").mode(0o700)];
    assert_eq!(lines(files, keep()), ["l0777 0:0 1 l -> usr", "d0700 0:0 1 usr/"]);
}

/// Go reads owners up to 2^63 - 1, and systems support up to 2^32 - 2: umoci unpacks 2^32 as root.
#[test]
fn owners_above_the_maximum_are_warnings() {
    let of = |id| warnings([FileMapping::text("", "/x").owner(id, 0)], LayerOptions::default());
    assert_eq!(of(u64::from(u32::MAX) - 1), []);
    for id in [u32::MAX.into(), 1 << 32, i64::MAX as u64] {
        assert_eq!(of(id), [Warning::OwnerTooLarge { path: "/x".into(), id }]);
    }
}

#[test]
fn names_and_owners_that_no_reader_accepts_are_refused() {
    let refused = |mapping: FileMapping| message(layer_tar([mapping], Compression::None));
    let text = |path: &str| FileMapping::text("", path);
    let long = |length: usize| "x".repeat(length);
    for (mapping, reason) in [
        (text("/x").owner(1 << 63, 0), "but readers in Go support at most 9223372036854775807"),
        (text("/x").owner(0, u64::MAX), "but readers in Go support at most 9223372036854775807"),
        (text(&long(256)), "a name in it has 256 bytes, but file systems support at most 255"),
        (text(&format!("/{}/x", long(256))), "a name in it has 256 bytes"),
        (FileMapping::whiteout(long(252)), "a name in it has 256 bytes"),
        (text(&format!("{}/x", long(255)).repeat(16)), "bytes, but a path can have at most 4095"),
        (
            FileMapping::symlink(long(4096), "/x"),
            "its target has 4096 bytes, but a symbolic link can have at most 4095",
        ),
        (
            text("/x").xattr("user.a", vec![0; 1 << 20]),
            "more than 1048576 bytes in total, which readers in Go refuse",
        ),
    ] {
        let said = refused(mapping);
        assert!(said.contains(reason), "{said}");
        assert!(said.len() < 500, "{said}");
    }
    for name in [
        "trusted.overlay.opaque",
        "user.overlay.redirect",
        "security.selinux",
        "security.ima",
        "system.nfs4_acl",
    ] {
        let said = refused(text("/x").xattr(name, "y"));
        assert!(
            said.starts_with(&format!(
                "extended attribute {name:?} of \"/x\": it belongs to the file system or security \
                 policy of a machine"
            )),
            "{said}"
        );
    }
    for mapping in [
        text(&long(255)),
        FileMapping::symlink(long(4095), "/x"),
        text("/x").xattr("user.a", vec![0; 1_000_000]),
        FileMapping::whiteout(long(251)),
        text("/x")
            .xattr("security.capability", "y")
            .xattr("user.overlays", "y")
            .xattr("trusted.md5sum", "y"),
    ] {
        layer_tar([mapping], Compression::None).unwrap();
    }
}

/// They report a wrong size.
#[test]
fn files_of_the_kernel() {
    for source in ["/proc/version", "/proc/self/status", "/proc/sys/kernel/ostype"] {
        let said = message(layer_tar([FileMapping::new(source, "/x")], Compression::None));
        assert_eq!(
            said,
            format!(
                "source {source:?} reports a size of 0 bytes and has more, as files in /proc and \
                 /sys do: copy its contents to another file first, for example with `cat`"
            )
        );
    }
    let source = "/sys/kernel/mm/transparent_hugepage/enabled";
    if Path::new(source).exists() {
        let said = message(layer_tar([FileMapping::new(source, "/x")], Compression::None));
        assert!(
            said.starts_with(&format!(
                "source {source:?} reports a size of 4096 bytes and has fewer, "
            )),
            "{said}"
        );
    }
    let said = message(layer_tar(
        [FileMapping::new("/proc/sys/kernel", "/x").include("ostype")],
        Compression::None,
    ));
    assert!(
        said.starts_with("source \"/proc/sys/kernel/ostype\" reports a size of 0 bytes"),
        "{said}"
    );
    // An empty file is one, if it is readable.
    let dir = folder(&[]);
    fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(
        lines([FileMapping::new(dir.path(), "/")], LayerOptions::default()),
        ["-0644 0:0 1 empty \"\""]
    );
    fs::set_permissions(dir.path().join("empty"), fs::Permissions::from_mode(0o000)).unwrap();
    if !common::is_root() {
        let said = message(layer_tar([FileMapping::new(dir.path(), "/")], Compression::None));
        assert!(said.starts_with("cannot read source "), "{said}");
    }
}
