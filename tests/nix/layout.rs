//! Reads a layout that Nix made, without our own code.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use walkdir::WalkDir;

use crate::common::tool::{run, schemas, tool};
use crate::nix::versions::PROGRAMS;

pub struct Layout(pub PathBuf);

impl Layout {
    /// A layout that was checked for everything that holds for each of them: only regular files
    /// (which some programs require), documents that match the schemas, and no finding of
    /// `oci-layout verify`.
    #[track_caller]
    pub fn checked(path: PathBuf) -> Self {
        for entry in WalkDir::new(&path) {
            let entry = entry.unwrap();
            let file_type = entry.file_type();
            assert!(
                file_type.is_dir() || file_type.is_file(),
                "{:?} is a {file_type:?}",
                entry.path()
            );
            assert_eq!(entry.metadata().unwrap().mtime(), 1);
        }
        schemas(&path);
        let mut verify = tool(PROGRAMS.join("oci-layout/bin/oci-layout").to_str().unwrap());
        // The program does not know a store that is not at /nix/store.
        let store = path.parent().unwrap();
        assert_eq!(run(verify.arg("verify").arg(&path).arg("--recipe-root").arg(store)), "");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.0.join("index.json")).unwrap()).unwrap()
    }

    /// The tag of each image with its descriptor, in order.
    pub fn tags(&self) -> Vec<String> {
        let index = self.index();
        let tag = |descriptor: &Value| {
            descriptor["annotations"]["org.opencontainers.image.ref.name"].clone()
        };
        index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(tag)
            .map(|tag| tag.as_str().unwrap().to_owned())
            .collect()
    }

    /// The only image of the layout, or the image with the tag.
    #[track_caller]
    pub fn image(&self, tag: Option<&str>) -> Image<'_> {
        let index = self.index();
        let images = index["manifests"].as_array().unwrap();
        let has_tag = |image: &&Value| {
            tag.is_none_or(|tag| image["annotations"]["org.opencontainers.image.ref.name"] == tag)
        };
        let found: Vec<&Value> = images.iter().filter(has_tag).collect();
        assert_eq!(found.len(), 1, "{index}");
        Image { layout: self, digest: found[0]["digest"].as_str().unwrap().to_owned() }
    }

    /// The document of a descriptor.
    pub fn document(&self, digest: &str) -> Value {
        serde_json::from_slice(&fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.0.join("blobs").join(digest.replace(':', "/"))
    }
}

pub struct Image<'a> {
    layout: &'a Layout,
    pub digest: String,
}

impl Image<'_> {
    pub fn manifest(&self) -> Value {
        self.layout.document(&self.digest)
    }

    pub fn config(&self) -> Value {
        self.layout.document(self.manifest()["config"]["digest"].as_str().unwrap())
    }

    /// The digests of the layers, in order.
    pub fn layers(&self) -> Vec<String> {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// GNU tar's list of each layer: a line `-rwxr-xr-x 0/0 nix/store/greet/bin/greet` for each
    /// entry, sorted, without the hash parts of store paths.
    pub fn listings(&self) -> Vec<Vec<String>> {
        self.layers().iter().map(|layer| listing(&self.layout.blob(layer))).collect()
    }

    /// The store paths in each layer, by their names, sorted.
    pub fn store_paths(&self) -> Vec<Vec<String>> {
        let name =
            |line: &String| Some(line.split_once(" nix/store/")?.1.split('/').next()?.to_owned());
        let names = |listing: &Vec<String>| {
            let names: BTreeSet<String> =
                listing.iter().filter_map(name).filter(|name| !name.is_empty()).collect();
            names.into_iter().collect()
        };
        self.listings().iter().map(names).collect()
    }
}

/// GNU tar's list of a tar, as in [`Image::listings`].
pub fn listing(tar: &Path) -> Vec<String> {
    let options = [
        "--list",
        "--verbose",
        "--full-time",
        "--utc",
        "--numeric-owner",
        "--quoting-style=escape",
        "--file",
    ];
    let listing = run(tool("tar").env("LC_ALL", "C").args(options).arg(tar));
    let mut lines: Vec<String> = listing.lines().map(entry).collect();
    lines.sort_by_cached_key(|line| line.splitn(3, ' ').last().map(str::to_owned));
    lines
}

/// A line of GNU tar without the size and the time, which is always that of a store.
fn entry(line: &str) -> String {
    let (attributes, path) = line.split_once(" 1970-01-01 00:00:01 ").expect(line);
    let mut attributes = attributes.split_whitespace();
    let (mode, owner) = (attributes.next().unwrap(), attributes.next().unwrap());
    format!(
        "{mode} {owner} {}",
        path.split("nix/store/").map(without_hash).collect::<Vec<_>>().join("nix/store/")
    )
}

/// `HASH-name/file` as `name/file`.
fn without_hash(inside: &str) -> &str {
    match inside.split_at_checked(32) {
        Some((hash, name)) if hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) => &name[1..],
        _ => inside,
    }
}
