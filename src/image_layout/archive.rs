//! An archive of images: a tar of the folder of a layout (an oci-archive), or a docker-archive. Every file can be read
//! where it lies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::Arc,
};

use tar::EntryType;

use crate::image_layout::{compressed, docker_archive, file_kind::FileKind, paths::MARKER};
use crate::{
    checked::FileBytes,
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
    /// Whether nothing in it can be told, so that the damage is all there is to say.
    pub(super) is_opaque: bool,
    pub(super) kind: ArchiveKind,
}

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArchiveKind {
    /// Whether the members are a view of a docker-archive.
    pub(super) is_docker: bool,
    /// Whether the tar was unpacked, so that its members lie in no file that has a name.
    pub(super) was_compressed: bool,
}

/// The most bytes that the list of members may take: some hundred thousand blobs.
const MAX_KEPT: usize = 64 << 20;

/// What lies under a name.
#[derive(Clone, Debug)]
pub(super) struct Member {
    kind: FileKind,
    pub(super) size: u64,
    bytes: Bytes,
    /// The target of a link, and whether the link is a symbolic one.
    pub(super) link: Option<(Box<str>, bool)>,
}

/// Where the contents of a member are.
#[derive(Clone, Debug)]
enum Bytes {
    /// In the tar; whoever packs a layout may leave out zeros (`tar --sparse`).
    Lie(Arc<[Extent]>),
    /// Here: the archive lacks this file.
    Made(Arc<[u8]>),
}

impl Member {
    pub(super) fn folder() -> Self {
        Self { kind: FileKind::Folder, size: 0, bytes: Bytes::Lie(Arc::new([])), link: None }
    }

    /// A file that the archive lacks.
    pub(super) fn made(bytes: Vec<u8>) -> Self {
        Self { kind: FileKind::File, size: bytes.len() as u64, bytes: Bytes::Made(bytes.into()), link: None }
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }
}

impl Archive {
    /// Opens an archive. One that is compressed is unpacked into a file without a name in the scratch folder.
    pub(super) fn open(path: &Path, scratch: Option<&Path>) -> Result<Self> {
        let mut archive = Self {
            tar: Arc::new(File::open(path).map_err(Error::read(path))?),
            members: BTreeMap::new(),
            twice: BTreeSet::new(),
            ending: Ending::default(),
            damage: None,
            is_opaque: false,
            kind: ArchiveKind { is_docker: false, was_compressed: false },
        };
        match compressed::unpack(path, &archive.tar, scratch)? {
            compressed::Tar::Plain => {}
            compressed::Tar::Unpacked(tar) => {
                archive.tar = Arc::new(tar);
                archive.kind.was_compressed = true;
            }
            compressed::Tar::Refused(reason) => {
                (archive.damage, archive.is_opaque) = (Some(reason), true);
                return Ok(archive);
            }
        }
        let reader = BufReader::new(archive.tar.try_clone().map_err(Error::read(path))?);
        let mut tar = TarReader::seekable(reader).map_err(Error::read(path))?;
        if let Err(error) = archive.list(&mut tar) {
            let kind = if archive.members.is_empty() {
                "is neither the folder of an image layout, an oci-archive nor a docker-archive"
            } else {
                "is a damaged archive"
            };
            archive.damage = Some(format!("{kind}: {error}"));
        } else if archive.lacks(MARKER) && !archive.lacks(docker_archive::MANIFEST) {
            match docker_archive::layout(&archive) {
                Ok(members) => {
                    archive.members = members;
                    archive.kind.is_docker = true;
                }
                Err(reason) => (archive.damage, archive.is_opaque) = (Some(reason), true),
            }
        } else if archive.lacks(MARKER) && !archive.lacks(docker_archive::REPOSITORIES) {
            let reason = "is a docker-archive of a Docker before 1.10, which this program does not read: load it with \
                          docker, and save it again";
            (archive.damage, archive.is_opaque) = (Some(reason.to_owned()), true);
        }
        Ok(archive)
    }

    fn lacks(&self, name: &str) -> bool {
        !self.members.contains_key(name)
    }

    fn list<R: Read>(&mut self, tar: &mut TarReader<R>) -> Result<(), TarError> {
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
            let link = (!entry.link.is_empty()).then(|| String::from_utf8_lossy(&entry.link).into());
            let link = link.map(|link| (link, entry.kind == EntryType::Symlink));
            let member = Member { kind, size: entry.size, bytes: Bytes::Lie(entry.extents.into()), link };
            let before = self.members.insert(name.clone(), member);
            if before.is_some_and(|before| (before.kind, kind) != (FileKind::Folder, FileKind::Folder)) {
                self.twice.insert(name);
            }
        }
        self.ending = tar.ending()?;
        Ok(())
    }

    /// A member by its name.
    pub(super) fn member(&self, name: &str) -> Option<(&str, &Member)> {
        self.members.get_key_value(name).map(|(name, member)| (&**name, member))
    }

    /// The contents of a member.
    pub(super) fn contents(&self, member: &Member) -> Contents {
        Contents { tar: Arc::clone(&self.tar), bytes: member.bytes.clone(), at: 0, size: member.size }
    }

    /// A file's contents and their size.
    pub(super) fn file(&self, name: &str) -> Option<(Contents, u64)> {
        let member = self.members.get(name).filter(|member| member.is_file())?;
        Some((self.contents(member), member.size))
    }

    /// A file's contents where they lie in the archive's file; `None` for one that does not lie there.
    pub(super) fn file_bytes(&self, name: &str, path: &Path) -> Option<FileBytes> {
        let member = self.members.get(name).filter(|member| member.is_file())?;
        match &member.bytes {
            Bytes::Lie(extents) => {
                Some(FileBytes::of_extents(Arc::clone(&self.tar), Arc::clone(extents), member.size, path))
            }
            Bytes::Made(_) => None,
        }
    }

    /// Where in the archive's file a file's contents lie, if they lie there in one piece.
    pub(super) fn offset(&self, name: &str) -> Option<u64> {
        let member = self.members.get(name).filter(|member| member.is_file() && !self.kind.was_compressed)?;
        match &member.bytes {
            Bytes::Lie(extents) => match extents[..] {
                [Extent { at: 0, length, offset }] if length == member.size => Some(offset),
                _ => None,
            },
            Bytes::Made(_) => None,
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
pub(super) struct Contents {
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
            Bytes::Made(bytes) => buffer[..room].copy_from_slice(&bytes[self.at as usize..][..room]),
        }
        self.at += room as u64;
        Ok(room)
    }
}
