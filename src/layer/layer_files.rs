//! The files of one layer, without their contents, in few bytes: there may be millions.

use std::{
    collections::HashSet, ffi::OsStr, io, os::unix::ffi::OsStrExt, path::PathBuf, sync::Arc,
};

use tar::EntryType;

use crate::{
    basics::{
        digest::{Digest, Hasher},
        error::{Error, Result},
    },
    blob::{chunks, traits::Blob},
    pool::Pool,
    tarfile::{
        decompress::unpacked,
        decompress_ahead::decompress_ahead,
        path::LayerPath,
        reader::{TarEntry, TarError, TarReader},
        xattrs::Xattrs,
    },
};

/// What a layer contains, in the order of its tar.
#[derive(Default)]
pub(crate) struct LayerFiles {
    members: Members,
    /// The names of entries that no file system can have, and why, in words that follow the name.
    pub(crate) left_out: Vec<(PathBuf, String)>,
    pub(crate) digests: Digests,
}

/// An entry of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) path: LayerPath,
    pub(crate) is: Is,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Is {
    File(File),
    /// A second name of the file at this path.
    HardLink(LayerPath),
    /// The path says what is removed.
    Whiteout,
}

/// A file, directory, link or device, without its path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) kind: Kind,
    pub(crate) mtime: i64,
    /// [`File::NO_OFFSET`] for a directory without an entry.
    offset: u64,
    /// What few files have.
    rare: Option<Arc<Rare>>,
    owner: (u32, u32),
    pub(crate) nanoseconds: u32,
    pub(crate) mode: u16,
    /// Whether it has several names, or had.
    pub(crate) is_linked: bool,
}

/// Extended attributes, and an owner and group, one of which is a number that no system supports.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rare {
    xattrs: Xattrs,
    owner: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A regular file of this size.
    File(u64),
    Directory,
    /// A symbolic link with this target. Few files are links.
    #[expect(clippy::box_collection, reason = "the size of all files")]
    Symlink(Box<Vec<u8>>),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

impl Member {
    /// The entry of a tar.
    ///
    /// # Errors
    ///
    /// Why no file system can have the entry, in words that follow its name.
    pub(crate) fn new(entry: &TarEntry) -> Result<Self, String> {
        let path = LayerPath::parse_member(&entry.path)?;
        if path.is_whiteout() {
            return Ok(Self { path, is: Is::Whiteout });
        }
        if entry.kind.is_hard_link() {
            let target = LayerPath::parse_member(&entry.link).map_err(|reason| {
                let name = String::from_utf8_lossy(&entry.link);
                format!("is a hard link to {name:?}, which {reason}")
            })?;
            return Ok(Self { path, is: Is::HardLink(target) });
        }
        let Some(file) = File::new(entry) else {
            let kind = char::from(entry.kind.as_byte()).escape_debug();
            return Err(format!("has the type '{kind}', which no file system has"));
        };
        if path.is_root() && !file.is_dir() {
            return Err("is the root, and not a directory".to_owned());
        }
        Ok(Self { path, is: Is::File(file) })
    }
}

impl File {
    const NO_OFFSET: u64 = u64::MAX;

    /// `None` for a hard link and for types that no file system has.
    fn new(entry: &TarEntry) -> Option<Self> {
        let (major, minor) = entry.device;
        let kind = match entry.kind {
            _ if has_contents(entry) => Kind::File(entry.size),
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(Box::new(entry.link.clone())),
            EntryType::Char => Kind::CharDevice(major, minor),
            EntryType::Block => Kind::BlockDevice(major, minor),
            EntryType::Fifo => Kind::Fifo,
            _ => return None,
        };
        let TarEntry { uid, gid, mtime, offset, nanoseconds, .. } = *entry;
        let owner = u32::try_from(uid).ok().zip(u32::try_from(gid).ok());
        let is_rare = owner.is_none() || !entry.xattrs.is_empty();
        let rare = is_rare.then(|| {
            let xattrs = Xattrs::from(entry.xattrs.clone());
            Arc::new(Rare { xattrs, owner: owner.is_none().then_some((uid, gid)) })
        });
        let mode = (entry.mode & 0o7777) as u16;
        let (owner, is_linked) = (owner.unwrap_or_default(), false);
        Some(Self { kind, mtime, offset, rare, owner, nanoseconds, mode, is_linked })
    }

    /// A directory that no layer has an entry for: it exists because of what is below it.
    pub(crate) fn implied() -> Self {
        Self {
            kind: Kind::Directory,
            mtime: 0,
            offset: Self::NO_OFFSET,
            rare: None,
            owner: (0, 0),
            nanoseconds: 0,
            mode: 0o755,
            is_linked: false,
        }
    }

    /// The offset of its headers in the tar of its layer; `None` if it has none there.
    pub(crate) fn offset(&self) -> Option<u64> {
        (self.offset != Self::NO_OFFSET).then_some(self.offset)
    }

    /// The owner and the group.
    pub(crate) fn owner(&self) -> (u64, u64) {
        let rare = self.rare.as_ref().and_then(|rare| rare.owner);
        rare.unwrap_or((self.owner.0.into(), self.owner.1.into()))
    }

    pub(crate) fn xattrs(&self) -> Xattrs {
        self.rare.as_ref().map(|rare| rare.xattrs.clone()).unwrap_or_default()
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// The target of a symbolic link.
    pub(crate) fn target(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Symlink(target) => Some(target),
            _ => None,
        }
    }
}

/// What to read of layers, apart from their entries.
#[derive(Clone, Copy, Default)]
pub(crate) struct ReadFiles<'a> {
    /// Whether the digests of contents are wanted.
    pub(crate) digests: bool,
    /// Paths that are in memory already, whose bytes equal paths share.
    pub(crate) known: Option<&'a HashSet<&'a LayerPath>>,
}

/// The tar of a layer, while it is read.
pub(crate) type LayerTar<'a> = TarReader<&'a mut dyn io::Read>;

impl LayerFiles {
    /// Reads layers to their ends, and verifies their digests. The pool reads several at the same
    /// time.
    ///
    /// # Errors
    ///
    /// Those of reading a layer, and [`Error::BlobDamaged`] if its bytes are not those of its
    /// digest.
    pub(crate) fn read<B: Blob>(
        layers: &[B],
        pool: &Pool,
        what: ReadFiles<'_>,
    ) -> Result<Vec<Self>> {
        let read = Self::read_with(layers, pool, what, |(): &mut (), _, _| Ok(()))?;
        Ok(read.into_iter().map(|(files, ())| files).collect())
    }

    /// The same, with what `look` gathers from the entries of each layer, whose contents it can
    /// read.
    ///
    /// # Errors
    ///
    /// As of [`LayerFiles::read`], and the errors of `look`.
    pub(crate) fn read_with<B: Blob, T: Default + Send>(
        layers: &[B],
        pool: &Pool,
        what: ReadFiles<'_>,
        look: impl Fn(&mut T, &mut LayerTar<'_>, &TarEntry) -> Result<(), TarError> + Sync,
    ) -> Result<Vec<(Self, T)>> {
        // A pool that reads as many layers as it has threads is busy.
        let is_ahead = layers.len() < pool.threads();
        let read = |layer: &B| {
            let mut gathered = T::default();
            let look = |tar: &mut LayerTar<'_>, entry: &TarEntry| look(&mut gathered, tar, entry);
            Ok((Self::read_layer(layer, is_ahead, what, look)?, gathered))
        };
        pool.map_parts(layers, read).into_iter().collect()
    }

    fn read_layer(
        layer: &dyn Blob,
        is_ahead: bool,
        what: ReadFiles<'_>,
        look: impl FnMut(&mut LayerTar<'_>, &TarEntry) -> Result<(), TarError>,
    ) -> Result<Self> {
        let digest = layer.descriptor().digest;
        chunks::verified(layer, |blob| {
            let read = |tar: &mut dyn io::Read| Self::of(&mut TarReader::new(tar), what, look);
            let files = if is_ahead {
                decompress_ahead(blob, read)
            } else {
                read(&mut unpacked(blob).map_err(|cause| Error::blob(digest, cause))?)
            };
            files.map_err(|error| Error::blob(digest, io::Error::other(error.to_string())))
        })
    }

    fn of(
        tar: &mut LayerTar<'_>,
        what: ReadFiles<'_>,
        mut look: impl FnMut(&mut LayerTar<'_>, &TarEntry) -> Result<(), TarError>,
    ) -> Result<Self, TarError> {
        let mut files = Self::default();
        while let Some(entry) = tar.next_entry()? {
            look(tar, &entry)?;
            if what.digests && has_contents(&entry) {
                files.digests.0.push((entry.offset, digest_of(tar, &entry)?));
            }
            match Member::new(&entry) {
                Ok(mut member) => {
                    let known = what.known.and_then(|known| known.get(&member.path));
                    if let Some(path) = known {
                        member.path = LayerPath::clone(path);
                    }
                    files.members.push(member);
                }
                Err(reason) => files.left_out.push((name(&entry), reason)),
            }
        }
        files.digests.0.shrink_to_fit();
        Ok(files)
    }

    /// The entries, in the order of the tar.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The same, whose memory is free as soon as they are used.
    pub(crate) fn into_members(self) -> impl Iterator<Item = Member> {
        self.members.into_iter()
    }
}

/// Whether an entry is a regular file. A contiguous file is one in all systems of today:
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>.
pub(crate) fn has_contents(entry: &TarEntry) -> bool {
    matches!(entry.kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse)
}

/// The name of an entry, as it is in the tar.
pub(crate) fn name(entry: &TarEntry) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&entry.path))
}

/// The name of an entry at this path, as most tars have it.
pub(crate) fn name_of(path: &LayerPath) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&path.to_bytes()))
}

/// Entries in their order. They are in parts, which are never copied, and as large as those of
/// [`ByPath`](crate::layer::by_path::ByPath): the memory of a part that was used fits one of those.
#[derive(Default)]
pub(crate) struct Members(Vec<Vec<Member>>);

impl Members {
    const FULL: usize = (16 << 10) / size_of::<Member>();

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter().flatten()
    }

    /// The same, whose memory is free as soon as they are used.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = Member> {
        self.0.into_iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len().saturating_sub(1) * Self::FULL + self.0.last().map_or(0, Vec::len)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Member> {
        self.0.get(at / Self::FULL)?.get(at % Self::FULL)
    }

    pub(crate) fn push(&mut self, member: Member) {
        match self.0.last_mut().filter(|part| part.len() < Self::FULL) {
            Some(part) => part.push(member),
            None => {
                let mut part = Vec::with_capacity(Self::FULL);
                part.push(member);
                self.0.push(part);
            }
        }
    }
}

/// The digests of the contents of a layer's files, by the offset of their entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Vec<(u64, Digest)>);

impl Digests {
    pub(crate) fn get(&self, offset: u64) -> Option<Digest> {
        // Entries come in the order of their offsets.
        let at = self.0.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some(self.0[at].1)
    }
}

/// The digest of the contents of the entry that was returned last. Where holes are is a part of the
/// contents of a sparse file, because a hole may be larger than any disk.
fn digest_of<R: io::Read>(tar: &mut TarReader<R>, entry: &TarEntry) -> Result<Digest, TarError> {
    let mut hasher = Hasher::default();
    tar.contents(entry, |at, bytes| {
        if entry.sparse {
            hasher.update(&at.to_be_bytes());
        }
        hasher.update(bytes);
        Ok::<_, TarError>(())
    })?;
    Ok(hasher.finish().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image may have millions of files.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn members_are_small() {
        assert_eq!(size_of::<Kind>(), 16);
        assert_eq!(size_of::<File>(), 56);
        assert_eq!(size_of::<Member>(), 72);
    }
}
