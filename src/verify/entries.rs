//! Checks the entries of a layer in one pass over its tar:
//! [layer](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md).

use std::collections::HashMap;

use tar::EntryType;

use crate::{
    basics::digest::{Digest, Hasher},
    tarfile::{
        path::{MAX_PATH, OPAQUE_WHITEOUT, WHITEOUT_PREFIX},
        reader::{TarEntry, extensions::Oddity},
        xattrs::is_overlay,
    },
    verify::{
        defect::Defect,
        finding::{Finding, Findings, shown},
    },
};

/// The maximum number of paths of a layer that are tracked. A table of this size takes about 80 MB,
/// and half as much more while it grows. Typical layers have a tenth of this.
const MAX_PATHS: usize = 7 << 19;

/// The longest name in file systems (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// The maximum size of an extended attribute: <https://man7.org/linux/man-pages/man7/xattr.7.html>.
const MAX_XATTR: usize = 64 << 10;

/// The prefix of aufs's own files, which are not whiteouts of a file `.wh.…`.
const AUFS_PREFIX: &[u8] = b".wh..wh.";

/// Checks the entries of one layer.
pub(crate) struct Entries<'a> {
    place: &'a str,
    digest: Digest,
    findings: &'a mut Findings,
    paths: HashMap<PathHash, Seen>,
    limit: usize,
    /// Whether the layer has more paths than the limit.
    full: bool,
}

/// The first bytes of the SHA-256 of a path: enough that collisions cannot be found.
type PathHash = [u8; 16];

/// What the layer has at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Directory,
    /// Anything but a directory.
    File,
    /// Only entries below the path.
    Parent,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(place: &'a str, digest: Digest, findings: &'a mut Findings) -> Self {
        Self { place, digest, findings, paths: HashMap::new(), limit: MAX_PATHS, full: false }
    }

    pub(crate) fn check(&mut self, entry: &TarEntry) {
        self.check_kind(entry);
        if let Some(name) = entry.xattrs.keys().find(|name| is_overlay(name)) {
            let name = shown(&String::from_utf8_lossy(name)).to_string();
            self.found(entry, Defect::OverlayMark { name });
        }
        self.check_headers(entry);
        let path = match components(&entry.path) {
            Ok(path) => path,
            Err(reason) => return self.found(entry, Defect::PathInvalid { reason }),
        };
        if entry.path.starts_with(b"/") {
            let reason = "is an absolute path: write it relative to the root of the image, \
                without the leading slash";
            self.found(entry, Defect::PathInvalid { reason });
        }
        if path.is_empty() && entry.kind != EntryType::Directory {
            let reason = "is the root of the image, but not a directory";
            return self.found(entry, Defect::PathInvalid { reason });
        }
        if let Some(reason) = whiteout_defect(entry, &path) {
            self.found(entry, Defect::WhiteoutInvalid { reason });
        }
        if entry.kind == EntryType::Link {
            self.check_hard_link(entry);
        }
        self.remember(entry, &path);
    }

    fn check_kind(&mut self, entry: &TarEntry) {
        use EntryType::{
            Block, Char, Continuous, Directory, Fifo, GNUSparse, Link, Regular, Symlink,
        };
        match entry.kind {
            _ if entry.sparse => self.found(entry, Defect::Sparse),
            Char if entry.device == (0, 0) => {
                let reason = "is a character device 0/0, a whiteout of overlayfs: a layer has an \
                    empty file `.wh.NAME` instead";
                self.found(entry, Defect::WhiteoutInvalid { reason });
            }
            Regular | Continuous | Link | Symlink | Char | Block | Directory | Fifo | GNUSparse => {
            }
            other => self.found(entry, Defect::EntryType { flag: char::from(other.as_byte()) }),
        }
    }

    /// Reports header features that this reader accepts and others reject.
    fn check_headers(&mut self, entry: &TarEntry) {
        for oddity in &entry.oddities {
            self.found(
                entry,
                match oddity {
                    Oddity::RepeatedHeader => Defect::HeaderRepeated,
                    Oddity::GlobalHeader => Defect::GlobalHeader,
                    Oddity::SolarisHeader => Defect::HeaderRefused {
                        reason: "an extended header of the type 'X', as Solaris writes it",
                    },
                    Oddity::Record => Defect::HeaderRefused {
                        reason: "an extended header with a NUL byte, or with an invalid number or \
                            time",
                    },
                    Oddity::DeviceNumber => {
                        Defect::HeaderRefused { reason: "an invalid device number" }
                    }
                },
            );
        }
        for (name, value) in &entry.xattrs {
            let reason = match name {
                name if name.contains(&0) => "has a NUL byte in its name: tools refuse the layer",
                name if name.is_empty() => "has no name: tools fail to set it",
                name if name.len() > MAX_NAME => {
                    "has a name of more than 255 bytes, which systems refuse"
                }
                _ if value.len() > MAX_XATTR => "has more than 65536 bytes, which systems refuse",
                _ => continue,
            };
            let name = shown(&String::from_utf8_lossy(name));
            self.found(entry, Defect::XattrInvalid { name, reason });
        }
    }

    /// Checks the target of a hard link. It must be an earlier entry of this layer, because readers
    /// create links immediately.
    fn check_hard_link(&mut self, entry: &TarEntry) {
        let seen = match components(&entry.link) {
            Err(_) => Err("is not a valid path in a layer"),
            Ok(_) if entry.link.starts_with(b"/") => {
                Err("is an absolute path: write it relative to the root of the image")
            }
            Ok(target) => Ok(self.paths.get(&hash(&target)).copied()),
        };
        let reason = match seen {
            Ok(Some(Seen::File)) => return,
            Ok(None) if self.full => return,
            Ok(Some(Seen::Directory)) => "is a directory",
            Ok(Some(Seen::Parent) | None) => {
                "is not an earlier entry of the layer: tools cannot create the link, or create a \
                 wrong one"
            }
            Err(reason) => reason,
        };
        let target = shown(&String::from_utf8_lossy(&entry.link));
        self.found(entry, Defect::HardLinkInvalid { target, reason });
    }

    /// Records the path, and reports conflicts with earlier paths.
    fn remember(&mut self, entry: &TarEntry, path: &[&[u8]]) {
        let mut hasher = Hasher::default();
        for (depth, name) in path.iter().enumerate() {
            if depth > 0 {
                match self.paths.get(&path_hash(&hasher)) {
                    Some(Seen::Directory | Seen::Parent) => {}
                    Some(Seen::File) => {
                        let parent = shown(&String::from_utf8_lossy(&path[..depth].join(&b'/')));
                        return self.found(entry, Defect::NotADirectory { parent });
                    }
                    None => self.insert(&hasher, Seen::Parent),
                }
                hasher.update(b"/");
            }
            hasher.update(name);
        }
        let seen = if entry.kind == EntryType::Directory { Seen::Directory } else { Seen::File };
        match (self.paths.get(&path_hash(&hasher)), seen) {
            (None, _) | (Some(Seen::Parent), Seen::Directory) => self.insert(&hasher, seen),
            (Some(Seen::Parent), _) => self.found(entry, Defect::HasChildren),
            (Some(_), _) => self.found(entry, Defect::PathTwice),
        }
    }

    fn insert(&mut self, hasher: &Hasher, seen: Seen) {
        let hash = path_hash(hasher);
        if self.paths.len() < self.limit || self.paths.contains_key(&hash) {
            self.paths.insert(hash, seen);
        } else if !self.full {
            self.full = true;
            self.findings.add(Finding::new(
                self.place,
                Some(self.digest),
                Defect::TooManyEntries { limit: self.limit },
            ));
        }
    }

    fn found(&mut self, entry: &TarEntry, defect: Defect) {
        let place =
            format!("{}, entry \"{}\"", self.place, shown(&String::from_utf8_lossy(&entry.path)));
        self.findings.add(Finding::new(place, Some(self.digest), defect));
    }
}

fn path_hash(hasher: &Hasher) -> PathHash {
    let (digest, _) = hasher.clone().finish();
    let mut hash = PathHash::default();
    hash.copy_from_slice(&digest.bytes()[..16]);
    hash
}

fn hash(path: &[&[u8]]) -> PathHash {
    let mut hasher = Hasher::default();
    hasher.update(&path.join(&b'/'));
    path_hash(&hasher)
}

/// Splits a path into its names, without `.` and redundant slashes.
fn components<'a>(path: &'a [u8]) -> Result<Vec<&'a [u8]>, &'static str> {
    if path.is_empty() {
        return Err("is an entry without a name");
    }
    if path.len() > MAX_PATH {
        return Err("is longer than the 4095 bytes that a path can have");
    }
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let name = |name: &'a [u8]| match name {
        b".." => Err("has `..` in its path: tools refuse it, or write outside of the image"),
        name if name.contains(&0) => Err("has a NUL byte in its path, where tools truncate it"),
        name if name.len() > MAX_NAME => {
            Err("has a name of more than 255 bytes, which file systems refuse")
        }
        name => Ok(name),
    };
    names.map(name).collect()
}

/// Checks a
/// [whiteout](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts), which
/// must be an empty file.
fn whiteout_defect(entry: &TarEntry, path: &[&[u8]]) -> Option<&'static str> {
    let (name, parents) = path.split_last()?;
    if parents.iter().any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return Some(
            "is in a directory with the name of a whiteout, but a whiteout is an empty file",
        );
    }
    let hidden = name.strip_prefix(WHITEOUT_PREFIX)?;
    let is_file = matches!(entry.kind, EntryType::Regular | EntryType::Continuous);
    match hidden {
        b"" | b"." | b".." => {
            Some("has the name of a whiteout, but does not name a file to remove")
        }
        _ if name.starts_with(AUFS_PREFIX) && *name != OPAQUE_WHITEOUT => Some(
            "has the name of a file of aufs, which is not a whiteout: `.wh..wh..opq` is the only \
             one with this prefix",
        ),
        _ if !is_file || entry.size > 0 => {
            Some("has the name of a whiteout, but is not an empty regular file")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tarfile::reader::TarReader;

    #[test]
    fn more_paths_than_are_kept_in_mind_are_one_finding() {
        let mut tar = tar::Builder::new(Vec::new());
        for path in ["a", "b/c", "d", "e", "a", "e"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            header.set_cksum();
            tar.append_data(&mut header, path, &b""[..]).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        let mut findings = Findings::new(10);
        let mut entries =
            Entries { limit: 4, ..Entries::new("layer", Digest::of(&tar), &mut findings) };
        let mut tar = TarReader::new(&tar[..]);
        while let Some(entry) = tar.next_entry().unwrap() {
            entries.check(&entry);
        }
        let found: Vec<_> =
            findings.into_list("", None).into_iter().map(|f| (f.place, f.defect)).collect();
        let too_many = Defect::TooManyEntries { limit: 4 };
        assert_eq!(
            found,
            [("layer".to_owned(), too_many), ("layer, entry \"a\"".to_owned(), Defect::PathTwice)]
        );
    }
}
