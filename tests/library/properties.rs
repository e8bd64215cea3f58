//! Properties of any tree of files: it is read back unchanged, however its layer is made.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
};

use crate::common::{self, Random, assert_whole, bytes, decoded, members, text};
use oci_layout::{
    Blob, Compression, FileMapping, HardLinks, ImageLayout, Layer, LayerOptions, Pool,
    image_config, image_layout, image_manifest, layer_tar,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use serde_json::json;
use tar::EntryType;
use tempfile::TempDir;

#[derive(Clone, Debug)]
enum Node {
    File { content: Vec<u8>, executable: bool },
    Link(OsString),
    Directory(Tree),
}

type Tree = BTreeMap<OsString, Node>;

/// Names that Linux allows, except for those of whiteouts. The `tar` crate cannot read a newline in
/// a long one.
fn name() -> impl Strategy<Value = OsString> {
    let byte = || any::<u8>().prop_filter("no separator", |byte| ![0, b'/', b'\n'].contains(byte));
    prop_oneof![8 => vec(byte(), 1..12), 1 => vec(byte(), 90..255), 3 => "[ab.-]{1,3}".prop_map(String::into_bytes)]
        .prop_filter("a name", |name| ![&b"."[..], b".."].contains(&&name[..]) && !name.starts_with(b".wh."))
        .prop_map(OsString::from_vec)
}

fn tree() -> impl Strategy<Value = Tree> {
    let size = prop_oneof![30 => 0..1500_usize, 3 => Just(512), 1 => 1_000_000..1_100_000_usize];
    let content = (size, any::<u64>()).prop_map(|(size, seed)| text(size, seed));
    let leaf = prop_oneof![
        4 => (content, any::<bool>()).prop_map(|(content, executable)| Node::File { content, executable }),
        1 => name().prop_map(Node::Link),
        1 => Just(Node::Directory(Tree::new())),
    ];
    let node = leaf
        .prop_recursive(5, 30, 6, |node| btree_map(name(), node, 0..6).prop_map(Node::Directory));
    btree_map(name(), node, 0..6)
}

fn write(dir: &Path, tree: &Tree) {
    for (name, node) in tree {
        let path = dir.join(name);
        match node {
            Node::File { content, executable } => {
                fs::write(&path, content).unwrap();
                let mode = if *executable { 0o700 } else { 0o600 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Node::Link(target) => symlink(target, &path).unwrap(),
            Node::Directory(tree) => {
                fs::create_dir(&path).unwrap();
                write(&path, tree);
            }
        }
    }
}

/// The same tree as mappings without files.
fn mappings(at: &Path, tree: &Tree) -> Vec<FileMapping> {
    let mut files = Vec::new();
    for (name, node) in tree {
        let path = at.join(name);
        match node {
            Node::File { content, executable } => {
                files.push(FileMapping::bytes(&content[..], path).mode(if *executable {
                    0o755
                } else {
                    0o644
                }));
            }
            Node::Link(target) => files.push(FileMapping::symlink(target, path)),
            Node::Directory(tree) => {
                files.push(FileMapping::directory(&path));
                files.extend(mappings(&path, tree));
            }
        }
    }
    files
}

/// Decodes a tar into a tree.
fn read_back(tar: &[u8]) -> Tree {
    let mut root = Tree::new();
    for member in members(tar) {
        assert_eq!((member.uid, member.gid, member.mtime, member.xattrs.len()), (0, 0, 1, 0));
        let is_directory = member.kind == EntryType::Directory;
        assert_eq!(member.path.last() == Some(&b'/'), is_directory);
        let path = member.path.strip_suffix(b"/").unwrap_or(&member.path);
        let names: Vec<OsString> = path
            .split(|&byte| byte == b'/')
            .map(|name| OsString::from_vec(name.to_vec()))
            .collect();
        let (name, above) = names.split_last().unwrap();
        let mut directory = &mut root;
        for name in above {
            let Some(Node::Directory(below)) = directory.get_mut(name) else {
                panic!("{name:?} comes after its contents")
            };
            directory = below;
        }
        let node = match (member.kind, member.mode) {
            (EntryType::Directory, 0o755) => Node::Directory(Tree::new()),
            (EntryType::Symlink, 0o777) => Node::Link(OsString::from_vec(member.link)),
            (EntryType::Regular, mode @ (0o644 | 0o755)) => {
                Node::File { content: member.content, executable: mode == 0o755 }
            }
            other => panic!("{other:?}"),
        };
        assert!(directory.insert(name.clone(), node).is_none(), "{name:?} is there twice");
    }
    root
}

fn same(a: &Tree, b: &Tree) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|((name, node), (other_name, other))| {
            name == other_name
                && match (node, other) {
                    (
                        Node::File { content: a, executable: x },
                        Node::File { content: b, executable: y },
                    ) => (a, x) == (b, y),
                    (Node::Link(a), Node::Link(b)) => a == b,
                    (Node::Directory(a), Node::Directory(b)) => same(a, b),
                    _ => false,
                }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A packed folder, read by the `tar` crate, equals the folder. The same tree from mappings
    /// without files gives the same tar.
    #[test]
    fn a_packed_folder_is_read_back_unchanged(tree in tree(), seed: u64) {
        let dir = TempDir::new().unwrap();
        write(dir.path(), &tree);
        let layer = layer_tar([FileMapping::new(dir.path(), "/")], Compression::None).unwrap();
        let read = read_back(&bytes(&layer));
        prop_assert!(same(&read, &tree), "{read:?}");

        let mut mappings = mappings(Path::new("/"), &tree);
        Random(seed).shuffle(&mut mappings);
        prop_assert_eq!(layer_tar(mappings, Compression::None).unwrap().diff_id(), layer.diff_id());
    }

    /// A layer is the same tar, described or stored, with any number of threads and any
    /// compression, and its digests match its bytes.
    #[test]
    fn described_and_stored_layers_are_equal(tree in tree(), threads in 1..4_usize, level in 1..7_u8) {
        let dir = TempDir::new().unwrap();
        let files = || mappings(Path::new("/"), &tree);
        let diff_id = layer_tar(files(), Compression::None).unwrap().diff_id();
        for compression in [Compression::None, Compression::Gzip { level }, Compression::Zstd { level }] {
            let options = LayerOptions::from(compression).pool(&Pool::new(threads));
            let described = layer_tar(files(), options.clone()).unwrap();
            let stored = layer_tar(files(), options.store(dir.path())).unwrap();
            prop_assert_eq!(described.descriptor(), stored.descriptor());
            prop_assert_eq!((described.diff_id(), stored.diff_id()), (diff_id, diff_id));
            let blob = bytes(&stored);
            prop_assert!(blob == bytes(&described));
            prop_assert_eq!(oci_layout::Digest::of(&blob), stored.descriptor().digest);
            prop_assert_eq!(oci_layout::Digest::of(decoded(&stored)), diff_id);
        }
    }

    /// Hard links have the contents of the files that they replace.
    #[test]
    fn hard_links_have_the_contents_of_the_files(mut tree in tree(), copies in vec(name(), 1..4)) {
        for copy in copies {
            tree.insert(copy, Node::File { content: b"the same".to_vec(), executable: false });
        }
        let files = mappings(Path::new("/"), &tree);
        let tar = common::tar_of(files, LayerOptions::default().hard_links(HardLinks::Merge));
        let mut contents: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut plain = Vec::new();
        for mut member in members(&tar) {
            if member.kind == EntryType::Link {
                prop_assert!(contents.contains_key(&member.link), "{} links to nothing before it", member);
                member.content = contents[&member.link].clone();
                prop_assert!(!member.content.is_empty());
                (member.kind, member.link) = (EntryType::Regular, Vec::new());
            } else if member.kind == EntryType::Regular {
                let same = |(path, content): (&Vec<u8>, &Vec<u8>)| (*content == member.content).then(|| path.clone());
                if let (false, Some(path)) = (member.content.is_empty(), contents.iter().find_map(same)) {
                    // Different modes, or they would be equal.
                    let other = plain.iter().find(|other: &&common::Member| other.path == path);
                    prop_assert_ne!(other.map(|other| other.mode), Some(member.mode));
                }
                contents.insert(member.path.clone(), member.content.clone());
            }
            plain.push(member);
        }
        prop_assert_eq!(plain, members(&common::tar_of(mappings(Path::new("/"), &tree), LayerOptions::default())));
    }

    /// The layout of a layer can be opened, is complete, and returns the layer.
    #[test]
    fn a_layout_gives_back_its_layer(tree in tree(), stored: bool) {
        let dir = TempDir::new().unwrap();
        let options = LayerOptions::from(Compression::ZSTD);
        let options = if stored { options.store(dir.path()) } else { options };
        let layer = layer_tar(mappings(Path::new("/"), &tree), options).unwrap();
        let config = image_config([&layer], json!({})).unwrap();
        let image = image_manifest(config, [layer.clone()], json!({})).unwrap();
        image_layout(dir.path(), [image.tagged("v1")], json!({})).unwrap();
        let layout = ImageLayout::open(dir.path()).unwrap();
        assert_whole(&layout);
        let image = layout.image(Some("v1"), None).unwrap();
        prop_assert_eq!(image.layers()[0].diff_id(), layer.diff_id());
        prop_assert!(same(&read_back(&decoded(&*image.layers()[0])), &tree));
    }
}
