//! An oci-archive: a tar of the folder of a layout, of which every file can be read where it lies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use tar::EntryType;

use super::files::FileKind;
use crate::{
    error::{Error, Result},
    tar_reader::{Ending, Extent, TarError, TarReader, read_extents},
};

/// A tar and where its members are.
#[derive(Debug)]
pub(super) struct Archive {
    tar: Arc<File>,
    /// By their paths in the layout; of several under one name the last, which is what unpacking leaves.
    members: BTreeMap<String, Member>,
    /// The names that are there more than once.
    pub(super) twice: BTreeSet<String>,
    /// How it ends; what is wrong with it, if that can't be seen.
    pub(super) ending: Ending,
    pub(super) damage: Option<String>,
}

/// The most bytes that the list of members may take: some hundred thousand blobs.
const MAX_KEPT: usize = 64 << 20;

#[derive(Debug)]
struct Member {
    kind: FileKind,
    size: u64,
    /// Where the contents lie; whoever packs a layout may leave out zeros (`tar --sparse`).
    extents: Arc<[Extent]>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let mut magic = [0; 4];
        let read = file.read_at(&mut magic, 0).map_err(Error::read(path))?;
        let compressed = magic[..read].starts_with(&[0x1f, 0x8b]) || magic[..read] == [0x28, 0xb5, 0x2f, 0xfd];
        let reader = BufReader::new(file.try_clone().map_err(Error::read(path))?);
        let mut tar = TarReader::seekable(reader).map_err(Error::read(path))?;
        let mut archive = Self {
            tar: Arc::new(file),
            members: BTreeMap::new(),
            twice: BTreeSet::new(),
            ending: Ending::default(),
            damage: None,
        };
        if compressed {
            archive.damage = Some("is compressed: decompress the archive first".to_owned());
        } else if let Err(error) = archive.list(&mut tar) {
            let kind = if archive.members.is_empty() {
                "is neither the folder of an image layout nor an oci-archive"
            } else {
                "is a damaged archive"
            };
            archive.damage = Some(format!("{kind}: {error}"));
        }
        Ok(archive)
    }

    fn list<R: Read>(&mut self, tar: &mut TarReader<R>) -> Result<(), TarError> {
        let mut kept = 0;
        while let Some(entry) = tar.next_entry()? {
            kept += size_of::<Member>() + entry.path.len() + entry.extents.len() * size_of::<Extent>();
            if kept > MAX_KEPT {
                let reason = "it has more members than any image layout".to_owned();
                return Err(TarError { offset: entry.offset, reason });
            }
            let name = String::from_utf8_lossy(&entry.path);
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            let kind = match entry.kind {
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => FileKind::File,
                EntryType::Directory => FileKind::Folder,
                EntryType::Symlink => FileKind::Other("symbolic link"),
                EntryType::Link => FileKind::Other("hard link"),
                _ => FileKind::Other("device or fifo"),
            };
            let member = Member { kind, size: entry.size, extents: entry.extents.into() };
            let before = self.members.insert(name.clone(), member);
            if before.is_some_and(|before| (before.kind, kind) != (FileKind::Folder, FileKind::Folder)) {
                self.twice.insert(name);
            }
        }
        self.ending = tar.ending()?;
        Ok(())
    }

    /// A file's contents and their size.
    pub(super) fn file(&self, name: &str) -> Option<(impl Read + Send + use<>, u64)> {
        let member = self.members.get(name).filter(|member| member.kind == FileKind::File)?;
        let (tar, extents) = (Arc::clone(&self.tar), Arc::clone(&member.extents));
        Some((Contents { tar, extents, at: 0, size: member.size }, member.size))
    }

    /// Where in the archive a file's contents lie, if they lie there in one piece.
    pub(super) fn offset(&self, name: &str) -> Option<u64> {
        let member = self.members.get(name).filter(|member| member.kind == FileKind::File)?;
        match member.extents[..] {
            [Extent { at: 0, length, offset }] if length == member.size => Some(offset),
            _ => None,
        }
    }

    pub(super) fn kind(&self, name: &str) -> Option<FileKind> {
        // Folders need no member of their own.
        let folder = || self.names_in(name).next().map(|_| FileKind::Folder);
        self.members.get(name).map(|member| member.kind).or_else(folder)
    }

    /// The names of what is right in this folder.
    pub(super) fn names_in(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{folder}/");
        let below = self.members.range(prefix.clone()..).map(|(name, _)| name.as_str());
        let below = below.map_while(move |name| name.strip_prefix(&prefix));
        below.map(|name| name.split_once('/').map_or(name, |(first, _)| first))
    }
}

/// The contents of a file in an archive.
struct Contents {
    tar: Arc<File>,
    extents: Arc<[Extent]>,
    at: u64,
    size: u64,
}

impl Read for Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.size - self.at).unwrap_or(usize::MAX));
        read_extents(&self.tar, &self.extents, self.at, &mut buffer[..room])?;
        self.at += room as u64;
        Ok(room)
    }
}
