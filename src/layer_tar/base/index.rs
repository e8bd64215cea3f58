//! The entries of one layer, as far as a layer above it has to know them.

use std::{
    collections::BTreeMap,
    io::{self, BufReader},
};

use serde::{Deserialize, Serialize};
use tar::EntryType;

use crate::{
    blob::Blob,
    decompress::{Unpacked, decompress},
    digest::HashRead,
    error::{Error, Result},
    layer_tar::path::LayerPath,
    tar_reader::{TarEntry, TarReader},
};

/// What a layer has at each path, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Index(Vec<(LayerPath, BaseEntry)>);

/// What lies at one path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum BaseEntry {
    Directory(BaseDirectory),
    /// A directory that a recipe knows of, and of which no layer has an entry: only what is in it.
    ImpliedDirectory,
    /// A symbolic link with this target.
    Symlink(#[serde(with = "crate::layer_tar::path::bytes")] Vec<u8>),
    /// Anything else that has no files below it, a whiteout among it.
    File,
}

/// The attributes of a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BaseDirectory {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The largest number of bytes that all paths and targets of one layer may have. The largest images have some 50 MB.
const MOST: usize = 512 << 20;

impl Index {
    /// Reads a layer from its first to its last byte, and checks its digest.
    pub(crate) fn read(layer: &dyn Blob) -> Result<Self> {
        let descriptor = layer.descriptor();
        let unreadable = |cause| Error::blob(descriptor.digest, cause);
        let mut blob = HashRead::new(layer.open()?);
        let index = {
            let stream = BufReader::with_capacity(256 << 10, &mut blob);
            let (Unpacked::Compressed(tar) | Unpacked::Plain(tar)) = decompress(stream).map_err(unreadable)?;
            let mut tar = TarReader::new(tar);
            let mut entries = BTreeMap::new();
            let mut size = 0;
            let result = loop {
                match tar.next_entry() {
                    Ok(Some(entry)) => {
                        size += entry.path.len() + entry.link.len();
                        if size > MOST {
                            break Err(Error::blob(
                                descriptor.digest,
                                io::Error::other("its paths are too many to be kept"),
                            ));
                        }
                        add(&mut entries, entry);
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(unreadable(io::Error::other(error.to_string()))),
                }
            };
            result.map(|()| Self(entries.into_iter().collect()))
        };
        // What follows the tar belongs to the digest. A damaged blob is the better explanation of a damaged tar.
        io::copy(&mut blob, &mut io::sink()).map_err(unreadable)?;
        let (digest, size) = blob.finish();
        descriptor.check(size, Some(digest))?;
        index
    }

    /// An index of these entries.
    pub(crate) fn from_entries(entries: BTreeMap<LayerPath, BaseEntry>) -> Self {
        Self(entries.into_iter().collect())
    }

    pub(crate) fn entries(&self) -> &[(LayerPath, BaseEntry)] {
        &self.0
    }

    /// What the layer says of this path itself.
    pub(super) fn get(&self, path: &LayerPath) -> Option<&BaseEntry> {
        self.0.binary_search_by(|(other, _)| other.cmp(path)).ok().map(|at| &self.0[at].1)
    }

    /// Whether the layer has an entry below this path.
    pub(super) fn has_below(&self, path: &LayerPath) -> bool {
        let after = self.0.partition_point(|(other, _)| other <= path);
        self.0.get(after).is_some_and(|(other, _)| other.is_below(path))
    }
}

/// Adds what an entry leaves when it is extracted after those before it. What no path can name is left out: no
/// destination can lead there.
fn add(entries: &mut BTreeMap<LayerPath, BaseEntry>, entry: TarEntry) {
    let Ok(path) = LayerPath::parse_member(&entry.path) else { return };
    let found = match entry.kind {
        EntryType::Directory => BaseEntry::Directory(BaseDirectory {
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs,
        }),
        EntryType::Symlink => BaseEntry::Symlink(entry.link),
        // A hard link to a symbolic link is a symbolic link.
        EntryType::Link => match LayerPath::parse_member(&entry.link).ok().and_then(|target| entries.get(&target)) {
            Some(BaseEntry::Symlink(target)) => BaseEntry::Symlink(target.clone()),
            _ => BaseEntry::File,
        },
        _ => BaseEntry::File,
    };
    if !matches!(found, BaseEntry::Directory(_)) && !path.is_whiteout() {
        let after = entries.range(&path..).map(|(other, _)| other).skip_while(|other| **other == path);
        let below: Vec<_> = after.take_while(|other| other.is_below(&path)).cloned().collect();
        below.iter().for_each(|path| drop(entries.remove(path)));
    }
    entries.insert(path, found);
}
