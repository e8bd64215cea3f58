//! Source tars: lists their members, and leaves the contents in place.

pub(crate) mod open;

use std::{
    collections::HashSet,
    ffi::OsStr,
    io::BufReader,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use tar::EntryType;

use crate::{
    basics::{Error, Result, Warning},
    layer::{
        attributes::{Found, Place},
        by_path::{ByPath, HasPath},
        entry::{Content, Kind, SparseFile, TarFile},
        glob::Wanted,
        scratch_file::{damaged, too_large},
        source_tar::open::open,
        warnings::Noticed,
    },
    recipe::LayerOptions,
    tarfile::{LayerPath, TarEntry, TarReader, follow, reader::block::TarError, xattrs},
};

/// A tar that is the source of a mapping.
#[derive(Clone, Copy)]
pub(crate) struct SourceTar<'a> {
    pub(crate) path: &'a Path,
    /// The index of the mapping.
    pub(crate) index: usize,
    /// The path of its contents in the layer.
    pub(crate) place: &'a LayerPath,
    pub(crate) wanted: &'a Wanted,
}

/// A member of a tar.
pub(crate) struct Member {
    pub(crate) path: LayerPath,
    /// Never a hard link: all names belong to a file, and which came first does not matter.
    pub(crate) kind: Kind,
    pub(crate) found: Found,
    /// Identifies the file in the tar, if it has several names, which are hard links of each other.
    pub(crate) linked: Option<u64>,
}

/// A member that was extracted.
struct Extracted {
    path: LayerPath,
    kind: Kind,
    found: Found,
    /// The offset of the member that contains the file.
    file: u64,
    wanted: bool,
}

impl HasPath for Extracted {
    fn path(&self) -> &LayerPath {
        &self.path
    }
}

/// The files that exist after extracting all included members in sequence, in the order of the
/// layer. A later member replaces an earlier one of the same name, directories keep their contents,
/// and a member whose path passes through a link of an earlier member lands in the target of the
/// link. A directory that is not included exists if something in it is.
///
/// A tar that is compressed or a pipe is unpacked into a file without a name.
pub(crate) fn members(
    source: SourceTar,
    options: &LayerOptions,
    noticed: &Noticed,
) -> Result<impl Iterator<Item = Member> + use<>> {
    let tar = Arc::new(open(source.path, options)?);
    let damaged = |error: TarError| damaged(&tar.source.path, error.offset, error.reason);
    let unreadable_tar = |TarError { offset, reason }| {
        damaged(TarError { offset, reason: format!("{reason}: make or fetch the tar again") })
    };
    let unreadable = |cause| Error::source(source.path, cause);
    if tar.source.stamp.size == 0 {
        return Err(damaged(TarError {
            offset: 0,
            reason: "it is empty and therefore not a tar: make it again".into(),
        }));
    }
    let mut reader = TarReader::seekable(BufReader::new(&tar.file)).map_err(unreadable)?;
    let mut extraction = Extraction {
        source,
        tar: Arc::clone(&tar),
        noticed,
        members: ByPath::default(),
        shared: HashSet::new(),
        links: 0,
        holes: 0,
        kept: 0,
    };
    while let Some(entry) = reader.next_entry().map_err(unreadable_tar)? {
        let wanted = source.wanted.takes(&relative(&entry.path));
        let offset = entry.offset;
        match extraction.add(entry, wanted) {
            // Faults of excluded members do not matter.
            Err(_) if !wanted => {}
            added => added.map_err(|reason| damaged(TarError { offset, reason }))?,
        }
        if extraction.holes > options.unpack_limit {
            return Err(too_large(source.path, options.unpack_limit));
        }
    }
    let ending = reader.ending().map_err(unreadable_tar)?;
    if let Some(offset) = ending.garbage {
        let reason = "data follows the end of the tar: if it is another tar, add each as a source"
            .to_owned();
        return Err(damaged(TarError { offset, reason }));
    }
    if ending.zero_blocks < 2 {
        noticed.add(source.index, Warning::TarUnended { path: source.path.to_owned() });
    }
    tar.source.check(&tar.file)?;
    let Extraction { mut members, shared, .. } = extraction;
    // In reverse order, in which the contents of a directory come before it.
    let mut next: Option<LayerPath> = None;
    for member in members.iter_mut().rev() {
        let on_the_way = next.as_ref().is_some_and(|next| next.is_below(&member.path));
        member.wanted |= member.kind == Kind::Directory && on_the_way;
        if member.wanted {
            next = Some(member.path.clone());
        }
    }
    let wanted = members.into_parts().flatten().filter(|member| member.wanted);
    Ok(wanted.map(move |Extracted { path, kind, found, file, .. }| {
        let linked = shared.contains(&file).then_some(file);
        Member { path, kind, found, linked }
    }))
}

/// The result of the members so far.
struct Extraction<'a> {
    source: SourceTar<'a>,
    tar: Arc<TarFile>,
    noticed: &'a Noticed,
    members: ByPath<Extracted>,
    /// The files that have several names.
    shared: HashSet<u64>,
    /// The number of members that are symbolic links.
    links: usize,
    /// The size of all files that the tar does not store.
    holes: u64,
    /// The memory for parts of the members whose size only the tar limits.
    kept: usize,
}

/// The maximum memory for extended attributes, maps of sparse files, and targets of links, of all
/// members of a tar. They can be compressed to almost nothing.
const MOST_KEPT: usize = 96 << 20;

/// The memory for the parts of a member without a maximum size.
fn weight(member: &Extracted) -> usize {
    /// The size of a map that is not empty, including the overhead of its allocation.
    const MAP: usize = 512;
    const ALLOCATION: usize = 48;
    let attribute = |(name, value): (&[u8], &[u8])| name.len() + value.len() + 2 * ALLOCATION;
    let xattrs = member.found.xattrs.iter().map(attribute).sum::<usize>();
    let map = if xattrs > 0 { MAP } else { 0 };
    let kind = match &member.kind {
        Kind::File(Content::Sparse(sparse)) if sparse.extents.len() > 1 => {
            size_of_val(&sparse.extents[..])
        }
        Kind::Symlink(target) if target.len() > MAP => target.len(),
        _ => 0,
    };
    xattrs + map + kind
}

impl Extraction<'_> {
    fn add(&mut self, entry: TarEntry, wanted: bool) -> Result<(), String> {
        let name = quoted(&entry.path);
        match entry.kind.as_byte() {
            // GNU tar's name of the whole volume.
            b'V' => return Ok(()),
            b'A' => {
                if wanted {
                    self.ignored(&entry, "an access control list of Solaris");
                }
                return Ok(());
            }
            _ => {}
        }
        let path =
            LayerPath::parse_member(&entry.path).map_err(|reason| format!("{name} {reason}"))?;
        let path = self
            .behind_links(path)
            .map_err(|reason| format!("{name} {reason}: exclude it, or pack it elsewhere"))?;
        let stored: u64 = entry.extents.iter().map(|extent| extent.length).sum();
        if wanted && entry.sparse {
            self.holes = self.holes.saturating_add(entry.size - stored);
        }
        let member = match entry.kind {
            EntryType::Link => self.hard_link(&entry, path, wanted),
            _ => self.member(entry, path, wanted),
        };
        let member = member
            .map_err(|reason| format!("{name} {reason}: exclude it, or pack the tar again"))?;
        let weight = weight(&member);
        if self.kept.saturating_add(weight) > MOST_KEPT {
            let most = MOST_KEPT >> 20;
            return Err(format!(
                "{name} has extended attributes, or is sparse, and together with the members before it \
                 takes more than {most} MiB of memory for that: exclude it, or pack the tar again \
                 without attributes and holes"
            ));
        }
        if member.kind != Kind::Directory {
            let after = self.members.starting_at(&member.path).map(|member| &member.path);
            let after = after.skip_while(|path| **path == member.path);
            let below: Vec<_> =
                after.take_while(|path| path.is_below(&member.path)).cloned().collect();
            let removed = below.iter().filter_map(|path| self.members.remove(path));
            self.kept -= removed.map(|member| self::weight(&member)).sum::<usize>();
            if let (Some(lost), true) = (below.first(), wanted) {
                let (path, lost, count) =
                    (member.path.to_path(), lost.to_path(), below.len() as u64);
                let tar = self.source.path.to_owned();
                self.noticed
                    .add(self.source.index, Warning::MembersReplaced { tar, path, lost, count });
            }
        }
        self.links += usize::from(matches!(member.kind, Kind::Symlink(_)));
        self.kept += weight;
        if let Some(replaced) = self.members.insert(member) {
            self.kept -= self::weight(&replaced);
        }
        Ok(())
    }

    /// The final path of a member: its path, or the target of a link of an earlier member through
    /// which it passes.
    fn behind_links(&self, path: LayerPath) -> Result<LayerPath, String> {
        if self.links == 0 || path.is_root() {
            return Ok(path);
        }
        let target_of = |path: &LayerPath| match self.members.get(path) {
            Some(Extracted { kind: Kind::Symlink(target), .. }) => {
                Ok::<_, String>(Some(target.clone()))
            }
            _ => Ok(None),
        };
        let parent = path.parent();
        let place = follow(&parent, self.source.place, target_of)?;
        if place == parent {
            return Ok(path);
        }
        let is_directory = match self.members.get(&place) {
            Some(member) => member.kind == Kind::Directory,
            None => {
                let mut after = self.members.starting_at(&place);
                after.next().is_some_and(|next| next.path.is_below(&place))
            }
        };
        if !is_directory {
            let place = quoted(&place.to_bytes());
            return Err(format!(
                "passes through a symbolic link to {place}, which is not an earlier directory of \
                 the tar"
            ));
        }
        Ok(path.moved_to(&place))
    }

    fn ignored(&self, entry: &TarEntry, what: &'static str) {
        let (path, member) =
            (self.source.path.to_owned(), String::from_utf8_lossy(&entry.path).into_owned());
        self.noticed.add(self.source.index, Warning::MemberIgnored { path, member, what });
    }

    fn member(&self, entry: TarEntry, path: LayerPath, wanted: bool) -> Result<Extracted, String> {
        let (major, minor) = entry.device;
        if major.max(minor) > MAX_DEVICE {
            return Err(format!(
                "is the device {major}:{minor}, which does not fit into a ustar header"
            ));
        }
        let is_file =
            matches!(entry.kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
        let kind = match entry.kind {
            _ if path.is_whiteout() && is_file && entry.size == 0 => Kind::Whiteout,
            _ if path.is_whiteout() => {
                return Err("has the name of a whiteout, but is not an empty file".into());
            }
            EntryType::Directory => Kind::Directory,
            // GNU tar's list of the contents of a directory (`--incremental`).
            kind if kind.as_byte() == b'D' => Kind::Directory,
            kind if kind.as_byte() == b'M' => {
                return Err("is the rest of a file that starts in another volume of the tar".into());
            }
            _ if path.is_root() => return Err("is the root, but not a directory".into()),
            // Some readers treat it as a directory, others as a file.
            _ if is_file && entry.path.ends_with(b"/") => {
                return Err("is a file whose name ends with a slash".into());
            }
            _ if is_file => {
                let (tar, size, extents) = (Arc::clone(&self.tar), entry.size, entry.extents);
                Kind::File(match entry.sparse {
                    true => Content::Sparse(SparseFile { tar, size, extents }.into()),
                    false => Content::Stretch {
                        tar,
                        offset: extents.first().map_or(0, |extent| extent.offset),
                        size,
                    },
                })
            }
            EntryType::Symlink if entry.link.is_empty() || entry.link.contains(&0) => {
                return Err("is a symbolic link whose target is empty or has a NUL byte".into());
            }
            EntryType::Symlink => Kind::Symlink(entry.link),
            EntryType::Char if (major, minor) == (0, 0) => {
                return Err(
                    "is a character device 0:0, with which overlay file systems, unlike layers, \
                     remove a file of lower layers"
                        .into(),
                );
            }
            EntryType::Char => Kind::CharDevice(major, minor),
            EntryType::Block => Kind::BlockDevice(major, minor),
            EntryType::Fifo => Kind::Fifo,
            other => {
                let letter = char::from(other.as_byte()).escape_debug();
                return Err(format!("has the type '{letter}', which a layer cannot contain"));
            }
        };
        let mut xattrs = entry.xattrs.into();
        if let Some(mark) = xattrs::without_the_machine(&mut xattrs) {
            self.noticed.overlay_mark(self.source.index, &path.to_path(), mark);
        }
        let found = Found {
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs,
            place: Place::Tar,
        };
        Ok(Extracted { path, kind, found, file: entry.offset, wanted })
    }

    /// Another name of an earlier member.
    fn hard_link(
        &mut self,
        entry: &TarEntry,
        path: LayerPath,
        wanted: bool,
    ) -> Result<Extracted, String> {
        let target = LayerPath::parse_member(&entry.link).ok();
        let target = target.map(|target| self.behind_links(target)).transpose()?;
        let target = target.and_then(|target| self.members.get(&target));
        let target = target.filter(|target| target.kind != Kind::Directory);
        match target {
            Some(target)
                if !path.is_whiteout() && target.kind != Kind::Whiteout && !path.is_root() =>
            {
                let (kind, found, file) = (target.kind.clone(), target.found.clone(), target.file);
                self.shared.insert(file);
                Ok(Extracted { path, kind, found, file, wanted })
            }
            _ => Err(format!(
                "is a hard link to {}, which is not an earlier file of the tar",
                quoted(&entry.link)
            )),
        }
    }
}

/// The largest device number in the seven octal digits of each field in a header.
const MAX_DEVICE: u32 = 0o7777777;

/// The name for globs, cleaned like them.
fn relative(name: &[u8]) -> PathBuf {
    let mut relative = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir if relative.file_name().is_some() => drop(relative.pop()),
            component => relative.push(component),
        }
    }
    relative
}

fn quoted(name: &[u8]) -> String {
    format!("{:?}", OsStr::from_bytes(name))
}
