//! The files of an image, and unpacked images: whiteouts, links across layers, and layers that try
//! to write outside.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use oci_layout::{
    Blob, Error, MemoryBlob, Pool,
    document::MediaType,
    rootfs::{FileKind, FileSearch, ImageFiles, Skipped, unpack},
};
use proptest::{array::uniform8, collection, option, prelude::*};
use tar::{EntryType, Header};
use tempfile::TempDir;
use walkdir::WalkDir;

/// Name, type, and link target or contents.
pub(super) type Member = (&'static str, EntryType, &'static str);

pub(super) const DIR: EntryType = EntryType::Directory;
pub(super) const FILE: EntryType = EntryType::Regular;
pub(super) const LINK: EntryType = EntryType::Symlink;
pub(super) const HARD: EntryType = EntryType::Link;

/// A layer of these members, some of which the tar crate would refuse.
pub(super) fn layer(members: &[Member]) -> MemoryBlob {
    let mut tar = Vec::new();
    for (name, kind, text) in members {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(if *kind == DIR { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        let contents = if *kind == FILE { text.as_bytes() } else { b"" };
        header.set_size(contents.len() as u64);
        if matches!(*kind, LINK | HARD) {
            header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    MemoryBlob::new(MediaType::LAYER, tar)
}

/// The contents of a folder: the text of files, the targets of links, and "/" for directories.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let entries = WalkDir::new(root).min_depth(1).into_iter().map(Result::unwrap);
    let what = |path: &Path| match fs::symlink_metadata(path).unwrap().file_type() {
        kind if kind.is_dir() => "/".to_owned(),
        kind if kind.is_symlink() => format!("-> {}", fs::read_link(path).unwrap().display()),
        _ => fs::read_to_string(path).unwrap(),
    };
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    entries.map(|entry| (name(entry.path()), what(entry.path()))).collect()
}

/// Unpacks the layers, and checks that `ImageFiles` has the same files.
#[track_caller]
fn unpacked(layers: &[MemoryBlob]) -> (TempDir, BTreeMap<String, String>, Vec<Skipped>) {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    let skipped = unpack(layers.to_vec(), &root, &Pool::new(3)).unwrap();
    let found = tree(&root);
    let files = ImageFiles::new(layers.to_vec(), &Pool::new(3)).unwrap();
    let listed = files.iter().map(|(path, file)| {
        let text = match &file.kind {
            FileKind::Directory => "/".to_owned(),
            FileKind::Symlink { target } => format!("-> {}", target.display()),
            _ => {
                let mut text = Vec::new();
                files.copy(&path, &mut text).unwrap();
                String::from_utf8(text).unwrap()
            }
        };
        (path.strip_prefix("/").unwrap().display().to_string(), text)
    });
    assert_eq!(listed.collect::<BTreeMap<_, _>>(), found);
    assert_eq!(files.skipped(), skipped);
    // The same as one tar.
    let mut tar = Vec::new();
    files.write_tar(&mut tar).unwrap();
    let tar = MemoryBlob::new(MediaType::LAYER, tar);
    let root = TempDir::new().unwrap();
    assert_eq!(unpack([tar], root.path(), &Pool::new(1)).unwrap(), []);
    assert_eq!(tree(root.path()), found);
    // Nothing is written next to it.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    (dir, found, skipped)
}

/// Checks that a search in layers without contradictions finds what reading all of them finds.
#[track_caller]
fn assert_search_finds_all(layers: &[MemoryBlob]) {
    let files = ImageFiles::new(layers.to_vec(), &Pool::new(2)).unwrap();
    let mut again = FileSearch::new(layers.to_vec());
    for (path, file) in files.iter() {
        let is_link = matches!(file.kind, FileKind::Symlink { .. });
        if is_link || files.resolve(&path).unwrap() != path {
            continue;
        }
        let mut search = FileSearch::new(layers.to_vec());
        assert_eq!(search.get(&path).unwrap(), file, "{path:?}");
        assert_eq!(again.get(&path).unwrap(), file, "{path:?}");
        let is_file = matches!(file.kind, FileKind::File { .. });
        for search in [search, FileSearch::new(layers.to_vec())].iter_mut().filter(|_| is_file) {
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            files.copy(&path, &mut expected).unwrap();
            search.copy(&path, &mut found).unwrap();
            assert_eq!(found, expected, "{path:?}");
        }
        search_fails(&mut again, &path.join("absent"));
    }
}

#[track_caller]
fn search_fails(search: &mut FileSearch, path: &Path) {
    let error = search.get(path).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{path:?}: {error}");
}

fn expected<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(path, what)| (path.to_owned(), what.to_owned())).into()
}

#[test]
fn upper_layers_replace_and_remove() {
    let lower = layer(&[
        ("a/", DIR, ""),
        ("a/kept", FILE, "kept"),
        ("a/gone", FILE, "gone"),
        ("b/", DIR, ""),
        ("b/x", FILE, "x"),
        ("b/y/", DIR, ""),
        ("b/y/z", FILE, "z"),
        ("c/", DIR, ""),
        ("c/x", FILE, "x"),
        ("d", FILE, "file"),
        ("e/", DIR, ""),
        ("e/x", FILE, "x"),
        ("f", LINK, "a"),
    ]);
    let upper = layer(&[
        ("a/.wh.gone", FILE, ""),
        // An opaque directory keeps the files of its own layer, wherever the whiteout is.
        ("b/new", FILE, "new"),
        ("b/.wh..wh..opq", FILE, ""),
        ("b/newer", FILE, "newer"),
        // A whiteout too.
        ("c/", DIR, ""),
        ("c/y", FILE, "y"),
        (".wh.c", FILE, ""),
        // The type changes.
        ("d/", DIR, ""),
        ("d/x", FILE, "x"),
        ("e", FILE, "file"),
        ("f/", DIR, ""),
        ("f/x", FILE, "x"),
        // A directory without an entry.
        ("g/h/x", FILE, "x"),
    ]);
    assert_search_finds_all(&[lower.clone(), upper.clone()]);
    let mut search = FileSearch::new([lower.clone(), upper.clone()]);
    for gone in ["/a/gone", "/b/x", "/b/y/z", "/c/x", "/e/x"] {
        search_fails(&mut search, gone.as_ref());
    }
    let (dir, found, skipped) = unpacked(&[lower, upper]);
    assert_eq!(skipped, []);
    let wanted = expected([
        ("a", "/"),
        ("a/kept", "kept"),
        ("b", "/"),
        ("b/new", "new"),
        ("b/newer", "newer"),
        ("c", "/"),
        ("c/y", "y"),
        ("d", "/"),
        ("d/x", "x"),
        ("e", "file"),
        ("f", "/"),
        ("f/x", "x"),
        ("g", "/"),
        ("g/h", "/"),
        ("g/h/x", "x"),
    ]);
    assert_eq!(found, wanted);
    let of = |path: &str| fs::metadata(dir.path().join("root").join(path)).unwrap();
    assert_eq!((of("g").permissions().mode() & 0o7777, of("g").mtime()), (0o755, 0));
    assert_eq!(of("a").mtime(), 1);
}

#[test]
fn hard_links_reach_lower_layers_and_outlive_their_targets() {
    let lower = layer(&[("one", FILE, "1"), ("two", FILE, "2"), ("three", FILE, "3")]);
    let upper = layer(&[
        ("first", HARD, "one"),
        ("second", HARD, "/two"),
        ("third", HARD, "./three"),
        ("fourth", HARD, "third"),
        // A replaced file: its other names keep the contents.
        ("one", FILE, "new"),
        (".wh.two", FILE, ""),
        // Targets: itself, a missing file, a directory, a path outside, a parent.
        ("three", HARD, "three"),
        ("none", HARD, "absent"),
        ("d/", DIR, ""),
        ("dir", HARD, "d"),
        ("out", HARD, "../three"),
        ("first/below", HARD, "first"),
    ]);
    assert_search_finds_all(&[lower.clone(), upper.clone()]);
    let (dir, found, skipped) = unpacked(&[lower, upper]);
    let wanted = expected([
        ("d", "/"),
        ("first", "1"),
        ("fourth", "3"),
        ("one", "new"),
        ("second", "2"),
        ("third", "3"),
        ("three", "3"),
    ]);
    assert_eq!(found, wanted);
    let links = |path: &str| fs::metadata(dir.path().join("root").join(path)).unwrap().nlink();
    assert_eq!((links("first"), links("third"), links("second")), (1, 3, 1));
    let skipped: Vec<_> = skipped.iter().map(|skipped| skipped.path.to_str().unwrap()).collect();
    assert_eq!(skipped.len(), 5, "{skipped:?}");
    let wanted = ["three", "none", "dir", "out", "first/below"];
    assert!(wanted.iter().all(|path| skipped.contains(path)));
}

#[test]
fn an_owner_that_no_system_supports_gives_no_rights() {
    // The largest number leaves an owner unchanged, and others would lose bits: 0 is root.
    for owner in [u64::from(u32::MAX), 1 << 32, 1 << 40] {
        let mut header = Header::new_gnu();
        header.set_path("su").unwrap();
        header.set_entry_type(FILE);
        header.set_mode(0o6755);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(1);
        header.set_size(0);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.extend([0; 1024]);
        let dir = TempDir::new().unwrap();
        let layer = MemoryBlob::new(MediaType::LAYER, tar);
        let skipped = unpack([layer], dir.path(), &Pool::new(1)).unwrap();
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(skipped[0].reason.contains("whose number no system supports"), "{skipped:?}");
        let file = fs::metadata(dir.path().join("su")).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, 0o755);
        assert_eq!(file.uid(), fs::metadata(dir.path()).unwrap().uid());
    }
}

#[test]
fn nothing_is_written_outside() {
    let secret = TempDir::new().unwrap();
    let outside = secret.path().to_str().unwrap().to_owned();
    let outside: &'static str = Box::leak(outside.into_boxed_str());
    fs::write(secret.path().join("passwd"), "secret").unwrap();
    let before = tree(secret.path());
    let attacks: [&[Member]; 12] = [
        &[("../escaped", FILE, "x")],
        &[("a/../../escaped", FILE, "x")],
        &[("link", LINK, outside), ("link/passwd", FILE, "x")],
        &[("link", LINK, outside), ("link/new/deep", FILE, "x")],
        &[("link", LINK, ".."), ("link/escaped", FILE, "x")],
        &[("link", LINK, outside), ("link", FILE, "x")],
        &[("link", LINK, outside), ("link/", DIR, "")],
        &[("link", LINK, outside), ("link/.wh.passwd", FILE, "")],
        &[("link", LINK, outside), ("link/.wh..wh..opq", FILE, "")],
        &[("link", LINK, outside), ("hard", HARD, "link/passwd")],
        &[("link", LINK, outside), ("again", HARD, "link"), ("again/passwd", FILE, "x")],
        &[(".wh...", FILE, ""), (".wh..", FILE, ""), ("..", FILE, "x"), (".", FILE, "x")],
    ];
    for (number, attack) in attacks.iter().enumerate() {
        // In one layer, and with each member in a separate layer.
        let apart: Vec<_> = attack.iter().map(|member| layer(&[*member])).collect();
        assert_search_finds_all(&apart);
        for layers in [vec![layer(attack)], apart] {
            unpacked(&layers);
            assert_eq!(tree(secret.path()), before, "attack {number}");
        }
    }
    // A directory replaces a link.
    let (_dir, found, _) =
        unpacked(&[layer(&[("link", LINK, "/etc")]), layer(&[("link/x", FILE, "x")])]);
    assert_eq!(found, expected([("link", "/"), ("link/x", "x")]));
}

#[test]
fn symbolic_links_are_resolved_inside_the_image() {
    let layers = [layer(&[
        ("usr/bin/", DIR, ""),
        ("usr/bin/sh", FILE, "shell"),
        ("bin", LINK, "usr/bin"),
        ("etc/", DIR, ""),
        ("etc/absolute", LINK, "/bin/sh"),
        ("etc/up", LINK, "../bin/../bin/sh"),
        ("loop", LINK, "loop"),
        ("out", LINK, "../../etc"),
    ])];
    let mut search = FileSearch::new(layers.clone());
    let files = ImageFiles::new(layers, &Pool::new(1)).unwrap();
    for path in ["/bin/sh", "bin/sh", "/etc/absolute", "/etc/up", "usr/bin/sh"] {
        let mut text = Vec::new();
        search.copy(path, &mut text).unwrap();
        assert_eq!(text, b"shell", "{path}");
        assert_eq!(files.resolve(path).unwrap(), Path::new("/usr/bin/sh"), "{path}");
        let mut text = Vec::new();
        files.copy(path, &mut text).unwrap();
        assert_eq!(text, b"shell", "{path}");
    }
    for path in ["/absent", "/loop", "/out", "/bin/sh/below"] {
        search_fails(&mut search, path.as_ref());
        let error = files.get(path).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{path}: {error}");
    }
    let error = files.copy("/etc", &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("is not a regular file"), "{error}");
    let names = |glob: &str| {
        let found = files.matching(glob).unwrap();
        found.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("etc"), ["/etc", "/etc/absolute", "/etc/up"]);
    assert_eq!(names("/usr/*/s?"), ["/usr/bin/sh"]);
    assert_eq!(names("**/up"), ["/etc/up"]);
    assert!(matches!(files.matching("nothing*"), Err(Error::Invalid { .. })));
    assert!(matches!(files.matching("["), Err(Error::Glob { .. })));
}

/// A layer with other bytes.
struct Damaged(MemoryBlob, Vec<u8>);

impl Blob for Damaged {
    fn descriptor(&self) -> &oci_layout::document::Descriptor {
        self.0.descriptor()
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.1.clone())))
    }
}

#[test]
fn a_damaged_layer_is_an_error() {
    let whole = layer(&[("a", FILE, "a"), ("b", FILE, "b")]);
    let bytes = crate::common::bytes(&whole);
    for at in [0, 520, 700, bytes.len() - 1] {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("root");
        let error = unpack([Damaged(whole.clone(), wrong)], &root, &Pool::new(2)).unwrap_err();
        assert!(matches!(error, Error::BlobDamaged { .. }), "byte {at}: {error}");
    }
    let short = bytes[..600].to_vec();
    let error = ImageFiles::new([Damaged(whole, short)], &Pool::new(1)).unwrap_err();
    assert!(matches!(error, Error::BlobDamaged { .. }), "{error}");
}

#[test]
fn only_an_empty_directory_is_unpacked_into() {
    let dir = TempDir::new().unwrap();
    let layers = || [layer(&[("a", FILE, "a")])];
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    unpack(layers(), &root, &Pool::new(1)).unwrap();
    let error = unpack(layers(), &root, &Pool::new(1)).unwrap_err();
    assert!(matches!(error, Error::OutputExists { .. }), "{error}");
    assert_eq!(tree(&root), expected([("a", "a")]));
    let error = unpack(layers(), dir.path().join("no/where"), &Pool::new(1)).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
}

/// Copies a directory out of the layers, and checks that it is what is at this path, where links
/// lead to, of the unpacked layers.
#[track_caller]
fn copied(layers: &[MemoryBlob], path: &str, real: &str) -> BTreeMap<String, String> {
    let dir = TempDir::new().unwrap();
    let (one, all) = (dir.path().join("one"), dir.path().join("all"));
    let mut search = FileSearch::new(layers.to_vec());
    let skipped = search.copy_directory(path, &one, &Pool::new(2)).unwrap();
    assert_eq!(skipped, [], "{path}");
    unpack(layers.to_vec(), &all, &Pool::new(2)).unwrap();
    let (copy, real) = (tree(&one), all.join(real));
    assert_eq!(copy, tree(&real), "{path}");
    for name in copy.keys().map(String::as_str).chain([""]) {
        let of = |root: &Path| {
            let found = fs::symlink_metadata(root.join(name)).unwrap();
            (found.permissions(), found.mtime(), found.uid())
        };
        assert_eq!(of(&one), of(&real), "{path}: {name}");
    }
    copy
}

#[test]
fn a_directory_that_layers_remove_and_make_again_is_copied() {
    let lower = [("etc/", DIR, ""), ("etc/old", FILE, "old"), ("etc/d/x", FILE, "x")];
    let again: &[Member] = &[("etc/", DIR, ""), ("etc/new", FILE, "new")];
    let implied: &[Member] = &[("etc/new", FILE, "new")];
    let gone: [&[Member]; 7] = [
        &[(".wh.etc", FILE, "")],
        &[("etc", FILE, "file")],
        &[("etc", LINK, "usr")],
        &[("etc", HARD, "other")],
        &[("etc", EntryType::Fifo, "")],
        &[(".wh..wh..opq", FILE, "")],
        &[("etc/.wh..wh..opq", FILE, "")],
    ];
    let other = layer(&[("other", FILE, "other"), ("usr/", DIR, ""), ("usr/u", FILE, "u")]);
    for gone in gone {
        // In a layer of its own, and in that which makes the directory again.
        for again in [again, implied] {
            let layers = [other.clone(), layer(&lower), layer(gone), layer(again)];
            assert_eq!(copied(&layers, "/etc", "etc"), expected([("new", "new")]), "{gone:?}");
        }
        if !gone[0].0.contains(".wh.") {
            continue;
        }
        let both = layer(&[gone, again].concat());
        let layers = [other.clone(), layer(&lower), both];
        assert_eq!(copied(&layers, "/etc", "etc"), expected([("new", "new")]), "{gone:?}");
    }
}

#[test]
fn a_directory_whose_parents_are_removed_or_links_is_copied() {
    let lower = [("usr/", DIR, ""), ("usr/lib/", DIR, ""), ("usr/lib/old", FILE, "old")];
    let upper: &[Member] = &[("usr/lib/", DIR, ""), ("usr/lib/new", FILE, "new")];
    let gone: [&[Member]; 5] = [
        &[(".wh.usr", FILE, "")],
        &[("usr", FILE, "file")],
        &[("usr", LINK, "lib")],
        &[("usr/lib", LINK, "usr")],
        &[("usr/.wh..wh..opq", FILE, "")],
    ];
    let link = layer(&[("lib", LINK, "usr/lib"), ("deep/", DIR, ""), ("deep/lib", LINK, "/lib")]);
    for gone in gone {
        let layers = [link.clone(), layer(&lower), layer(gone), layer(upper)];
        for path in ["/usr/lib", "/lib", "/deep/lib"] {
            let found = copied(&layers, path, "usr/lib");
            assert_eq!(found, expected([("new", "new")]), "{path} {gone:?}");
        }
    }
    // A higher layer replaces the link that leads to the directory.
    let layers = [link, layer(&lower), layer(&[("lib/x", FILE, "x")])];
    assert_eq!(copied(&layers, "/lib", "lib"), expected([("x", "x")]));
}

#[test]
fn hard_links_of_a_copied_directory_reach_files_anywhere() {
    let lower = layer(&[
        ("bin/sh", FILE, "shell"),
        ("etc/a", FILE, "a"),
        ("null", EntryType::Fifo, ""),
        ("link", LINK, "bin"),
    ]);
    let middle = layer(&[
        // To files outside, of this layer too, and to such links.
        ("bin/new", FILE, "new"),
        ("etc/sh", HARD, "bin/sh"),
        ("etc/sh2", HARD, "etc/sh"),
        ("etc/new", HARD, "bin/new"),
        ("etc/link", HARD, "link"),
        ("etc/gone", HARD, "bin/sh"),
        ("etc/replaced", HARD, "bin/sh"),
        ("etc/b", HARD, "etc/a"),
        // Out of the directory.
        ("saved", HARD, "etc/a"),
    ]);
    let upper = layer(&[
        ("etc/.wh.gone", FILE, ""),
        ("etc/replaced", FILE, "other"),
        ("bin/.wh.sh", FILE, ""),
        ("etc/.wh.a", FILE, ""),
        ("etc/c", HARD, "saved"),
        ("etc/d", HARD, "etc/c"),
    ]);
    let layers = [lower.clone(), middle.clone(), upper.clone()];
    let wanted = [
        ("b", "a"),
        ("c", "a"),
        ("d", "a"),
        ("link", "-> bin"),
        ("new", "new"),
        ("replaced", "other"),
        ("sh", "shell"),
        ("sh2", "shell"),
    ];
    assert_eq!(copied(&layers, "/etc", "etc"), expected(wanted));
    // Removed with all of its links, and made again of a file that is elsewhere.
    let again = [layer(&[(".wh.etc", FILE, "")]), layer(&[("etc/a", HARD, "saved")])];
    let layers = [&[lower, middle, upper][..], &again].concat();
    assert_eq!(copied(&layers, "/etc", "etc"), expected([("a", "a")]));
}

/// A layer that counts the bytes that are read of it.
struct Counted(MemoryBlob, Arc<AtomicU64>);

impl Blob for Counted {
    fn descriptor(&self) -> &oci_layout::document::Descriptor {
        self.0.descriptor()
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        Ok(Box::new(CountedRead(self.0.open()?, Arc::clone(&self.1))))
    }
}

struct CountedRead(Box<dyn Read + Send>, Arc<AtomicU64>);

impl Read for CountedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[test]
fn a_search_reads_no_more_than_it_must() {
    let large = "x".repeat(3 << 20);
    let large: &'static str = Box::leak(large.into_boxed_str());
    let lower = layer(&[("etc/", DIR, ""), ("etc/a", FILE, "a"), ("z", FILE, large)]);
    let upper = layer(&[("bin/", DIR, ""), ("bin/sh", FILE, large), ("z", FILE, large)]);
    let size = upper.descriptor().size;
    for (path, most) in [
        // The headers before it, and its contents.
        ("/bin/sh", [0, (3 << 20) + (1 << 20)]),
        // All of the upper layer, and the beginning of the lower one.
        ("/etc/a", [1 << 20, size]),
        // Once.
        ("/z", [0, size]),
    ] {
        let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let layers = [lower.clone(), upper.clone()].into_iter().zip(&counts);
        let layers = layers.map(|(layer, count)| Counted(layer, Arc::clone(count)));
        let mut contents = Vec::new();
        FileSearch::new(layers).copy(path, &mut contents).unwrap();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        assert!(counts[0] <= most[0] && counts[1] <= most[1], "{path}: {counts:?}");
        assert!(counts[1] > 0);
    }
}

#[test]
fn a_copied_directory_takes_one_read_of_each_layer() {
    let large = "x".repeat(1 << 20);
    let large: &'static str = Box::leak(large.into_boxed_str());
    let lower = layer(&[
        ("bin/sh", FILE, large),
        ("etc/", DIR, ""),
        ("etc/a", FILE, large),
        ("usr/lib/b", FILE, large),
        ("lib", LINK, "usr/lib"),
        ("z", FILE, large),
    ]);
    // The directory has no entry, and its files come first.
    let middle = layer(&[("etc/c", FILE, large), ("lib2", LINK, "usr/lib"), ("y", FILE, large)]);
    let upper = layer(&[("bin/new", FILE, large), ("etc/.wh.a", FILE, "")]);
    for (path, real, names, again) in [
        ("/etc", "etc", &["c"][..], 0),
        ("/bin", "bin", &["new", "sh"], 0),
        (
            "/",
            "",
            &[
                "bin",
                "bin/new",
                "bin/sh",
                "etc",
                "etc/c",
                "lib",
                "lib2",
                "usr",
                "usr/lib",
                "usr/lib/b",
                "y",
                "z",
            ],
            0,
        ),
        ("/lib2", "usr/lib", &["b"], 0),
        // The file is before the link that leads to its directory.
        ("/lib", "usr/lib", &["b"], 1),
    ] {
        let layers = [lower.clone(), middle.clone(), upper.clone()];
        let found = copied(&layers, path, real);
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), names, "{path}");
        let counts = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        let sizes = layers.each_ref().map(|layer| layer.descriptor().size);
        let counted = layers.into_iter().zip(&counts);
        let counted = counted.map(|(layer, count)| Counted(layer, Arc::clone(count)));
        let dir = TempDir::new().unwrap();
        let mut search = FileSearch::new(counted);
        assert!(search.is_dir(path).unwrap());
        search.copy_directory(path, dir.path(), &Pool::new(1)).unwrap();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts[1..], sizes[1..], "{path}");
        assert!((sizes[0]..=sizes[0] * (1 + again)).contains(&counts[0]), "{path}: {counts:?}");
    }
}

#[test]
fn a_damaged_layer_is_not_copied() {
    let whole = layer(&[("a", FILE, "a"), ("etc/b", FILE, "b"), ("z", FILE, "z")]);
    let bytes = crate::common::bytes(&whole);
    // Contents before, in and after the directory, and after the end of the tar.
    for at in [520, 1540, 2570, bytes.len() - 1] {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        let dir = TempDir::new().unwrap();
        let mut search = FileSearch::new([Damaged(whole.clone(), wrong)]);
        let copied = search.copy_directory("/etc", dir.path(), &Pool::new(1));
        let error = copied.unwrap_err();
        assert!(matches!(error, Error::BlobDamaged { .. }), "byte {at}: {error}");
    }
}

/// What can be at a path, without contradictions in the layer.
const KINDS: [EntryType; 4] = [DIR, FILE, LINK, HARD];
const NAMES: [&str; 8] = ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/a", "b/a/b"];

/// A layer with at most one entry of these at each of the names, and whiteouts of other names.
fn random_layer(kinds: [Option<usize>; 8], whiteouts: [u8; 8], opaque: [u8; 8]) -> Vec<Member> {
    let is_dir = |path: &str| match NAMES.iter().position(|name| *name == path) {
        Some(at) => kinds[at].is_none_or(|kind| KINDS[kind] == DIR),
        None => true,
    };
    let has_parents = |path: &str| {
        let parents = path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| &path[..at]);
        parents.into_iter().all(is_dir)
    };
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let mut members: Vec<Member> = Vec::new();
    for (at, name) in NAMES.into_iter().enumerate().filter(|(_, name)| has_parents(name)) {
        let (parent, last) = name.rsplit_once('/').unwrap_or(("", name));
        if whiteouts[at] == 0 {
            let parent = if parent.is_empty() { String::new() } else { format!("{parent}/") };
            members.push((leak(format!("{parent}.wh.{last}")), FILE, ""));
        }
        if opaque[at] == 0 && is_dir(name) {
            members.push((leak(format!("{name}/.wh..wh..opq")), FILE, ""));
        }
        match kinds[at].map(|kind| KINDS[kind]) {
            Some(kind @ (LINK | HARD)) => members.push((name, kind, "old")),
            Some(kind) => members.push((name, kind, name)),
            None => {}
        }
    }
    members
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    /// The rules are the same from the lowest layer up, as of what is listed and unpacked, and from
    /// the top layer down, as of a search. They do not depend on the order in a layer, either.
    #[test]
    fn layers_have_the_same_files_from_both_ends(
        layers in collection::vec(
            (uniform8(option::of(0..4_usize)), uniform8(0..8_u8), uniform8(0..12_u8)), 1..5,
        ),
    ) {
        let mut members = vec![vec![("old", FILE, "old")]];
        members.extend(layers.into_iter().map(|(kinds, gone, opaque)| random_layer(kinds, gone, opaque)));
        let forward: Vec<_> = members.iter().map(|members| layer(members)).collect();
        assert_search_finds_all(&forward);
        let found = unpacked(&forward).1;
        let backward = members.into_iter().map(|mut members| {
            members.reverse();
            layer(&members)
        });
        let backward: Vec<_> = backward.collect();
        assert_search_finds_all(&backward);
        assert_eq!(unpacked(&backward).1, found);
        let attributes = |layers: Vec<_>| {
            let files = ImageFiles::new(layers, &Pool::new(1)).unwrap();
            let files = files.iter().filter(|(_, file)| file.is_dir());
            files.map(|(path, file)| (path, file.mode, file.mtime, file.layer)).collect::<Vec<_>>()
        };
        assert_eq!(attributes(forward), attributes(backward));
    }
}
