//! Entries of a file system: those that a test expects, and those that a program created in a
//! folder.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};
use walkdir::WalkDir;

/// One complete entry. [`file`] and similar functions return the defaults of a mapping: mode 0644
/// or the like, owner root, one second after 1970.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The path from the root, without a leading slash.
    pub path: PathBuf,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
    /// What the time has beyond its whole seconds.
    pub nanoseconds: i64,
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(PathBuf),
    /// A hard link to the file at this path.
    HardLink(PathBuf),
    /// The major and minor number.
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

pub fn file(path: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Entry {
    Entry::new(path, Kind::File(content.as_ref().to_vec()), 0o644)
}

pub fn directory(path: impl AsRef<OsStr>) -> Entry {
    Entry::new(path, Kind::Directory, 0o755)
}

pub fn symlink(path: impl AsRef<OsStr>, target: impl AsRef<OsStr>) -> Entry {
    Entry::new(path, Kind::Symlink(target.as_ref().into()), 0o777)
}

/// A device or a fifo.
pub fn special(path: impl AsRef<OsStr>, kind: Kind) -> Entry {
    Entry::new(path, kind, 0o644)
}

/// Another name of a file, with its mode and all other attributes.
pub fn hard_link(path: impl AsRef<OsStr>, first: &Entry) -> Entry {
    Entry { path: path.as_ref().into(), kind: Kind::HardLink(first.path.clone()), ..first.clone() }
}

impl Entry {
    fn new(path: impl AsRef<OsStr>, kind: Kind, mode: u32) -> Self {
        Self {
            path: path.as_ref().into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1,
            nanoseconds: 0,
            xattrs: BTreeMap::new(),
        }
    }

    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { uid, gid, ..self }
    }

    pub fn mtime(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }

    pub fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        self.xattrs.insert(name.into(), value.to_vec());
        self
    }

    /// An empty file whose name removes something from the layers below.
    pub fn is_whiteout(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".wh."))
    }
}

/// All entries of a folder, parents first and sorted by name. Of the names of one file, all but the
/// first are links.
pub fn found_in(root: &Path) -> Vec<Entry> {
    let mut names: HashMap<u64, PathBuf> = HashMap::new();
    let walk = WalkDir::new(root).min_depth(1).sort_by_file_name();
    walk.into_iter()
        .map(|found| {
            let found = found.unwrap();
            let metadata = found.metadata().unwrap();
            let path = found.path().strip_prefix(root).unwrap();
            let file_type = metadata.file_type();
            let kind = if file_type.is_dir() {
                Kind::Directory
            } else if let (true, Some(first)) = (metadata.nlink() > 1, names.get(&metadata.ino())) {
                Kind::HardLink(first.clone())
            } else if file_type.is_symlink() {
                Kind::Symlink(found.path().read_link().unwrap())
            } else if file_type.is_file() {
                Kind::File(std::fs::read(found.path()).unwrap())
            } else if file_type.is_char_device() {
                Kind::CharDevice(major(metadata.rdev()), minor(metadata.rdev()))
            } else if file_type.is_block_device() {
                Kind::BlockDevice(major(metadata.rdev()), minor(metadata.rdev()))
            } else {
                assert!(file_type.is_fifo(), "{path:?} is a {file_type:?}");
                Kind::Fifo
            };
            names.entry(metadata.ino()).or_insert_with(|| path.to_owned());
            let mut entry = Entry::new(path, kind, metadata.mode() & 0o7777)
                .owner(metadata.uid().into(), metadata.gid().into())
                .mtime(metadata.mtime());
            entry.nanoseconds = metadata.mtime_nsec();
            // SELinux gives every file one, whatever an archive contains.
            for name in xattr::list(found.path()).unwrap().filter(|name| name != "security.selinux")
            {
                let value = xattr::get(found.path(), &name).unwrap().unwrap();
                entry.xattrs.insert(name, value);
            }
            entry
        })
        .collect()
}

/// Checks that both have the same entries in the same order. The panic names those that differ.
#[track_caller]
pub fn assert_same(judge: &str, expected: &[Entry], found: &[Entry]) {
    let find =
        |entries: &[Entry], path: &Path| entries.iter().find(|entry| entry.path == path).cloned();
    let mut wrong = Vec::new();
    for entry in expected {
        match find(found, &entry.path) {
            None => wrong.push(format!("missing {entry:?}")),
            Some(other) if other != *entry => {
                wrong.push(format!("expected {entry:?}\n   found {other:?}"))
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        found
            .iter()
            .filter(|entry| find(expected, &entry.path).is_none())
            .map(|entry| format!("too much {entry:?}")),
    );
    assert!(wrong.is_empty(), "{judge}:\n{}", wrong.join("\n"));
    let paths =
        |entries: &[Entry]| entries.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(expected), paths(found), "{judge}: the order, or something is there twice");
}

/// One line, however large the file is.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, mode, uid, gid, mtime, nanoseconds, xattrs } = self;
        write!(f, "{path:?} {mode:04o} {uid}:{gid} @{mtime}.{nanoseconds:09} ")?;
        match kind {
            Kind::File(content) => {
                let start = &content[..content.len().min(40)];
                write!(f, "{} bytes, {:?}", content.len(), String::from_utf8_lossy(start))?
            }
            kind => write!(f, "{kind:?}")?,
        }
        xattrs.iter().try_for_each(|(name, value)| write!(f, ", {name:?} {value:?}"))
    }
}
