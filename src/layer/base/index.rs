//! Reads the entries of a layer for an index.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, BufReader},
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

use tar::EntryType;

use crate::{
    basics::{Error, HashRead, Result},
    blob::Blob,
    recipe::{BaseDirectory, BaseEntry, BaseIndex, Outside},
    tarfile::{LayerPath, LinkFault, TarEntry, TarReader, Unpacked, decompress, follow},
};

/// The largest number of bytes that all paths and targets of one layer may have. The largest images
/// have some 50 MB.
const MOST: usize = 512 << 20;

/// Reads a layer from its first to its last byte, and checks its digest.
pub(crate) fn read(layer: &dyn Blob) -> Result<BaseIndex> {
    let descriptor = layer.descriptor();
    let unreadable = |cause| Error::blob(descriptor.digest, cause);
    let mut blob = HashRead::new(layer.open()?);
    let index = {
        let stream = BufReader::with_capacity(256 << 10, &mut blob);
        let (Unpacked::Compressed(tar) | Unpacked::Plain(tar)) =
            decompress(stream).map_err(unreadable)?;
        let mut tar = TarReader::new(tar);
        let mut entries = BTreeMap::new();
        let mut outside: Option<Outside> = None;
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
                    if leads_outside(&entries, &entry) {
                        let new = || Outside { first: entry.path.clone(), count: 0 };
                        outside.get_or_insert_with(new).count += 1;
                    }
                    add(&mut entries, entry);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(unreadable(io::Error::other(error.to_string()))),
            }
        };
        result.map(|()| BaseIndex::from_entries(entries).with_outside(outside))
    };
    // What follows the tar belongs to the digest. A damaged blob is the better explanation of a
    // damaged tar.
    io::copy(&mut blob, &mut io::sink()).map_err(unreadable)?;
    let (digest, size) = blob.finish();
    descriptor.check(size, Some(digest))?;
    index
}

/// Adds what an entry leaves when it is extracted after those before it. What no path can name is
/// left out: no destination can lead there.
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
        EntryType::Link => {
            match LayerPath::parse_member(&entry.link).ok().and_then(|target| entries.get(&target))
            {
                Some(BaseEntry::Symlink(target)) => BaseEntry::Symlink(target.clone()),
                _ => BaseEntry::File,
            }
        }
        _ => BaseEntry::File,
    };
    if !matches!(found, BaseEntry::Directory(_)) && !path.is_whiteout() {
        let after =
            entries.range(&path..).map(|(other, _)| other).skip_while(|other| **other == path);
        let below: Vec<_> = after.take_while(|other| other.is_below(&path)).cloned().collect();
        below.iter().for_each(|path| drop(entries.remove(path)));
    }
    entries.insert(path, found);
}

/// Whether the name of an entry, or of a hard link's target, is absolute or has `..`, or whether
/// the entry lies below a symbolic link of this layer that leads out of the image.
fn leads_outside(entries: &BTreeMap<LayerPath, BaseEntry>, entry: &TarEntry) -> bool {
    let is_outside = |name: &[u8]| {
        let path = Path::new(OsStr::from_bytes(name));
        path.is_absolute() || path.components().any(|component| component == Component::ParentDir)
    };
    if is_outside(&entry.path) || entry.kind == EntryType::Link && is_outside(&entry.link) {
        return true;
    }
    let Ok(path) = LayerPath::parse_member(&entry.path) else { return false };
    // What is in a directory of the layer was looked at when the directory was.
    if path.is_root() || matches!(entries.get(&path.parent()), Some(BaseEntry::Directory(_))) {
        return false;
    }
    let target_of = |path: &LayerPath| match entries.get(path) {
        Some(BaseEntry::Symlink(target)) => Ok::<_, LinkFault>(Some(target.clone())),
        _ => Ok(None),
    };
    matches!(
        follow(&path.parent(), &LayerPath::root(), target_of),
        Err(LinkFault::Escapes | LinkFault::Outside(_))
    )
}
