//! Splitting the files of plain folders: which files are a unit, which units share a layer, and
//! that the layers together are the one layer.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use oci_layout::{
    Attribute, Blob, Compression, Error, FileMapping, HardLinks, Layer, LayerOptions, MemoryBlob,
    Pool, TarLayer, layer_tar, layer_tars,
    split::{SplitFile, SplitGroup, SplitOptions, split_files},
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::layer_diff::unpacked;
use crate::common::{Member, Random, bytes, members, text};

const MIB: u64 = 1 << 20;
const SITE: &str = "/venv/lib/python3.12/site-packages";

/// Every unit has a layer, if the limit allows it: units of this size are never small.
fn files(paths: &[&str]) -> Vec<SplitFile> {
    paths.iter().map(|path| SplitFile::new(path, 2 * MIB)).collect()
}

fn split(files: impl IntoIterator<Item = SplitFile>) -> Vec<SplitGroup> {
    split_files(files, &SplitOptions::default().large_file(64 * MIB)).unwrap()
}

/// The files of the unit with this name, which shares its group with no other one, or of the
/// application (`""`).
#[track_caller]
fn unit(groups: &[SplitGroup], name: &str) -> Vec<String> {
    let is_it = |group: &&SplitGroup| match name {
        "" => group.is_application,
        _ => group.units == [name],
    };
    let group = groups.iter().find(is_it).unwrap_or_else(|| panic!("no group is {name:?}"));
    group.files.iter().map(|path| path.display().to_string()).collect()
}

fn record(package: &str, lines: &str) -> SplitFile {
    SplitFile::new(format!("{SITE}/{package}.dist-info/RECORD"), lines.len() as u64).contents(lines)
}

fn at(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{SITE}/{name}")).collect()
}

#[test]
fn a_python_package_is_what_its_record_lists() {
    let lines = "six.py,sha256=x,1\r\n../../../bin/six,,\r\n\"odd,name.py\",,\r\n\
                 six-1.17.dist-info/RECORD,,\r\nabsent.py,,\r\n";
    let mut all = files(&[
        "/venv/bin/six",
        "/venv/bin/python",
        "/venv/pyvenv.cfg",
        &format!("{SITE}/six.py"),
        &format!("{SITE}/six.pyi"),
        &format!("{SITE}/odd,name.py"),
        &format!("{SITE}/__pycache__/six.cpython-312.pyc"),
        &format!("{SITE}/__pycache__/six.cpython-312.opt-2.pyc"),
        &format!("{SITE}/__pycache__/other.cpython-312.pyc"),
        &format!("{SITE}/six-1.17.dist-info/METADATA"),
        &format!("{SITE}/six-1.17.dist-info/licenses/LICENSE"),
        // Neither has a RECORD, which would list their files.
        &format!("{SITE}/none-1.dist-info/METADATA"),
        &format!("{SITE}/old.egg-info/SOURCES.txt"),
    ]);
    all.push(record("six-1.17", lines));
    let groups = split(all);
    let mut expected = vec!["/venv/bin/six".to_owned()];
    expected.extend(at(&[
        "__pycache__/six.cpython-312.opt-2.pyc",
        "__pycache__/six.cpython-312.pyc",
        "odd,name.py",
        "six-1.17.dist-info/METADATA",
        "six-1.17.dist-info/RECORD",
        "six-1.17.dist-info/licenses/LICENSE",
        "six.py",
    ]));
    assert_eq!(unit(&groups, &format!("{SITE}/six")), expected);
    assert_eq!(groups.len(), 2);
    assert_eq!(unit(&groups, "").len(), 14 - expected.len());
}

#[test]
fn a_hostile_record_takes_nothing_from_others() {
    let lines = [
        "/etc/passwd,,",
        "../../../../../../etc/passwd,,",
        "b-1.dist-info/METADATA,,",
        "b.py,,",
        "shared.py,,",
        "a\0b,,",
        ".,,",
        "..,,",
        ",,",
        "\"no end,,",
        "late.py,,",
    ]
    .join("\n");
    let mut all = files(&["/etc/passwd", "/etc/group"]);
    all.extend(files(&at(&["a.py", "late.py"]).iter().map(String::as_str).collect::<Vec<_>>()));
    all.extend(files(
        &at(&["b.py", "shared.py", "b-1.dist-info/METADATA"])
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    ));
    all.push(record("A-1", &format!("a.py,,\n{lines}")));
    all.push(record("b-1", "b.py,,\nshared.py,,\n"));
    // Bytes that are not UTF-8 are bytes.
    let latin = format!("{SITE}/c-1.dist-info/RECORD");
    all.push(SplitFile::new(latin, 2 * MIB).contents(&b"\xe9.py,,\n"[..]));
    let groups = split(all);
    // Of a file that both list, the first package by name is the owner. A package keeps its own
    // folder.
    let a = at(&["A-1.dist-info/RECORD", "a.py", "b.py", "shared.py"]);
    assert_eq!(unit(&groups, &format!("{SITE}/a")), a);
    let b = at(&["b-1.dist-info/METADATA", "b-1.dist-info/RECORD"]);
    assert_eq!(unit(&groups, &format!("{SITE}/b")), b);
    let rest = ["/etc/group".to_owned(), "/etc/passwd".to_owned(), format!("{SITE}/late.py")];
    assert_eq!(unit(&groups, ""), rest);
}

#[test]
fn two_versions_of_a_package_are_one_unit() {
    let mut all = files(&at(&["a.py", "old.py"]).iter().map(String::as_str).collect::<Vec<_>>());
    all.push(record("My_Pkg-1.0", "old.py,,\n"));
    all.push(record("my.pkg-2.0", "a.py,,\n"));
    let groups = split(all);
    assert_eq!(groups.len(), 1);
    assert_eq!(unit(&groups, &format!("{SITE}/my-pkg")).len(), 4);
}

#[test]
fn large_files_and_packages_are_apart_from_the_application() {
    let mut all = files(&[
        "/app/main.js",
        "/app/node_modules/a/x.js",
        "/app/node_modules/@s/b/x.js",
        "/app/node_modules/.bin/a",
        "/app/vendor/c/x",
    ]);
    all.push(SplitFile::new("/models/big.bin", 64 * MIB));
    all.push(SplitFile::new("/models/less.bin", 64 * MIB - 1));
    // A package has its large files.
    all.push(SplitFile::new("/app/node_modules/a/large.node", 64 * MIB));
    let groups = split(all);
    assert_eq!(unit(&groups, "/app/node_modules/a").len(), 2);
    assert_eq!(unit(&groups, "/app/node_modules/@s/b").len(), 1);
    assert_eq!(unit(&groups, "/app/vendor/c").len(), 1);
    assert_eq!(unit(&groups, "/models/big.bin").len(), 1);
    let application = ["/app/main.js", "/app/node_modules/.bin/a", "/models/less.bin"];
    assert_eq!(unit(&groups, ""), application);
    assert!(groups.last().unwrap().is_application);
}

#[test]
fn names_of_one_file_share_a_group() {
    let all = |size| {
        let mut all = files(&["/app/main", "/node_modules/a/x", "/node_modules/b/x"]);
        all.push(SplitFile::new("/node_modules/a/shared", size));
        all.push(SplitFile::new("/node_modules/b/shared", size).link_to("/node_modules/a/shared"));
        all.push(SplitFile::new("/node_modules/b/own", 1).link_to("/node_modules/b/x"));
        all.push(SplitFile::new("/node_modules/b/nowhere", 1).link_to("/absent"));
        all
    };
    let shared = ["/node_modules/a/shared", "/node_modules/b/shared"];
    let groups = split(all(MIB));
    assert_eq!(unit(&groups, ""), [&["/app/main"], &shared[..]].concat());
    assert_eq!(unit(&groups, "/node_modules/b").len(), 3);
    assert_eq!(unit(&split(all(100 * MIB)), "/node_modules/a/shared"), shared);
}

#[test]
fn the_limit_includes_the_application() {
    let names: Vec<_> = (0..9).map(|n| format!("/node_modules/p{n}/x")).collect();
    let mut all = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
    all.push(SplitFile::new("/app", 1));
    for (most, count) in [(1, 1), (2, 2), (5, 5), (10, 10), (20, 10)] {
        let options = SplitOptions::default().max_layers(most);
        let groups = split_files(all.clone(), &options).unwrap();
        assert_eq!(groups.len(), count, "at most {most}");
        assert_eq!(groups.iter().map(|group| group.files.len()).sum::<usize>(), 10);
        assert!(groups.last().unwrap().is_application);
    }
    let none = split_files(all, &SplitOptions::default().max_layers(0));
    assert!(matches!(none, Err(Error::Invalid { .. })));
    assert_eq!(split([]), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_files_does_not_matter(seed in any::<u64>(), count in 0..60_usize) {
        let mut random = Random(seed);
        let folders = ["/app", "/node_modules/a", "/node_modules/b", "/vendor/c", SITE];
        let mut all: Vec<_> = (0..count)
            .map(|n| {
                let folder = folders[random.below(folders.len())];
                SplitFile::new(format!("{folder}/{n}"), random.below(20 << 20) as u64)
            })
            .collect();
        all.push(record("p-1", "1,,\n2,,\n3,,\n"));
        let expected = split(all.clone());
        let mut paths: Vec<_> = expected.iter().flat_map(|group| &group.files).collect();
        paths.sort();
        paths.dedup();
        prop_assert_eq!(paths.len(), all.len());
        for at in (1..all.len()).rev() {
            all.swap(at, random.below(at + 1));
        }
        prop_assert_eq!(split(all), expected);
    }
}

proptest! {
    #[test]
    fn any_record_is_read(record in "[a./\\\\\"',\r\n\u{e9}]{0,40}", site in "[a/]{0,6}") {
        let record = SplitFile::new(format!("{site}/a-1.dist-info/RECORD"), 1).contents(record);
        let all = [SplitFile::new("/a", 1), SplitFile::new("/a/a/a", 1), record];
        let groups = split(all);
        prop_assert_eq!(groups.iter().map(|group| group.files.len()).sum::<usize>(), 3);
    }
}

/// A folder with units, links, an empty directory and two names of a file.
fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (seed, package) in ["a", "b", "@s/c"].into_iter().enumerate() {
        let text = String::from_utf8(text(600_000, seed as u64)).unwrap();
        write(&format!("node_modules/{package}/index.js"), &text);
    }
    write("src/main.js", "main");
    write("src/other.js", "other");
    write("venv/lib/six.py", "six");
    write("venv/bin/six", "#!six");
    write("venv/lib/six-1.dist-info/RECORD", "six.py,,\n../bin/six,,\n");
    fs::create_dir_all(dir.path().join("node_modules/a/empty")).unwrap();
    fs::create_dir_all(dir.path().join("log/empty")).unwrap();
    symlink("../a/index.js", dir.path().join("node_modules/.link")).unwrap();
    fs::hard_link(dir.path().join("src/main.js"), dir.path().join("src/same.js")).unwrap();
    fs::hard_link(dir.path().join("src/main.js"), dir.path().join("node_modules/b/same.js"))
        .unwrap();
    dir
}

fn options() -> LayerOptions {
    LayerOptions::from(Compression::None).hard_links(HardLinks::Keep)
}

fn tars(layers: &[TarLayer]) -> Vec<Vec<Member>> {
    layers.iter().map(|layer| members(&bytes(layer))).collect()
}

/// The layers as others see them.
fn blobs(layers: &[TarLayer]) -> Vec<MemoryBlob> {
    let blob =
        |layer: &TarLayer| MemoryBlob::new(layer.descriptor().media_type.clone(), bytes(layer));
    layers.iter().map(blob).collect()
}

#[test]
fn the_layers_together_are_the_one_layer() {
    let tree = tree();
    let files = || [FileMapping::new(tree.path(), "/srv").mode(0o640).owner(3, 4)];
    let split = SplitOptions::default();
    let layers = layer_tars(files(), options(), &split).unwrap();
    let one = layer_tar(files(), options()).unwrap();
    assert_eq!(layers.len(), 5);
    assert_eq!(unpacked(blobs(&layers)), unpacked(blobs(&[one])));

    let tars = tars(&layers);
    let expected: BTreeMap<Vec<u8>, Member> =
        members(&bytes(&layer_tar(files(), options()).unwrap()))
            .into_iter()
            .map(|member| (member.path.clone(), member))
            .collect();
    let mut count = BTreeMap::new();
    for member in tars.iter().flatten() {
        assert_eq!(Some(member), expected.get(&member.path), "{member}");
        *count.entry(&member.path).or_insert(0) += 1;
    }
    // Only directories are repeated.
    assert_eq!(count.len(), expected.len());
    for (path, count) in count {
        assert!(count == 1 || path.ends_with(b"/"), "{} {count}", String::from_utf8_lossy(path));
    }
    let names = |tar: &[Member]| -> Vec<String> {
        tar.iter().map(|member| String::from_utf8_lossy(&member.path).into_owned()).collect()
    };
    let six = tars.iter().map(|tar| names(tar)).find(|names| names.len() == 8).unwrap();
    assert_eq!(
        six,
        [
            "srv/",
            "srv/venv/",
            "srv/venv/bin/",
            "srv/venv/bin/six",
            "srv/venv/lib/",
            "srv/venv/lib/six-1.dist-info/",
            "srv/venv/lib/six-1.dist-info/RECORD",
            "srv/venv/lib/six.py"
        ][..]
            .to_vec()
    );
}

#[test]
fn the_layers_do_not_depend_on_threads_or_on_the_order_in_folders() {
    let (tree, split) = (tree(), SplitOptions::default());
    // The same names in another order of creation.
    let other = TempDir::new().unwrap();
    let mut paths: Vec<_> = walkdir::WalkDir::new(tree.path())
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .collect();
    paths.sort();
    for path in paths.iter().rev().filter(|path| !path.is_dir() || path.is_symlink()) {
        let to = other.path().join(path.strip_prefix(tree.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        match path.is_symlink() {
            true => symlink(fs::read_link(path).unwrap(), to).unwrap(),
            false => _ = fs::copy(path, to).unwrap(),
        }
    }
    for empty in ["node_modules/a/empty", "log/empty"] {
        fs::create_dir_all(other.path().join(empty)).unwrap();
    }
    let made = |tree: &Path, threads| {
        let options = LayerOptions::default().hard_links(HardLinks::Copy).pool(&Pool::new(threads));
        let layers = layer_tars([FileMapping::new(tree, "/")], options, &split).unwrap();
        layers.iter().map(|layer| layer.descriptor().digest).collect::<Vec<_>>()
    };
    let expected = made(tree.path(), 1);
    assert_eq!(made(tree.path(), 4), expected);
    assert_eq!(made(other.path(), 2), expected);
}

#[test]
fn an_unchanged_unit_keeps_its_layer() {
    let tree = tree();
    let made = || {
        let files = [FileMapping::new(tree.path(), "/srv")];
        let layers = layer_tars(files, LayerOptions::default(), &SplitOptions::default()).unwrap();
        layers.iter().map(Layer::diff_id).collect::<Vec<_>>()
    };
    let before = made();
    fs::write(tree.path().join("src/other.js"), "changed").unwrap();
    let after = made();
    assert_eq!(after[..4], before[..4]);
    assert_ne!(after[4], before[4]);
}

#[test]
fn texts_tars_and_whiteouts_are_split_too() {
    let dir = TempDir::new().unwrap();
    let mut tar = tar::Builder::new(fs::File::create(dir.path().join("t.tar")).unwrap());
    for path in ["node_modules/a/index.js", "README"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o600);
        header.set_cksum();
        tar.append_data(&mut header, path, &b"text"[..]).unwrap();
    }
    tar.finish().unwrap();
    let files = || {
        [
            FileMapping::tar(dir.path().join("t.tar"), "/app"),
            FileMapping::text("x", "/app/node_modules/b/index.js"),
            FileMapping::text("x", "/etc/app.conf"),
            FileMapping::opaque_whiteout("/app"),
            FileMapping::whiteout("/etc/app.conf"),
        ]
    };
    let layers = layer_tars(files(), options(), &SplitOptions::default()).unwrap();
    let base = layer_tar(
        [FileMapping::text("old", "/app/old"), FileMapping::text("old", "/etc/app.conf")],
        options(),
    )
    .unwrap();
    let one = layer_tar(files(), options()).unwrap();
    let above = |layers: &[TarLayer]| {
        unpacked([blobs(std::slice::from_ref(&base)), blobs(layers)].concat())
    };
    assert_eq!(above(&layers), above(&[one]));
    let named = |tar: &[Member], name: &str| tar.iter().any(|m| m.path == name.as_bytes());
    let tars = tars(&layers);
    // Both packages are so small that a layer for each would cost more.
    assert_eq!(tars.len(), 2);
    assert!(named(&tars[0], "app/node_modules/a/index.js"), "{tars:?}");
    assert!(named(&tars[0], "app/node_modules/b/index.js"));
    assert!(named(&tars[1], "app/README") && named(&tars[1], "etc/app.conf"));
}

#[test]
fn options_apply_to_all_layers() {
    let tree = tree();
    let files = || {
        let mut mapping = FileMapping::new(tree.path(), "/srv").exclude("log").exclude("absent");
        mapping.attributes.mtime = Attribute::Set(7);
        [mapping]
    };
    let store = TempDir::new().unwrap();
    let split = SplitOptions::default();
    let layers = layer_tars(files(), options().store(store.path()), &split).unwrap();
    assert!(layers.iter().all(|layer| layer.file().unwrap().starts_with(store.path())));
    // The warnings concern all files, and are reported once.
    assert_eq!(
        layers.iter().map(|layer| layer.warnings().len()).collect::<Vec<_>>(),
        [1, 0, 0, 0, 0]
    );
    assert!(tars(&layers).iter().flatten().all(|member| member.mtime == 7));
    let strict = layer_tars(files(), options().strict(true), &split);
    assert!(matches!(strict, Err(Error::Warning(_))), "{strict:?}");
    assert_eq!(layer_tars([], options(), &split).unwrap().len(), 1);
    let created_by = layers.last().unwrap().created_by();
    assert_eq!(created_by, "oci-layout layer-tar /srv");
    let is_of_package = |layer: &TarLayer| layer.created_by().ends_with(" /srv/node_modules/@s/c");
    assert_eq!(layers.iter().filter(|layer| is_of_package(layer)).count(), 1);
}

/// Files of units of 2 MiB each, in layers.
fn layers(layers: &[&[&str]]) -> Vec<Vec<SplitFile>> {
    layers.iter().map(|paths| files(paths)).collect()
}

/// The units of each group, by the last part of their names. The application is `app`.
fn names(groups: &[SplitGroup]) -> Vec<String> {
    let name = |unit: &String| unit.rsplit('/').next().unwrap().to_owned();
    let of_group = |group: &SplitGroup| {
        let application = group.is_application.then(|| "app".to_owned());
        group.units.iter().map(name).chain(application).collect::<Vec<_>>().join(" ")
    };
    groups.iter().map(of_group).collect()
}

#[test]
fn earlier_groups_are_kept_one_by_one() {
    let now = ["/node_modules/a/x", "/node_modules/b/x", "/node_modules/c/x", "/main"];
    let like = |earlier: &[&[&str]], most| {
        let options = SplitOptions::default().max_layers(most).like(layers(earlier));
        names(&split_files(files(&now), &options).unwrap())
    };
    let apart = ["a", "b", "c", "app"];
    assert_eq!(like(&[], 20), apart);
    // In their order, and new files of a unit do not matter.
    assert_eq!(
        like(
            &[&["/node_modules/c/y"], &["/node_modules/a/x", "/node_modules/b/y"], &["/main"]],
            20
        ),
        ["c", "a b", "app"]
    );
    // What is new comes after what is kept.
    assert_eq!(like(&[&["/node_modules/c/x"]], 20), ["c", "a", "b", "app"]);
    // A unit is gone.
    assert_eq!(
        like(&[&["/node_modules/a/x", "/node_modules/b/x", "/node_modules/d/x"]], 20),
        apart
    );
    // A file of no unit is beside them.
    assert_eq!(like(&[&["/node_modules/a/x", "/node_modules/b/x", "/old"]], 20), apart);
    // A unit is in two layers.
    let divided: &[&[&str]] =
        &[&["/node_modules/a/x", "/node_modules/b/x"], &["/node_modules/b/y"]];
    assert_eq!(like(divided, 20), apart);
    // A higher layer replaces a file, so that only the unit that is there counts.
    let replaced: &[&[&str]] = &[&["/old", "/main"], &["/node_modules/c/x"], &["/main", "/old"]];
    assert_eq!(like(replaced, 20), ["c", "a", "b", "app"]);
    // Without a layer for b, the smallest of the earlier groups is given up: c, not a and d.
    let options = SplitOptions::default()
        .max_layers(3)
        .like(layers(&[&["/node_modules/c/x"], &["/node_modules/a/x", "/node_modules/d/x"]]));
    let mut now = files(&now);
    now.extend(files(&["/node_modules/d/x"]));
    assert_eq!(names(&split_files(now.clone(), &options).unwrap()), ["a d", "b c", "app"]);
    for most in [1, 2] {
        let options = options.clone().max_layers(most);
        assert_eq!(split_files(now.clone(), &options).unwrap().len(), most);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An image that is its own earlier image is split as before, whatever its layers are.
    #[test]
    fn the_groups_of_an_image_are_its_own_earlier_groups(seed in any::<u64>(), most in 2..25_usize) {
        let mut random = Random(seed);
        let mut all: Vec<_> = (0..random.below(80))
            .map(|n| {
                let size = 1 << random.below(24);
                SplitFile::new(format!("/node_modules/p{}/{n}", random.below(40)), size)
            })
            .collect();
        all.push(SplitFile::new("/main", 5));
        let options = SplitOptions::default().max_layers(most);
        let first = split_files(all.clone(), &options).unwrap();
        prop_assert!(first.len() <= most);
        let size = |path: &std::path::PathBuf| all.iter().find(|file| file.path == *path).unwrap().clone();
        let earlier = first.iter().map(|group| group.files.iter().map(size).collect());
        let again = split_files(all.clone(), &options.like(earlier.collect::<Vec<_>>())).unwrap();
        prop_assert_eq!(again, first);
    }
}
