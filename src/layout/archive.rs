//! An archive of images: a tar of a layout folder (an oci-archive), or a docker-archive. Files are
//! read in place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use tar::EntryType;

use crate::{
    basics::Result,
    store::{FileBytes, FileKind},
    tarfile::{Ending, Extent, TarReader, read_extents, reader::block::TarError},
};

/// A tar, and the positions of its members.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) tar: Arc<File>,
    /// The members by their paths in the layout. Of several with the same name, this is the last,
    /// as after unpacking.
    pub(crate) members: BTreeMap<String, Member>,
    /// The names that occur more than once.
    pub(crate) twice: BTreeSet<String>,
    /// How the tar ends, and what is wrong with it if it cannot be read to its end.
    pub(crate) ending: Ending,
    pub(crate) damage: Option<String>,
    /// Whether the archive cannot be read at all, so that the damage is the only thing to report.
    pub(crate) is_opaque: bool,
    pub(crate) kind: ArchiveKind,
}

/// The kind of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveKind {
    /// Whether the members are a view of a docker-archive.
    pub(crate) is_docker: bool,
    /// Whether the tar was decompressed into a file without a name.
    pub(crate) was_compressed: bool,
}

/// The maximum memory for the list of members, in bytes: enough for several hundred thousand blobs.
const MAX_KEPT: usize = 64 << 20;

/// A member of the archive.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    kind: FileKind,
    pub(crate) size: u64,
    bytes: Bytes,
    /// The target of a link, and whether it is a symbolic link.
    pub(crate) link: Option<(Box<str>, bool)>,
}

/// Where the contents of a member are.
#[derive(Clone, Debug)]
enum Bytes {
    /// In the tar. A layout may be packed without its zeros (`tar --sparse`).
    Lie(Arc<[Extent]>),
    /// In memory: the archive does not have this file.
    Made(Arc<[u8]>),
}

impl Member {
    pub(crate) fn folder() -> Self {
        Self { kind: FileKind::Folder, size: 0, bytes: Bytes::Lie(Arc::new([])), link: None }
    }

    /// Creates a file that is not in the archive.
    pub(crate) fn made(bytes: Vec<u8>) -> Self {
        Self {
            kind: FileKind::File,
            size: bytes.len() as u64,
            bytes: Bytes::Made(bytes.into()),
            link: None,
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }
}

impl Archive {
    pub(crate) fn lacks(&self, name: &str) -> bool {
        !self.members.contains_key(name)
    }

    pub(crate) fn list<R: Read>(&mut self, tar: &mut TarReader<R>) -> Result<(), TarError> {
        let mut kept = 0;
        while let Some(entry) = tar.next_entry()? {
            kept += size_of::<Member>() + entry.path.len() + entry.link.len();
            kept += entry.extents.len() * size_of::<Extent>();
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
            let link =
                (!entry.link.is_empty()).then(|| String::from_utf8_lossy(&entry.link).into());
            let link = link.map(|link| (link, entry.kind == EntryType::Symlink));
            let member =
                Member { kind, size: entry.size, bytes: Bytes::Lie(entry.extents.into()), link };
            let before = self.members.insert(name.clone(), member);
            if before
                .is_some_and(|before| (before.kind, kind) != (FileKind::Folder, FileKind::Folder))
            {
                self.twice.insert(name);
            }
        }
        self.ending = tar.ending()?;
        Ok(())
    }

    /// Returns the member with this name.
    pub(crate) fn member(&self, name: &str) -> Option<(&str, &Member)> {
        self.members.get_key_value(name).map(|(name, member)| (&**name, member))
    }

    /// Returns a reader of the contents of a member.
    pub(crate) fn contents(&self, member: &Member) -> Contents {
        Contents {
            tar: Arc::clone(&self.tar),
            bytes: member.bytes.clone(),
            at: 0,
            size: member.size,
        }
    }

    /// Returns the contents and the size of a file.
    pub(crate) fn file(&self, name: &str) -> Option<(Contents, u64)> {
        let member = self.members.get(name).filter(|member| member.is_file())?;
        Some((self.contents(member), member.size))
    }

    /// Returns the contents of a file as ranges of the archive; `None` if the file is not in the
    /// archive.
    pub(crate) fn file_bytes(&self, name: &str, path: &Path) -> Option<FileBytes> {
        let member = self.members.get(name).filter(|member| member.is_file())?;
        match &member.bytes {
            Bytes::Lie(extents) => Some(FileBytes::of_extents(
                Arc::clone(&self.tar),
                Arc::clone(extents),
                member.size,
                path,
            )),
            Bytes::Made(_) => None,
        }
    }

    /// Returns the offset of a file in the archive, if it is stored contiguously in a file that has
    /// a name.
    pub(crate) fn offset(&self, name: &str) -> Option<u64> {
        let member = self
            .members
            .get(name)
            .filter(|member| member.is_file() && !self.kind.was_compressed)?;
        match &member.bytes {
            Bytes::Lie(extents) => match extents[..] {
                [Extent { at: 0, length, offset }] if length == member.size => Some(offset),
                _ => None,
            },
            Bytes::Made(_) => None,
        }
    }

    pub(crate) fn kind(&self, name: &str) -> Option<FileKind> {
        // A folder may lack a member.
        let folder = || self.names_in(name).next().map(|_| FileKind::Folder);
        self.members.get(name).map(|member| member.kind).or_else(folder)
    }

    /// Returns the names directly in this folder.
    pub(crate) fn names_in(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{folder}/");
        let below = self.members.range(prefix.clone()..).map(|(name, _)| name.as_str());
        let below = below.map_while(move |name| name.strip_prefix(&prefix));
        below.map(|name| name.split_once('/').map_or(name, |(first, _)| first))
    }
}

/// A reader of a file in an archive.
pub(crate) struct Contents {
    tar: Arc<File>,
    bytes: Bytes,
    at: u64,
    size: u64,
}

impl Read for Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.size - self.at).unwrap_or(usize::MAX));
        match &self.bytes {
            Bytes::Lie(extents) => read_extents(&self.tar, extents, self.at, &mut buffer[..room])?,
            Bytes::Made(bytes) => {
                buffer[..room].copy_from_slice(&bytes[self.at as usize..][..room])
            }
        }
        self.at += room as u64;
        Ok(room)
    }
}
