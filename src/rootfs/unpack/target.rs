//! The directory that an image is unpacked into. Paths are opened below it, and symbolic links are
//! not followed.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
        XattrFlags, chownat, fchmod, fchown, fsetxattr, fstat, futimens, linkat, lsetxattr,
        makedev, mkdirat, mknodat, openat, symlinkat, unlinkat, utimensat,
    },
    io::{Errno, retry_on_intr},
};

use crate::{
    basics::error::{Error, Result},
    pool::lock,
    rootfs::{
        entry::{FileEntry, FileKind},
        unpack::skipped::SkippedList,
    },
    store::beneath::open_below,
    tarfile::path::LayerPath,
};

pub(crate) struct Target {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// The directory that was opened last: files of one directory follow each other.
    last: Mutex<Option<(LayerPath, Arc<OwnedFd>)>>,
    /// Devices that could not be made. Layers may remove them, or link to them.
    not_made: Mutex<BTreeSet<LayerPath>>,
    pub(crate) skipped: SkippedList,
    /// Whether owners are set.
    same_owner: bool,
    /// What the system gives to new files.
    new_files: NewFiles,
}

/// The attributes of files that this process creates in a directory.
struct NewFiles {
    /// `None` if the file system does not tell.
    owner: Option<(Uid, Gid)>,
    /// The bits of the mode that the umask and default ACLs keep.
    mode: u32,
}

impl NewFiles {
    /// Those of an unnamed file. New directories pass on what they get from this one.
    fn of(directory: &OwnedFd) -> Self {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        let stat = openat(directory, ".", flags, mode).and_then(fstat);
        stat.map_or(Self { owner: None, mode: 0 }, |stat| Self {
            owner: Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))),
            mode: stat.st_mode & mode.bits(),
        })
    }
}

/// A file to be written, with all of its contents.
pub(crate) struct NewFile {
    pub(crate) parent: Arc<OwnedFd>,
    pub(crate) path: LayerPath,
    pub(crate) file: Arc<FileEntry>,
    pub(crate) contents: Vec<u8>,
}

/// A file that is being written.
pub(crate) struct Writing {
    file: File,
    /// Whether it has the mode of its entry.
    has_mode: bool,
}

impl Writing {
    pub(crate) fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }
}

/// What a process that is not root may not do, in words that follow a path.
const NO_OWNER: &str = "does not have its owner: only root can set it";
const NO_SUCH_OWNER: &str = "does not have its owner, whose number no system supports";
const NO_SET_IDS: &str = "does not have its setuid and setgid bits, because it has another owner";

/// The setuid and setgid bits of a mode.
const SET_IDS: u32 = 0o6000;

impl Target {
    /// # Errors
    ///
    /// [`Error::OutputExists`] if the directory is not empty.
    pub(crate) fn new(path: &Path, same_owner: bool) -> Result<Self> {
        match fs::create_dir(path) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = fs::read_dir(path).map_err(Error::write(path))?;
                if entries.next().is_some() {
                    let reason = "is not empty: unpack into a new directory".to_owned();
                    return Err(Error::OutputExists { path: path.to_owned(), reason });
                }
            }
            made => made.map_err(Error::write(path))?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = retry_on_intr(|| openat(CWD, path, flags, Mode::empty()));
        let root = root.map_err(|cause| Error::write(path)(cause.into()))?;
        let new_files = NewFiles::of(&root);
        let (path, root) = (path.to_owned(), Arc::new(root));
        let (last, not_made, skipped) = Default::default();
        Ok(Self { path, root, last, not_made, skipped, same_owner, new_files })
    }

    /// Where a path of the image lies.
    pub(crate) fn path_of(&self, path: &LayerPath) -> PathBuf {
        self.path.join(OsStr::from_bytes(&path.to_bytes()))
    }

    /// The directory that a path is in.
    pub(crate) fn parent(&self, path: &LayerPath) -> io::Result<Arc<OwnedFd>> {
        let parent = path.parent();
        if parent.is_root() {
            return Ok(Arc::clone(&self.root));
        }
        let mut last = lock(&self.last);
        match &*last {
            Some((known, directory)) if *known == parent => Ok(Arc::clone(directory)),
            _ => {
                let opened = Arc::new(self.open_directory(&parent)?);
                *last = Some((parent, Arc::clone(&opened)));
                Ok(opened)
            }
        }
    }

    fn open_directory(&self, path: &LayerPath) -> io::Result<OwnedFd> {
        let bytes = path.to_bytes();
        let name = Path::new(OsStr::from_bytes(&bytes));
        open_below(self.root.as_fd(), name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
    }

    pub(crate) fn remove(&self, path: &LayerPath, is_dir: bool) -> Result<()> {
        if lock(&self.not_made).remove(path) {
            return Ok(());
        }
        self.at(path, |parent, name| {
            if is_dir {
                *lock(&self.last) = None;
            }
            unlinkat(parent, name, if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() })
        })
    }

    /// A directory that only this process may enter, until [`Target::set_directory`].
    pub(crate) fn add_directory(&self, path: &LayerPath) -> Result<()> {
        if path.is_root() {
            return Ok(());
        }
        self.at(path, |parent, name| mkdirat(parent, name, Mode::RWXU))
    }

    pub(crate) fn add_link(&self, path: &LayerPath, target: &LayerPath) -> Result<()> {
        if lock(&self.not_made).contains(target) {
            self.skip_device(path);
            return Ok(());
        }
        let fail = |cause| Error::write(self.path_of(target))(cause);
        let from = self.open_parent(target).map_err(fail)?;
        let target_name = name(target);
        self.at(path, |parent, name| {
            linkat(&*from, OsStr::from_bytes(&target_name), parent, name, AtFlags::empty())
        })
    }

    fn open_parent(&self, path: &LayerPath) -> io::Result<Arc<OwnedFd>> {
        let parent = path.parent();
        match parent.is_root() {
            true => Ok(Arc::clone(&self.root)),
            false => self.open_directory(&parent).map(Arc::new),
        }
    }

    fn at<T>(
        &self,
        path: &LayerPath,
        f: impl Fn(&OwnedFd, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let fail = |cause| Error::write(self.path_of(path))(cause);
        let name = name(path);
        let done = self
            .parent(path)
            .and_then(|parent| Ok(retry_on_intr(|| f(&parent, OsStr::from_bytes(&name)))?));
        done.map_err(fail)
    }

    /// A new, empty file. It has the mode of its entry if nothing more is to be set, or else only
    /// this process may read it.
    pub(crate) fn create(
        &self,
        parent: &OwnedFd,
        path: &LayerPath,
        entry: &FileEntry,
    ) -> io::Result<Writing> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = flags | OFlags::CLOEXEC;
        let name = name(path);
        let has_mode = self.keeps_mode(entry);
        let mode = if has_mode { Mode::from_raw_mode(entry.mode) } else { Mode::RUSR | Mode::WUSR };
        let open = || openat(parent, OsStr::from_bytes(&name), flags, mode);
        Ok(Writing { file: File::from(retry_on_intr(open)?), has_mode })
    }

    /// Whether a new file can have its mode from the beginning. Extended attributes of a user take
    /// the permission to write.
    fn keeps_mode(&self, entry: &FileEntry) -> bool {
        entry.mode & !self.new_files.mode == 0 && entry.xattrs.is_empty()
    }

    /// Gives a file its size, and what its entry says of it.
    pub(crate) fn finish(
        &self,
        new: &Writing,
        path: &LayerPath,
        entry: &FileEntry,
    ) -> io::Result<()> {
        new.file.set_len(entry.size())?;
        self.set_open(new, path, entry)
    }

    pub(crate) fn set_directory(&self, path: &LayerPath, entry: &FileEntry) -> Result<()> {
        let directory = match path.is_root() {
            true => self.root.try_clone(),
            false => self.open_directory(path),
        };
        let set = directory.and_then(|directory| {
            let file = File::from(directory);
            self.set_open(&Writing { file, has_mode: false }, path, entry)
        });
        set.map_err(|cause| Error::write(self.path_of(path))(cause))
    }

    /// Owner first: a change of it clears setuid bits and capabilities. Attributes before the mode,
    /// which may not allow them.
    fn set_open(&self, new: &Writing, path: &LayerPath, entry: &FileEntry) -> io::Result<()> {
        let Writing { file, has_mode } = new;
        let mode = self.set_owner(path, entry, |uid, gid| fchown(file, uid, gid))?;
        for (name, value) in &entry.xattrs {
            let set = fsetxattr(file, OsStr::from_bytes(name), value, XattrFlags::empty());
            self.set_xattr(set, path, name)?;
        }
        if !has_mode {
            fchmod(file, mode)?;
        }
        Ok(futimens(file, &times(entry))?)
    }

    /// Writes a whole file, link or device.
    pub(crate) fn write(&self, new: &NewFile) -> Result<()> {
        let NewFile { parent, path, file, contents } = new;
        let written = match &file.kind {
            FileKind::File { .. } => self.create(parent, path, file).and_then(|mut writing| {
                writing.write_at(0, contents)?;
                self.set_open(&writing, path, file)
            }),
            FileKind::Symlink { target } => {
                self.write_special(parent, path, file, |name| symlinkat(target, parent, name))
            }
            FileKind::CharDevice { major, minor } => {
                let device = makedev(*major, *minor);
                self.write_special(parent, path, file, |name| {
                    mknodat(parent, name, FileType::CharacterDevice, Mode::RUSR, device)
                })
            }
            FileKind::BlockDevice { major, minor } => {
                let device = makedev(*major, *minor);
                self.write_special(parent, path, file, |name| {
                    mknodat(parent, name, FileType::BlockDevice, Mode::RUSR, device)
                })
            }
            FileKind::Fifo => self.write_special(parent, path, file, |name| {
                mknodat(parent, name, FileType::Fifo, Mode::RUSR, 0)
            }),
            FileKind::Directory => Ok(()),
        };
        written.map_err(|cause| Error::write(self.path_of(path))(cause))
    }

    /// What cannot be opened: a link, a device, a pipe.
    fn write_special(
        &self,
        parent: &OwnedFd,
        path: &LayerPath,
        entry: &FileEntry,
        make: impl Fn(&OsStr) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let name = name(path);
        let name = OsStr::from_bytes(&name);
        let is_link = matches!(entry.kind, FileKind::Symlink { .. });
        match make(name) {
            Err(Errno::PERM) if !is_link => {
                self.skip_device(path);
                return Ok(());
            }
            made => made?,
        }
        let mode = self.set_owner(path, entry, |uid, gid| {
            chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        })?;
        if !is_link {
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
        }
        for (key, value) in &entry.xattrs {
            // There is no call for a name in an open directory.
            let place = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name);
            let set = lsetxattr(&place, OsStr::from_bytes(key), value, XattrFlags::empty());
            self.set_xattr(set, path, key)?;
        }
        Ok(utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn skip_device(&self, path: &LayerPath) {
        self.skipped.add(&path.to_path(), "is a device, which only root can make".to_owned());
        lock(&self.not_made).insert(path.clone());
    }

    /// Sets the owner, and returns the mode to set next. For another owner, the setuid and setgid
    /// bits would grant the rights of the wrong user.
    fn set_owner(
        &self,
        path: &LayerPath,
        entry: &FileEntry,
        set: impl FnOnce(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
    ) -> io::Result<Mode> {
        let without_bits = entry.mode & !SET_IDS;
        if !self.same_owner {
            return Ok(Mode::from_raw_mode(without_bits));
        }
        let is_set = match owner(entry) {
            // The directory that everything is unpacked into may be anybody's.
            owner if owner == self.new_files.owner && !path.is_root() => owner.is_some(),
            Some((uid, gid)) => self.allowed(set(Some(uid), Some(gid)), path, NO_OWNER)?,
            None => {
                self.skipped.add(&path.to_path(), NO_SUCH_OWNER.to_owned());
                false
            }
        };
        if is_set {
            return Ok(Mode::from_raw_mode(entry.mode));
        }
        let is_link = matches!(entry.kind, FileKind::Symlink { .. });
        if without_bits != entry.mode && !is_link {
            self.skipped.add(&path.to_path(), NO_SET_IDS.to_owned());
        }
        Ok(Mode::from_raw_mode(without_bits))
    }

    fn set_xattr(
        &self,
        set: rustix::io::Result<()>,
        path: &LayerPath,
        name: &[u8],
    ) -> io::Result<()> {
        let name = String::from_utf8_lossy(name);
        // Too long a name or value. Some file systems have room for a few kilobytes, and report a
        // full disk for more.
        let set = set.map_err(|cause| match cause {
            Errno::RANGE | Errno::TOOBIG | Errno::NOSPC => Errno::INVAL,
            cause => cause,
        });
        self.allowed(set, path, &format!("does not have its extended attribute {name:?}")).map(drop)
    }

    /// What a process may not do, or a file system cannot hold, is left out. Returns whether it was
    /// done.
    fn allowed(
        &self,
        done: rustix::io::Result<()>,
        path: &LayerPath,
        otherwise: &str,
    ) -> io::Result<bool> {
        match done {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL) => {
                self.skipped.add(&path.to_path(), otherwise.to_owned());
                Ok(false)
            }
            done => Ok(done.map(|()| true)?),
        }
    }
}

/// The last component.
fn name(path: &LayerPath) -> Vec<u8> {
    let bytes = path.to_bytes();
    bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec()
}

/// The owner, if the system has such numbers. The largest one means that an owner is not changed.
fn owner(entry: &FileEntry) -> Option<(Uid, Gid)> {
    let id = |id| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
    Some((Uid::from_raw(id(entry.uid)?), Gid::from_raw(id(entry.gid)?)))
}

fn times(entry: &FileEntry) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: entry.mtime, tv_nsec: entry.nanoseconds.into() },
    }
}
