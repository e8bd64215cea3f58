//! An existing tar as a source: its members, with their contents left where they lie.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::{BufReader, Read, Seek, Write},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::fs::fstat;
use tar::EntryType;

use crate::{
    decompress::{Unpacked, decompress},
    error::{Error, Result},
    layer_tar::{
        attributes::{Found, Place},
        entry::{Content, Kind, SourceFile, TarFile},
        path::LayerPath,
    },
    tar_reader::{TarEntry, TarError, TarReader},
};

/// One member of a tar.
pub(crate) struct Member {
    pub(crate) path: LayerPath,
    /// Never a hard link: a name is that of a file, and which name came first says nothing.
    pub(crate) kind: Kind,
    pub(crate) found: Found,
    /// Which file of the tar it is: names with one number are hard links of one another.
    pub(crate) file: u64,
}

/// What is there after all members that are wanted were extracted, one after the other, in the order of the layer:
/// a later member takes the place of an earlier one of its name, and directories keep what is in them. A directory
/// that is not wanted is there if something in it is.
///
/// A compressed tar is unpacked into `scratch`, into a file without a name.
pub(crate) fn members(tar: &Path, scratch: Option<&Path>, wanted: impl Fn(&Path) -> bool) -> Result<Vec<Member>> {
    let tar = Arc::new(open(tar, scratch)?);
    let damaged = |error: TarError| damaged(&tar.source.path, error.offset, error.reason);
    let unreadable = |cause| Error::source(&tar.source.path, cause);
    let mut reader = TarReader::seekable(BufReader::new(&tar.file)).map_err(unreadable)?;
    let mut extracted = Extracted { tar: Arc::clone(&tar), members: BTreeMap::new() };
    while let Some(entry) = reader.next_entry().map_err(damaged)? {
        let wanted = wanted(&relative(&entry.path));
        let offset = entry.offset;
        match extracted.add(entry, wanted) {
            // What is left out may be whatever it is.
            Err(_) if !wanted => {}
            added => added.map_err(|reason| damaged(TarError { offset, reason }))?,
        }
    }
    let ending = reader.ending().map_err(damaged)?;
    if ending.zero_blocks == 0 {
        let reason = "it has no blocks of zeros at its end: it was cut off, make it again".to_owned();
        return Err(damaged(TarError { offset: tar.source.size, reason }));
    }
    if let Some(offset) = ending.garbage {
        let reason = "something comes after its end: if it is another tar, give each as a source".to_owned();
        return Err(damaged(TarError { offset, reason }));
    }
    tar.source.check(&tar.file)?;
    let mut members: Vec<Member> = Vec::new();
    // From the last to the first: whatever is in a directory comes right behind it.
    for (member, wanted) in extracted.members.into_values().rev() {
        let on_the_way = members.last().is_some_and(|next| next.path.is_below(&member.path));
        if wanted || member.kind == Kind::Directory && on_the_way {
            members.push(member);
        }
    }
    members.reverse();
    Ok(members)
}

/// What the members so far have made, and whether each is wanted.
struct Extracted {
    tar: Arc<TarFile>,
    members: BTreeMap<LayerPath, (Member, bool)>,
}

impl Extracted {
    fn add(&mut self, entry: TarEntry, wanted: bool) -> Result<(), String> {
        let name = quoted(&entry.path);
        let path = LayerPath::parse_member(&entry.path).map_err(|reason| format!("{name} {reason}"))?;
        let member = match entry.kind {
            EntryType::Link => self.hard_link(&entry, path),
            _ => self.member(entry, path),
        };
        let member = member.map_err(|reason| format!("{name} {reason}: exclude it, or pack the tar again"))?;
        if member.kind != Kind::Directory {
            let after =
                self.members.range(&member.path..).map(|(path, _)| path).skip_while(|path| **path == member.path);
            let below: Vec<_> = after.take_while(|path| path.is_below(&member.path)).cloned().collect();
            below.iter().for_each(|path| drop(self.members.remove(path)));
        }
        self.members.insert(member.path.clone(), (member, wanted));
        Ok(())
    }

    fn member(&self, entry: TarEntry, path: LayerPath) -> Result<Member, String> {
        let (major, minor) = entry.device;
        if major.max(minor) > MAX_DEVICE {
            return Err(format!("is the device {major}:{minor}, a number that no ustar header can hold"));
        }
        let is_file = matches!(entry.kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
        let kind = match entry.kind {
            _ if path.is_whiteout() && is_file && entry.size == 0 => Kind::Whiteout,
            _ if path.is_whiteout() => return Err("has the name of a whiteout and is no empty file".into()),
            EntryType::Directory => Kind::Directory,
            _ if path.is_root() => return Err("is the root and no directory".into()),
            // To some readers it is a directory, to others a file.
            _ if is_file && entry.path.ends_with(b"/") => return Err("is a file whose name ends with a slash".into()),
            _ if is_file => {
                Kind::File(Content::Extents { tar: Arc::clone(&self.tar), size: entry.size, extents: entry.extents })
            }
            EntryType::Symlink if entry.link.is_empty() || entry.link.contains(&0) => {
                return Err("is a symbolic link whose target is empty or has a NUL byte".into());
            }
            EntryType::Symlink => Kind::Symlink(entry.link),
            EntryType::Char => Kind::CharDevice(major, minor),
            EntryType::Block => Kind::BlockDevice(major, minor),
            EntryType::Fifo => Kind::Fifo,
            other => {
                let letter = char::from(other.as_byte()).escape_debug();
                return Err(format!("is of the type '{letter}', which no layer can hold"));
            }
        };
        let found = Found {
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs,
            place: Place::Tar,
        };
        Ok(Member { path, kind, found, file: entry.offset })
    }

    /// Another name of what an earlier member is.
    fn hard_link(&self, entry: &TarEntry, path: LayerPath) -> Result<Member, String> {
        let target = LayerPath::parse_member(&entry.link).ok().and_then(|target| self.members.get(&target));
        let target = target.map(|(target, _)| target).filter(|target| target.kind != Kind::Directory);
        match target {
            Some(target) if !path.is_whiteout() && target.kind != Kind::Whiteout && !path.is_root() => {
                Ok(Member { path, kind: target.kind.clone(), found: target.found.clone(), file: target.file })
            }
            _ => Err(format!("is a hard link to {}, which is no file before it in the tar", quoted(&entry.link))),
        }
    }
}

/// The largest number of the seven octal digits that a header has for each half of a device's.
const MAX_DEVICE: u32 = 0o7777777;

/// The name as globs are for: without slashes and dots in front.
fn relative(name: &[u8]) -> PathBuf {
    let components = Path::new(OsStr::from_bytes(name)).components();
    components.filter(|component| !matches!(component, Component::RootDir | Component::CurDir)).collect()
}

fn quoted(name: &[u8]) -> String {
    format!("{:?}", OsStr::from_bytes(name))
}

fn damaged(path: &Path, offset: u64, reason: String) -> Error {
    Error::SourceTar { path: path.to_owned(), offset, reason }
}

/// Whether it would have to be unpacked.
pub(crate) fn is_compressed(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|cause| Error::source(path, cause))?;
    let stream = decompress(BufReader::with_capacity(512, file)).map_err(|cause| Error::source(path, cause))?;
    Ok(matches!(stream, Unpacked::Compressed(_)))
}

/// The tar, unpacked if it is compressed, which its first bytes say.
fn open(path: &Path, scratch: Option<&Path>) -> Result<TarFile> {
    let unreadable = |cause| Error::source(path, cause);
    // To open a fifo is to wait for its writer, who may never come.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(damaged(
            path,
            0,
            "it is no regular file: give a tar, or a folder as a source of its own kind".into(),
        ));
    }
    let file = File::open(path).map_err(unreadable)?;
    let source = SourceFile::new(path.to_owned(), &fstat(&file).map_err(|cause| unreadable(cause.into()))?);
    let stream = BufReader::with_capacity(64 << 10, file.try_clone().map_err(unreadable)?);
    let packed = |cause| damaged(path, 0, format!("it cannot be decompressed: {cause}"));
    let mut unpacked = match decompress(stream).map_err(packed)? {
        Unpacked::Compressed(unpacked) => unpacked,
        Unpacked::Plain(mut plain) => {
            let mut start = Vec::new();
            plain.by_ref().take(6).read_to_end(&mut start).map_err(unreadable)?;
            if start.starts_with(b"BZh") || start == [0xfd, b'7', b'z', b'X', b'Z', 0] {
                let reason = "it is compressed with bzip2 or xz: decompress it, or compress it with gzip or zstd";
                return Err(damaged(path, 0, reason.into()));
            }
            // Both read from one place in the file.
            (&file).rewind().map_err(unreadable)?;
            return Ok(TarFile { file, source });
        }
    };
    let scratch = scratch.ok_or_else(|| Error::ScratchNeeded { path: path.to_owned() })?;
    fs::create_dir_all(scratch).map_err(Error::write(scratch))?;
    let mut tar = tempfile::tempfile_in(scratch).map_err(Error::write(scratch))?;
    let mut size = 0;
    let mut part = vec![0; 256 << 10];
    loop {
        let read = unpacked.read(&mut part);
        let read = read.map_err(|cause| damaged(path, size, format!("it cannot be decompressed: {cause}")))?;
        if read == 0 {
            break;
        }
        tar.write_all(&part[..read]).map_err(Error::write(scratch))?;
        size += read as u64;
    }
    source.check(&file)?;
    let source = SourceFile::new(path.to_owned(), &fstat(&tar).map_err(|cause| Error::write(scratch)(cause.into()))?);
    Ok(TarFile { file: tar, source })
}
