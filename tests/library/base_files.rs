//! Layers above a base: links that destinations follow, directories that keep the attributes of the
//! base, and entries that would replace something of the base. The expected values are those of
//! `buildah copy`, which `tests/tools/above.rs` runs.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use crate::common::{bytes, lines, message};
use oci_layout::{
    BaseFiles, Blob, Compression, Error, FileMapping, Image, ImageLayout, LayerOptions,
    LayoutOptions, ManifestOptions, MemoryBlob, OnConflict, PermissionRule, PlatformImage, Pool,
    Recipe, Warning,
    document::{Descriptor, MediaType, Platform},
    image_config, image_index, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

/// A layer of these files, as a base or on top of one.
fn layer(files: impl IntoIterator<Item = FileMapping>) -> MemoryBlob {
    let layer = layer_tar(files, LayerOptions::from(Compression::None)).unwrap();
    MemoryBlob::new(MediaType::LAYER, bytes(&layer))
}

fn dir(path: &str) -> FileMapping {
    FileMapping::directory(path)
}

fn file(path: &str) -> FileMapping {
    FileMapping::text("", path)
}

fn link(path: &str, target: &str) -> FileMapping {
    FileMapping::symlink(target, path)
}

/// A root file system like that of distributions, in one layer.
fn root() -> BaseFiles {
    BaseFiles::new([layer([
        file("/usr/bin/sh").mode(0o755),
        dir("/usr/lib64").mode(0o751).mtime(77),
        link("/bin", "usr/bin"),
        link("/lib64", "/usr/lib64"),
        dir("/run").mode(0o711),
        link("/var/run", "/run"),
        link("/var/lock", "run/lock"),
        dir("/run/lock"),
        link("/var/run2", "../var/./run/"),
        dir("/tmp").mode(0o1777).mtime(5),
        dir("/root").mode(0o700).xattr("user.a", *b"1"),
        dir("/home/app").mode(0o750).owner(1000, 1001),
        file("/etc/file"),
        link("/etc/tofile", "file"),
        link("/etc/nowhere", "../nothing/at/all"),
        link("/etc/loop", "loop2"),
        link("/etc/loop2", "loop"),
        link("/etc/out", "../../usr/bin"),
        link("/etc/through", "file/x"),
    ])])
}

/// The paths of the entries above a base.
fn above(base: &BaseFiles, files: impl IntoIterator<Item = FileMapping>) -> Vec<String> {
    paths(files, LayerOptions::default().above(base.clone()))
}

fn paths(files: impl IntoIterator<Item = FileMapping>, options: LayerOptions) -> Vec<String> {
    lines(files, options)
        .into_iter()
        .map(|line| line.split(' ').nth(3).unwrap().to_owned())
        .collect()
}

fn refused(base: &BaseFiles, files: impl IntoIterator<Item = FileMapping>) -> Error {
    layer_tar(files, LayerOptions::default().above(base.clone())).map(|_| ()).unwrap_err()
}

#[test]
fn destinations_follow_links_of_the_base() {
    let base = root();
    for (destination, places) in [
        ("/bin/app", &["usr/", "usr/bin/", "usr/bin/app"][..]),
        ("/lib64/x/app", &["usr/", "usr/lib64/", "usr/lib64/x/", "usr/lib64/x/app"]),
        ("/var/run/app", &["run/", "run/app"]),
        ("/var/run2/app", &["run/", "run/app"]),
        ("/usr/bin/app", &["usr/", "usr/bin/", "usr/bin/app"]),
        ("/new/bin/app", &["new/", "new/bin/", "new/bin/app"]),
    ] {
        assert_eq!(above(&base, [file(destination)]), places, "{destination}");
    }
    // The last component is the file itself, which replaces a link to a file.
    assert_eq!(above(&base, [file("/etc/tofile")]), ["etc/", "etc/tofile"]);
    assert_eq!(above(&base, [file("/etc/nowhere")]), ["etc/", "etc/nowhere"]);
    assert_eq!(
        above(&base, [link("/bin", "usr/sbin")]),
        ["bin"],
        "a link takes the place of a link"
    );
    assert_eq!(above(&base, [dir("/bin")]), ["usr/", "usr/bin/"], "as mkdir -p");
}

#[test]
fn folders_and_tars_follow_links_of_the_base() {
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("bin/sub")).unwrap();
    fs::create_dir_all(source.path().join("var/run")).unwrap();
    for name in ["bin/app", "bin/sub/x", "var/run/pid", "zzz"] {
        fs::write(source.path().join(name), "").unwrap();
    }
    let places = [
        "run/",
        "run/pid",
        "usr/",
        "usr/bin/",
        "usr/bin/app",
        "usr/bin/sub/",
        "usr/bin/sub/x",
        "var/",
        "zzz",
    ];
    let base = root();
    assert_eq!(above(&base, [FileMapping::new(source.path(), "/")]), places);

    let elsewhere = TempDir::new().unwrap();
    let tar = elsewhere.path().join("tar");
    fs::write(&tar, bytes(&layer([FileMapping::new(source.path(), "/")]))).unwrap();
    assert_eq!(above(&base, [FileMapping::tar(&tar, "/")]), places);
    let places = ["usr/", "usr/bin/", "usr/bin/app", "usr/bin/sub/", "usr/bin/sub/x"];
    assert_eq!(above(&base, [FileMapping::new(source.path().join("bin"), "/bin")]), places);
    assert_eq!(above(&base, [FileMapping::new(source.path().join("bin"), "/bin/")]), places);
}

/// Folders of separate mappings that land in the same directory through a link of the base.
#[test]
fn folders_merge_in_the_target_of_a_link() {
    let base = root();
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("bin/new")).unwrap();
    fs::write(source.path().join("bin/new/a"), "").unwrap();
    fs::write(source.path().join("b"), "").unwrap();
    fs::write(source.path().join("bin/file"), "").unwrap();
    let (all, bin) =
        (FileMapping::new(source.path(), "/"), FileMapping::new(source.path().join("bin"), "/bin"));
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("b"), "").unwrap();
    for first in [all, bin] {
        let second = FileMapping::new(other.path(), "/usr/bin/new");
        let both = above(&base, [first.clone(), second.clone()]);
        for path in ["usr/bin/file", "usr/bin/new/", "usr/bin/new/a", "usr/bin/new/b"] {
            assert_eq!(both.iter().filter(|found| *found == path).count(), 1, "{path} in {both:?}");
        }
        assert_eq!(above(&base, [second, first.clone()]), both);

        // A file where the other mapping has a directory, above its destination or at it.
        for place in ["/usr/bin/file", "/usr/bin/file/below/it", "/usr/bin/new/a/below"] {
            let second = FileMapping::new(other.path(), place);
            assert!(
                matches!(refused(&base, [first.clone(), second.clone()]), Error::Conflict { .. }),
                "{place}"
            );
            assert!(
                matches!(refused(&base, [second.clone(), first.clone()]), Error::Conflict { .. }),
                "{place}"
            );

            let last = |files: [FileMapping; 2]| {
                paths(
                    files,
                    LayerOptions::default().above(base.clone()).on_conflict(OnConflict::LastWins),
                )
            };
            let end = format!("{}/b", &place[1..]);
            assert!(last([first.clone(), second.clone()]).contains(&end), "{place}");
            assert!(!last([second, first.clone()]).contains(&end), "{place}");
        }
    }
}

#[test]
fn whiteouts_follow_links_of_the_base() {
    let base = root();
    assert_eq!(
        above(&base, [FileMapping::whiteout("/bin/sh")]),
        ["usr/", "usr/bin/", "usr/bin/.wh.sh"]
    );
    assert_eq!(
        above(&base, [FileMapping::opaque_whiteout("/var/run")]),
        ["run/", "run/.wh..wh..opq"]
    );
    assert_eq!(above(&base, [FileMapping::whiteout("/bin")]), [".wh.bin"], "the link itself");
    for nothing in [FileMapping::whiteout("/bin/none"), FileMapping::whiteout("/none/at/all")] {
        let layer = layer_tar([nothing], LayerOptions::default().above(base.clone())).unwrap();
        assert!(
            matches!(layer.warnings(), [Warning::WhiteoutOfNothing { .. }]),
            "{:?}",
            layer.warnings()
        );
        assert_eq!(layer.tar_size(), 1024, "the layer has no entry for it");
    }
    // What a whiteout removes does not exist for the others, in any order.
    let expected = [".wh.bin", "bin/", "bin/app"];
    assert_eq!(above(&base, [file("/bin/app"), FileMapping::whiteout("/bin")]), expected);
    assert_eq!(above(&base, [FileMapping::whiteout("/bin"), file("/bin/app")]), expected);
    // Overlay storages ignore the whiteout of a directory that the layer creates again, but not an
    // opaque one.
    let expected = ["usr/", "usr/bin/", "usr/bin/.wh..wh..opq", "usr/bin/app"];
    assert_eq!(above(&base, [file("/usr/bin/app"), FileMapping::whiteout("/usr/bin")]), expected);
    assert_eq!(
        above(&base, [file("/bin/app"), FileMapping::whiteout("/usr/bin"), dir("/usr/bin")]),
        expected
    );
    let source = TempDir::new().unwrap();
    fs::write(source.path().join("app"), "").unwrap();
    let folder = FileMapping::new(source.path(), "/usr/bin");
    assert_eq!(above(&base, [folder, FileMapping::whiteout("/usr/bin")]), expected);
    assert_eq!(
        above(&base, [FileMapping::whiteout("/usr/bin"), file("/usr/bin")]),
        ["usr/", "usr/.wh.bin", "usr/bin"]
    );
}

/// Every whiteout applies to the unchanged base. None restores what another one removes, or what
/// never existed.
#[test]
fn whiteouts_do_not_depend_on_one_another() {
    let base = root();
    let all = |paths: &[&str]| above(&base, paths.iter().map(FileMapping::whiteout));
    for (paths, expected) in [
        (["/bin", "/bin/sh"], &[".wh.bin", "usr/", "usr/bin/", "usr/bin/.wh.sh"][..]),
        (["/usr", "/usr/bin"], &[".wh.usr"]),
        (["/usr", "/bin/sh"], &[".wh.usr"]),
        (["/tmp", "/nothing/at/all"], &[".wh.tmp"]),
        (["/tmp", "/nothing"], &[".wh.tmp"]),
    ] {
        assert_eq!(all(&paths), expected);
        assert_eq!(all(&[paths[1], paths[0]]), expected);
    }
    let nested = [FileMapping::whiteout("/usr"), FileMapping::opaque_whiteout("/usr/bin")];
    assert_eq!(above(&base, nested), [".wh.usr"]);
}

/// A layer does not remove a link that its own destinations follow, not even a link on the way to
/// the target of another.
#[test]
fn links_that_destinations_follow_are_not_replaced() {
    let base = BaseFiles::new([layer([
        link("/chain", "opt/current"),
        link("/opt/current", "v1"),
        dir("/opt/v1"),
    ])]);
    for replaced in
        [link("/chain", "opt"), link("/opt/current", "v2"), file("/opt/current").mode(0o600)]
    {
        let error = layer_tar(
            [file("/chain/a"), replaced],
            LayerOptions::default().above(base.clone()).replace(true),
        );
        assert!(matches!(error, Err(Error::Conflict { .. })), "{error:?}");
    }
    let same = [file("/chain/a"), link("/opt/current", "v1")];
    assert_eq!(above(&base, same), ["opt/", "opt/current", "opt/v1/", "opt/v1/a"]);
}

#[test]
fn a_whiteout_below_another_in_a_tar_is_omitted() {
    let base = BaseFiles::new([layer([file("/d/sub/x"), file("/d/y")])]);
    let folder = TempDir::new().unwrap();
    let tar = folder.path().join("tar");
    fs::write(&tar, bytes(&layer([FileMapping::whiteout("/d/sub")]))).unwrap();
    let whiteout = FileMapping::whiteout("/d/sub/x");
    for files in
        [[whiteout.clone(), FileMapping::tar(&tar, "/")], [FileMapping::tar(&tar, "/"), whiteout]]
    {
        assert_eq!(above(&base, files), ["d/", "d/.wh.sub"]);
    }
}

#[test]
fn directories_keep_the_attributes_of_the_base() {
    let base = root();
    let options = || LayerOptions::default().owner(7, 8).mtime(9).above(base.clone());
    let entries = lines(
        [file("/tmp/a"), file("/root/a"), file("/home/app/new/a"), file("/lib64/a")],
        options(),
    );
    assert_eq!(
        entries,
        [
            "d0755 0:0 1 home/",
            "d0750 1000:1001 1 home/app/",
            "d0755 0:0 9 home/app/new/",
            "-0644 7:8 9 home/app/new/a \"\"",
            "d0700 0:0 1 root/ user.a=\"1\"",
            "-0644 7:8 9 root/a \"\"",
            "d1777 0:0 5 tmp/",
            "-0644 7:8 9 tmp/a \"\"",
            "d0755 0:0 1 usr/",
            "d0751 0:0 77 usr/lib64/",
            "-0644 7:8 9 usr/lib64/a \"\"",
        ]
    );

    // Each attribute that a mapping sets is set, and the others are those of the base.
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("home/app/sub")).unwrap();
    fs::create_dir(source.path().join("tmp")).unwrap();
    let folder = || FileMapping::new(source.path(), "/");
    let merged = [
        "d0755 0:0 1 home/",
        "d0750 1000:1001 1 home/app/",
        "d0755 7:8 9 home/app/sub/",
        "d1777 0:0 5 tmp/",
    ];
    assert_eq!(lines([folder()], options()), merged);
    let owned = [
        "d0755 3:4 1 home/",
        "d0750 3:4 1 home/app/",
        "d0755 3:4 9 home/app/sub/",
        "d1777 3:4 5 tmp/",
    ];
    assert_eq!(
        lines([folder().owner(3, 4)], options())[1..],
        owned,
        "after the root, which the mapping sets"
    );
    assert_eq!(lines([dir("/tmp")], options()), ["d1777 0:0 5 tmp/"]);
    assert_eq!(lines([dir("/tmp").mode(0o700)], options()), ["d0700 0:0 5 tmp/"]);
    assert_eq!(lines([dir("/tmp").mtime(3)], options()), ["d1777 0:0 3 tmp/"]);

    // Rules apply to the entries of the layer, and not to their parent directories in the base.
    let rule = PermissionRule { glob: "**".into(), mode: Some(0o640), uid: None, gid: None };
    let ruled = lines([file("/tmp/a")], options().permission(rule.clone()));
    assert_eq!(ruled, ["d1777 0:0 5 tmp/", "-0640 7:8 9 tmp/a \"\""]);
    assert_eq!(lines([dir("/tmp")], options().permission(rule)), ["d0640 0:0 5 tmp/"]);
    // A rule matches the path as given, and the final path.
    for glob in ["/bin/app", "usr/bin/app", "{bin,sbin}/*"] {
        let rule = PermissionRule { glob: glob.into(), mode: Some(0o4755), uid: None, gid: None };
        let ruled = lines([file("/bin/app")], options().permission(rule).strict(true));
        assert_eq!(ruled[2], "-4755 7:8 9 usr/bin/app \"\"", "{glob}");
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("app"), "").unwrap();
        let rule = PermissionRule { glob: glob.into(), mode: Some(0o4755), uid: None, gid: None };
        let ruled = lines(
            [FileMapping::new(folder.path(), "/bin")],
            options().permission(rule).strict(true),
        );
        assert_eq!(ruled[2], "-4755 7:8 9 usr/bin/app \"\"", "{glob}");
    }
}

#[test]
fn upper_layers_of_the_base_count() {
    let links = || {
        layer([dir("/usr/bin"), link("/bin", "usr/bin"), dir("/data").mode(0o700), file("/data/f")])
    };
    let with = |upper: &[FileMapping]| BaseFiles::new([links(), layer(upper.iter().cloned())]);
    let behind = ["usr/", "usr/bin/", "usr/bin/app"];
    let beside = ["bin/", "bin/app"];
    let app = || [file("/bin/app")];
    assert_eq!(
        above(&with(&[file("/bin/other")]), app()),
        beside,
        "a directory took the place of the link"
    );
    assert_eq!(above(&with(&[FileMapping::whiteout("/bin")]), app()), beside);
    assert_eq!(
        above(&with(&[FileMapping::whiteout("/bin"), link("/bin", "usr/bin")]), app()),
        behind
    );
    assert_eq!(above(&with(&[FileMapping::opaque_whiteout("/")]), app()), beside);
    assert_eq!(
        above(&with(&[link("/bin", "/other"), dir("/other")]), app()),
        ["other/", "other/app"]
    );
    let and_back = with(&[file("/bin/other")]).and(layer([link("/bin", "usr/bin")]));
    assert_eq!(above(&and_back, app()), behind, "and a link replaces the directory");
    assert_eq!(above(&with(&[FileMapping::whiteout("/usr/bin"), dir("/usr/bin")]), app()), behind);

    let mode = |base: &BaseFiles| {
        lines([file("/data/a")], LayerOptions::default().above(base.clone()))[0].clone()
    };
    assert_eq!(mode(&with(&[])), "d0700 0:0 1 data/");
    assert_eq!(mode(&with(&[dir("/data").mode(0o711)])), "d0711 0:0 1 data/");
    assert_eq!(mode(&with(&[FileMapping::opaque_whiteout("/data")])), "d0755 0:0 1 data/");
    assert_eq!(
        mode(&with(&[FileMapping::whiteout("/data")])),
        "d0755 0:0 1 data/",
        "it is not there any more"
    );
    let gone = with(&[FileMapping::whiteout("/data")]).and(layer([file("/data").mode(0o600)]));
    assert!(
        message(layer_tar([file("/data/a")], LayerOptions::default().above(gone)))
            .contains("the base has a file at \"/data\"")
    );
    // Members of another program's layer may lack their parent directories.
    let bare = tar_without_parents("srv/www/index.html");
    let base = BaseFiles::new([links(), bare]);
    assert_eq!(above(&base, [file("/srv/www/a")]), ["srv/", "srv/www/", "srv/www/a"]);
    assert!(matches!(
        refused(&base, [file("/srv/www")]),
        Error::BaseConflict { base: "directory", .. }
    ));
}

/// A tar with only this member.
fn tar_without_parents(name: &str) -> MemoryBlob {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(0);
    tar.append_data(&mut header, name, &[][..]).unwrap();
    MemoryBlob::new(MediaType::LAYER, tar.into_inner().unwrap())
}

/// A tar with members of these types, names and targets, unchanged. The `tar` crate would refuse
/// such names.
fn tar_of(members: &[(tar::EntryType, &str, &str)]) -> MemoryBlob {
    let mut tar = Vec::new();
    for (kind, name, target) in members {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(0);
        header.set_entry_type(*kind);
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
    }
    tar.extend_from_slice(&[0; 1024]);
    MemoryBlob::new(MediaType::LAYER, tar)
}

#[test]
fn base_entries_outside_of_the_image_are_a_warning() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let good = [
        (Directory, "a", ""),
        (Symlink, "a/l", "../../b"),
        (Regular, "a/..b", ""),
        (Link, "c..", "a/..b"),
    ];
    let cache = TempDir::new().unwrap();
    let warnings = |members: &[_], options: fn(LayerOptions) -> LayerOptions| {
        let of = |base: BaseFiles| {
            let options = options(LayerOptions::default().above(base));
            layer_tar([file("/app")], options).map(|layer| layer.warnings().to_vec())
        };
        let layers = [
            tar_of(&[(Regular, "lowest", "")]),
            tar_of(members),
            tar_of(&[(Regular, "topmost", "")]),
        ];
        let digest = layers[1].descriptor().digest;
        let base = BaseFiles::new(layers);
        let first = of(base.clone());
        // The index of a layer in the cache gives the same result, after the first run has written
        // it.
        for _ in 0..2 {
            let cached = of(base.clone().cache(cache.path()));
            assert_eq!(
                cached.as_ref().map_err(ToString::to_string),
                first.as_ref().map_err(ToString::to_string)
            );
        }
        (digest, first)
    };
    assert_eq!(warnings(&good, |options| options).1.unwrap(), []);
    let outside: [&[_]; 9] = [
        &[(Regular, "../x", "")],
        &[(Regular, "x/../../y", "")],
        &[(Directory, "..", "")],
        &[(Regular, "/etc/x", "")],
        &[(Link, "x", "../../etc/passwd")],
        &[(Link, "x", "/etc/passwd")],
        &[(Symlink, "l", "../.."), (Regular, "l/x", "")],
        &[(Symlink, "d/l", "../../etc"), (Regular, "d/l/x/y", "")],
        &[(Symlink, "l", "m"), (Symlink, "m", "../.."), (Directory, "l/x", "")],
    ];
    for members in outside {
        let (layer, found) = warnings(&[&good, members].concat(), |options| options);
        let path = members.last().unwrap().1.to_owned();
        assert_eq!(found.unwrap(), [Warning::BaseOutside { layer, path, count: 1 }]);
        let (_, refused) = warnings(members, |options| options.strict(true));
        assert!(matches!(refused, Err(Error::Warning(Warning::BaseOutside { .. }))), "{members:?}");
    }
    let (layer, found) = warnings(&outside[..4].concat(), |options| options);
    let expected = Warning::BaseOutside { layer, path: "../x".into(), count: 4 };
    assert_eq!(found.as_ref().unwrap().as_slice(), std::slice::from_ref(&expected));
    let text = expected.to_string();
    assert!(
        text.contains(&layer.to_string())
            && text.contains("\"../x\"")
            && text.contains("such entries: 4"),
        "{text}"
    );
}

#[test]
fn a_dangling_link_of_the_base_is_an_error_that_names_it() {
    let base = root();
    for (destination, link, reason) in [
        ("/etc/nowhere/app", "/etc/nowhere", "leads to nothing"),
        ("/etc/loop/app", "/etc/loop", "leads in a circle"),
        ("/etc/out/app", "/etc/out", "leads out of the image"),
        ("/etc/tofile/app", "/etc/tofile", "leads to a file"),
        ("/etc/through/app", "/etc/through", "leads to a file"),
    ] {
        let error = refused(&base, [file(destination)]);
        let text = error.to_string();
        assert!(text.contains(reason) && text.contains(&format!("{link:?}")), "{text}");
        assert!(
            matches!(error, Error::BaseLink { link: found, .. } if found == Path::new(link)),
            "{text}"
        );
        assert!(matches!(refused(&base, [dir(destination)]), Error::BaseLink { .. }));
        assert!(matches!(
            refused(&base, [FileMapping::whiteout(destination)]),
            Error::BaseLink { .. }
        ));
    }
    // The same layer may add the missing target.
    let provided = above(&base, [file("/etc/nowhere/app"), dir("/nothing/at/all")]);
    assert_eq!(provided, ["nothing/", "nothing/at/", "nothing/at/all/", "nothing/at/all/app"]);
}

#[test]
fn files_and_directories_of_the_base_are_replaced_only_on_request() {
    let base = root();
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("etc/file")).unwrap();
    symlink("usr/bin", source.path().join("tmp")).unwrap();
    let part = |name| FileMapping::new(source.path(), "/").include(name);
    for (mapping, there, path) in [
        (file("/usr/bin"), "directory", "/usr/bin"),
        (file("/bin"), "directory", "/bin"),
        (link("/usr/bin", "x"), "directory", "/usr/bin"),
        (part("tmp"), "directory", "/tmp"),
        (dir("/etc/file"), "file", "/etc/file"),
        (file("/etc/file/x"), "file", "/etc/file"),
        (part("etc/file"), "file", "/etc/file"),
    ] {
        let error = refused(&base, [mapping.clone()]);
        assert!(
            matches!(&error, Error::BaseConflict { destination, base, .. } if *base == there && destination == Path::new(path)),
            "{error}"
        );
        let options = LayerOptions::default().above(base.clone()).replace(true);
        assert!(layer_tar([mapping], options).is_ok(), "{error}");
    }
    let replaced = lines(
        [file("/etc/nowhere/app")],
        LayerOptions::default().above(base.clone()).replace(true),
    );
    assert_eq!(replaced[1..], ["d0755 0:0 1 etc/nowhere/", "-0644 0:0 1 etc/nowhere/app \"\""]);
    // A link that the layer's own destinations follow must stay.
    let error = refused(&base, [file("/bin/app"), link("/bin", "elsewhere")]);
    assert!(
        matches!(&error, Error::Conflict { destination, .. } if destination == Path::new("/bin")),
        "{error}"
    );
    assert_eq!(
        above(&base, [file("/bin/app"), link("/bin", "usr/bin")]),
        ["bin", "usr/", "usr/bin/", "usr/bin/app"]
    );
    // Two paths to one place conflict like one path.
    let error = refused(
        &base,
        [FileMapping::text("a", "/bin/app"), FileMapping::text("b", "/usr/bin/app")],
    );
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

#[test]
fn a_destination_with_a_slash_is_the_directory_to_land_in() {
    let source = TempDir::new().unwrap();
    let app = source.path().join("app");
    fs::write(&app, "").unwrap();
    symlink("app", source.path().join("start")).unwrap();
    let base = root();
    let to = |source: &Path, destination: &str| FileMapping::new(source, destination);
    for (destination, places) in [
        ("/usr/bin/", &["usr/", "usr/bin/", "usr/bin/app"][..]),
        ("/bin/", &["usr/", "usr/bin/", "usr/bin/app"]),
        ("/bin/.", &["usr/", "usr/bin/", "usr/bin/app"]),
        ("/new/dir/", &["new/", "new/dir/", "new/dir/app"]),
        ("/", &["app"]),
    ] {
        assert_eq!(above(&base, [to(&app, destination)]), places, "{destination}");
    }
    let plain = |mapping| -> Vec<String> {
        let lines = lines([mapping], LayerOptions::default()).into_iter();
        lines.map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
    };
    assert_eq!(plain(to(&app, "b/")), ["b/", "b/app"]);
    assert_eq!(
        plain(to(&source.path().join("start"), "b/")),
        ["b/", "b/start"],
        "a link by its own name"
    );
    assert_eq!(plain(to(&source.path().join("start"), "b/").follow(false)), ["b/", "b/start"]);
    assert_eq!(
        plain(to(source.path(), "b/")),
        ["b/", "b/app", "b/start"],
        "a folder's contents land there either way"
    );
    assert_eq!(plain(dir("/b/")), ["b/"]);
    for mapping in
        [file("/etc/app/"), link("/etc/app/", "x"), FileMapping::bytes(*b"", "/etc/."), file("/")]
    {
        let error = layer_tar([mapping], LayerOptions::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Destination { .. }), "{error}");
    }
    let error = refused(&base, [to(&app, "/etc/file/")]);
    assert!(matches!(error, Error::BaseConflict { base: "file", .. }), "{error}");
}

#[test]
fn the_layer_is_a_function_of_the_layers_below() {
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("bin")).unwrap();
    for n in 0..600 {
        fs::write(source.path().join(format!("bin/{n}")), format!("{n}")).unwrap();
    }
    let files = || {
        [
            FileMapping::new(source.path(), "/"),
            file("/tmp/a"),
            FileMapping::new(source.path(), "/new"),
        ]
    };
    let of = |base: BaseFiles, threads| {
        layer_tar(files(), LayerOptions::default().above(base).pool(&Pool::new(threads)))
            .unwrap()
            .descriptor()
            .digest
    };
    let expected = of(root(), 1);
    for threads in [2, 3, 8] {
        assert_eq!(of(root(), threads), expected);
    }

    // A base may be compressed, come from a layout, and be read from its layers or from the cache.
    let elsewhere = TempDir::new().unwrap();
    let layout = elsewhere.path().join("layout");
    let layers =
        || [FileMapping::directory("/usr/bin"), link("/bin", "usr/bin"), dir("/tmp").mode(0o1777)];
    let compressed = layer_tar(layers(), LayerOptions::default().store(&layout)).unwrap();
    let config = image_config([&compressed], json!({})).unwrap();
    let image = image_manifest(config, [compressed.clone()], ManifestOptions::default()).unwrap();
    image_layout(&layout, [image.tagged("1")], LayoutOptions::default()).unwrap();
    let image = ImageLayout::open(&layout).unwrap().image(None, None).unwrap();
    let cache = elsewhere.path().join("cache");
    let expected = of(BaseFiles::new([layer(layers())]), 2);
    assert_eq!(of(BaseFiles::new([compressed]), 2), expected);
    assert_eq!(of((&image).into(), 2), expected);
    assert_eq!(of(BaseFiles::from(&image).cache(&cache), 2), expected);
    assert_eq!(
        of(BaseFiles::from(&PlatformImage::of(&image.clone().into(), None).unwrap()), 2),
        expected
    );
    let index = image_index([Image::from(image.clone())], json!({})).unwrap();
    assert_eq!(
        of(
            BaseFiles::from(&PlatformImage::of(&index.into(), Some(&Platform::default())).unwrap()),
            2
        ),
        expected
    );
    let other = "linux/s390x".parse().unwrap();
    let index = Image::from(image_index([Image::from(image.clone())], json!({})).unwrap());
    assert!(message(PlatformImage::of(&index, Some(&other))).contains("no image for linux/s390x"));

    // The second time, the layer is not read.
    let gone = |descriptor: &Descriptor| Gone(descriptor.clone());
    let absent = || BaseFiles::new(image.layers().iter().map(|layer| gone(layer.descriptor())));
    assert_eq!(of(absent().cache(&cache), 2), expected);
    assert!(
        message(layer_tar(files(), LayerOptions::default().above(absent())))
            .contains("cannot read blob")
    );
    // A damaged cache file is replaced from the layer, and is of no use without it.
    let entry = cache.join("entries/sha256").join(image.layers()[0].descriptor().digest.hex());
    let whole = fs::read(&entry).unwrap();
    for damaged in
        [&whole[..whole.len() - 1], &[&whole[..whole.len() - 1], b"x"].concat(), b"", &whole[1..]]
    {
        fs::write(&entry, damaged).unwrap();
        message(layer_tar(files(), LayerOptions::default().above(absent().cache(&cache))));
        assert_eq!(of(BaseFiles::from(&image).cache(&cache), 2), expected);
        assert!(fs::read(&entry).unwrap() == whole);
    }
    // A folder that cannot be used is ignored.
    assert_eq!(of(BaseFiles::from(&image).cache(source.path().join("bin/0/cache")), 2), expected);
}

/// A blob that no longer exists.
struct Gone(Descriptor);

impl Blob for Gone {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn open(&self) -> oci_layout::Result<Box<dyn std::io::Read + Send>> {
        Err(Error::BlobUnreadable {
            digest: self.0.digest,
            cause: std::io::ErrorKind::NotFound.into(),
        })
    }
}

#[test]
fn a_base_with_a_damaged_layer_is_an_error() {
    let whole = bytes(&layer([dir("/usr/bin"), link("/bin", "usr/bin"), file("/x")]));
    for (damaged, size) in
        [(whole.replace_at(1030), whole.len()), (whole[..1024].to_vec(), whole.len())]
    {
        let descriptor =
            Descriptor { size: size as u64, ..Descriptor::of(MediaType::LAYER, &whole) };
        let base = BaseFiles::new([Damaged(descriptor, damaged.into())]);
        let error = refused(&base, [file("/bin/app")]);
        assert!(matches!(error, Error::BlobDamaged { .. }), "{error}");
    }
    let no_tar = MemoryBlob::new(MediaType::LAYER, vec![7; 2000]);
    assert!(matches!(
        refused(&BaseFiles::new([no_tar]), [file("/a")]),
        Error::BlobUnreadable { .. }
    ));
}

trait ReplaceAt {
    fn replace_at(&self, at: usize) -> Vec<u8>;
}

impl ReplaceAt for Vec<u8> {
    fn replace_at(&self, at: usize) -> Vec<u8> {
        let mut bytes = self.clone();
        bytes[at] ^= 1;
        bytes
    }
}

/// A blob whose bytes do not match its descriptor.
struct Damaged(Descriptor, Arc<[u8]>);

impl Blob for Damaged {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn open(&self) -> oci_layout::Result<Box<dyn std::io::Read + Send>> {
        Ok(Box::new(std::io::Cursor::new(Arc::clone(&self.1))))
    }
}

#[test]
fn a_recipe_records_what_it_needs_of_the_base() {
    let source = TempDir::new().unwrap();
    fs::create_dir_all(source.path().join("bin")).unwrap();
    fs::write(source.path().join("bin/app"), "app").unwrap();
    let base = root();
    let files = [
        FileMapping::new(source.path(), "/"),
        file("/tmp/a"),
        file("/root/a"),
        file("/srv/a"),
        FileMapping::whiteout("/bin/sh"),
        FileMapping::whiteout("/etc/file"),
        FileMapping::whiteout("/no/such/file"),
    ];
    let options = LayerOptions::default().above(base.clone()).recipe(true);
    let layer = layer_tar(files, options).unwrap();
    let recipe = layer.recipe().unwrap().to_bytes().unwrap();
    // It names the layers, and reads none of them.
    let text = String::from_utf8(recipe.clone()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let recorded = &value["tar"]["spec"]["base"];
    assert_eq!(recorded["layers"].as_array().unwrap().len(), 1, "{text}");
    let link = json!({ "path": "/bin", "symlink": "usr/bin" });
    assert!(recorded["entries"].as_array().unwrap().contains(&link), "{text}");
    let again = Recipe::from_bytes(&recipe).unwrap();
    assert!(bytes(&again) == bytes(&layer));
    assert!(again.to_bytes().unwrap() == recipe);

    fs::write(source.path().join("bin/app"), "ppa").unwrap();
    let mut read = Vec::new();
    let error = std::io::Read::read_to_end(&mut again.open().unwrap(), &mut read).unwrap_err();
    assert!(error.to_string().contains("app\" changed since it was described"), "{error}");
}

#[test]
fn a_layer_made_without_its_base_is_detected() {
    let base = root();
    let found = |files: Vec<FileMapping>| -> Vec<String> {
        let layer = layer_tar(files, LayerOptions::from(Compression::None)).unwrap();
        let warnings = base.check(&layer).unwrap().into_iter();
        let name = |warning| match warning {
            Warning::LinkReplaced { path, target } => format!("link {path:?} {target:?}"),
            Warning::FileReplaced { path } => format!("file {path:?}"),
            Warning::DirectoryReplaced { path } => format!("directory {path:?}"),
            Warning::DirectoryReset { path, mode, owner } => {
                format!("reset {path:?} {mode:o} {owner:?}")
            }
            other => panic!("{other}"),
        };
        warnings.map(name).collect()
    };
    assert_eq!(found(vec![file("/bin/app")]), [r#"link "/bin" "usr/bin""#]);
    assert_eq!(found(vec![FileMapping::whiteout("/bin/sh")]), [r#"link "/bin" "usr/bin""#]);
    assert_eq!(found(vec![file("/etc/file/x")]), [r#"file "/etc/file""#]);
    assert_eq!(
        found(vec![link("/tmp", "x"), file("/run")]),
        [r#"directory "/run""#, r#"directory "/tmp""#]
    );
    let resets = [r#"reset "/home/app" 750 (1000, 1001)"#, r#"reset "/tmp" 1777 (0, 0)"#];
    assert_eq!(found(vec![file("/tmp/a"), file("/home/app/a")]), resets);
    let fine = [
        file("/usr/bin/app"),
        dir("/tmp").mode(0o1777),
        file("/etc/tofile"),
        dir("/root").mode(0o711),
    ];
    assert_eq!(found(fine.into()), [] as [&str; 0]);
    assert_eq!(found(vec![FileMapping::whiteout("/bin"), file("/bin/app")]), [] as [&str; 0]);
}
