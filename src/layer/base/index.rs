//! Reads the entries of a layer for an index.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

use tar::EntryType;

use crate::{
    basics::{Error, Result},
    blob::{Blob, chunks},
    layer::layer_files::{File, Is, Kind, Member},
    recipe::{BaseDirectory, BaseEntry, BaseIndex, Outside},
    tarfile::{
        LayerPath, LinkFault, TarEntry, TarReader, follow, reader::block::TarError, unpacked,
    },
};

/// The maximum total size of all paths and targets of a layer. The largest images have about 50 MB.
const MOST: usize = 512 << 20;

/// Reads a layer from its first to its last byte, and verifies its digest.
pub(crate) fn read(layer: &dyn Blob) -> Result<BaseIndex> {
    let digest = layer.descriptor().digest;
    chunks::verified(layer, |blob| {
        let tar = unpacked(blob).map_err(|cause| Error::blob(digest, cause))?;
        index_of(TarReader::new(tar))
            .map_err(|error| Error::blob(digest, io::Error::other(error.to_string())))
    })
}

fn index_of(mut tar: TarReader<impl Read>) -> Result<BaseIndex, TarError> {
    let mut entries = BTreeMap::new();
    let mut outside: Option<Outside> = None;
    let mut size = 0;
    while let Some(entry) = tar.next_entry()? {
        size += entry.path.len() + entry.link.len();
        if size > MOST {
            let reason = "its paths take too much memory".to_owned();
            return Err(TarError { offset: entry.offset, reason });
        }
        if leads_outside(&entries, &entry) {
            let new = || Outside { first: entry.path.clone(), count: 0 };
            outside.get_or_insert_with(new).count += 1;
        }
        add(&mut entries, &entry);
    }
    Ok(BaseIndex::from_entries(entries).with_outside(outside))
}

/// Adds the result of extracting an entry after the previous ones. Omits what no file system can
/// have, because no destination can pass through it.
fn add(entries: &mut BTreeMap<LayerPath, BaseEntry>, entry: &TarEntry) {
    let Ok(Member { path, is }) = Member::new(entry) else { return };
    let found = match is {
        Is::File(file @ File { kind: Kind::Directory, mode, mtime, .. }) => {
            let ((uid, gid), mode) = (file.owner(), mode.into());
            let xattrs = entry.xattrs.clone();
            BaseEntry::Directory(BaseDirectory { mode, uid, gid, mtime, xattrs })
        }
        Is::File(File { kind: Kind::Symlink(target), .. }) => BaseEntry::Symlink(*target),
        // A hard link to a symbolic link is a symbolic link.
        Is::HardLink(target) => match entries.get(&target) {
            Some(BaseEntry::Symlink(target)) => BaseEntry::Symlink(target.clone()),
            _ => BaseEntry::File,
        },
        Is::File(_) | Is::Whiteout => BaseEntry::File,
    };
    if !matches!(found, BaseEntry::Directory(_)) && !path.is_whiteout() {
        let after =
            entries.range(&path..).map(|(other, _)| other).skip_while(|other| **other == path);
        let below: Vec<_> = after.take_while(|other| other.is_below(&path)).cloned().collect();
        below.iter().for_each(|path| drop(entries.remove(path)));
    }
    entries.insert(path, found);
}

/// Whether the name of an entry, or the target of a hard link, is absolute or has `..`, or whether
/// the entry is below a symbolic link of this layer that leads out of the image.
fn leads_outside(entries: &BTreeMap<LayerPath, BaseEntry>, entry: &TarEntry) -> bool {
    let is_outside = |name: &[u8]| {
        let path = Path::new(OsStr::from_bytes(name));
        path.is_absolute() || path.components().any(|component| component == Component::ParentDir)
    };
    if is_outside(&entry.path) || entry.kind == EntryType::Link && is_outside(&entry.link) {
        return true;
    }
    let Ok(path) = LayerPath::parse_member(&entry.path) else { return false };
    // The parents of a directory in the layer were checked with that directory.
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
