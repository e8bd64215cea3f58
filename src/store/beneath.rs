//! Opens files below a folder without following symbolic links.
//!
//! A layout may come from a stranger. If this module followed its links, reading `blobs/sha256/…`
//! could read any file that this process can read. The folder itself is the user's choice, so links
//! in the path to it are followed.

use std::{
    fs::{File, Metadata},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Component, Path},
};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2},
    io::{Errno, retry_on_intr},
};

use crate::basics::Error;

/// A file below a folder, and its type. Only a regular file can be read.
pub(crate) struct Beneath {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
}

impl Beneath {
    /// Looks up a name. Does not follow a symbolic link. Returns `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// The error of the system, which is `ELOOP` if a folder in the path is a symbolic link.
    pub(crate) fn look(root: &Path, name: &str) -> io::Result<Option<Self>> {
        let opened = open(root, name, OFlags::PATH | OFlags::NOFOLLOW);
        opened.and_then(|file| Self::of(file.into())).map(Some).or_else(absent)
    }

    /// Opens a regular file for reading. Other files are only looked up: opening a FIFO waits for a
    /// writer, and opening a device may change it.
    ///
    /// # Errors
    ///
    /// The same as [`Beneath::look`].
    pub(crate) fn read(root: &Path, name: &str) -> io::Result<Option<Self>> {
        match Self::look(root, name)? {
            Some(found) if found.metadata.is_file() => {
                // The file may have been replaced since the first look, so its type is checked
                // again.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
                open(root, name, flags)
                    .and_then(|file| Self::of(file.into()))
                    .map(Some)
                    .or_else(absent)
            }
            found => Ok(found),
        }
    }

    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file, metadata })
    }
}

/// Opens a folder below another, for calls on the names in it.
///
/// # Errors
///
/// The error of the system, which is `ELOOP` or `ENOTDIR` if the folder, or one in the path, is a
/// symbolic link.
pub(crate) fn folder(root: &Path, name: &str) -> io::Result<OwnedFd> {
    open(root, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
}

/// The names in a folder below another, in no particular order. Bytes that are not UTF-8 are
/// replaced.
///
/// # Errors
///
/// The same as [`folder`].
pub(crate) fn names(root: &Path, name: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::new(folder(root, name)?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Why a call on a name below a folder failed: because of a symbolic link in the path, or with an
/// error of the system.
pub(crate) fn unreadable(root: &Path, name: &str, cause: io::Error) -> Error {
    let path = root.join(name);
    let above: Vec<&Path> =
        Path::new(name).ancestors().filter(|name| !name.as_os_str().is_empty()).collect();
    match above.into_iter().rev().map(|name| root.join(name)).find(|path| path.is_symlink()) {
        Some(link) => Error::layout(
            link,
            "is a symbolic link, but the files and folders of a layout must be inside of it: if \
             you trust the layout, replace the link by a copy of its target",
        ),
        None => Error::read(path)(cause),
    }
}

fn absent<T>(cause: io::Error) -> io::Result<Option<T>> {
    match cause.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(cause),
    }
}

fn open(root: &Path, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = retry_on_intr(|| openat(CWD, root, folder, Mode::empty()))?;
    open_below(root.as_fd(), Path::new(name), flags)
}

/// Opens a path below an open folder; an empty one is the folder itself.
///
/// # Errors
///
/// As of [`folder`].
pub(crate) fn open_below(root: BorrowedFd<'_>, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    if name.as_os_str().is_empty() {
        return Ok(retry_on_intr(|| openat(root, ".", flags, Mode::empty()))?);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match retry_on_intr(|| openat2(root, name, flags, Mode::empty(), resolve)) {
        // Kernels before 5.6 lack this call, and some sandboxes forbid it.
        Err(Errno::NOSYS | Errno::PERM) => walk(root.try_clone_to_owned()?, name, flags),
        opened => Ok(opened?),
    }
}

/// Opens one folder after the other, with the same result as `openat2`.
fn walk(root: OwnedFd, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut folder = root;
    let mut components = name.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(component) = component else { return Err(Errno::XDEV.into()) };
        let is_last = components.peek().is_none();
        let step = if is_last { flags } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
        let opened =
            retry_on_intr(|| openat(&folder, component, step | OFlags::NOFOLLOW, Mode::empty()));
        folder = match opened {
            Err(Errno::NOTDIR) if !is_last && is_link(&folder, component) => {
                return Err(Errno::LOOP.into());
            }
            opened => opened?,
        };
    }
    Ok(folder)
}

fn is_link(folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(folder, name, flags, Mode::empty()).map(File::from);
    opened.is_ok_and(|file| file.metadata().is_ok_and(|metadata| metadata.is_symlink()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// With and without `openat2`.
    type Open = fn(&Path, &str, OFlags) -> io::Result<OwnedFd>;
    const WAYS: [Open; 2] = [open, |root, name, flags| {
        let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        walk(root, Path::new(name), flags | OFlags::CLOEXEC)
    }];

    #[test]
    fn symbolic_links_are_not_followed_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(root.join("blobs/sha256/plain"), "plain").unwrap();
        symlink(dir.path().join("secret"), root.join("blobs/sha256/absolute")).unwrap();
        symlink("plain", root.join("blobs/sha256/inside")).unwrap();
        symlink("blobs", root.join("linked")).unwrap();
        symlink(".", root.join("blobs/again")).unwrap();
        symlink("nowhere", root.join("blobs/broken")).unwrap();
        for open in WAYS {
            let error = |name| {
                open(&root, name, OFlags::RDONLY | OFlags::NOFOLLOW).unwrap_err().raw_os_error()
            };
            assert!(open(&root, "blobs/sha256/plain", OFlags::RDONLY).is_ok());
            for name in [
                "blobs/sha256/absolute",
                "blobs/sha256/inside",
                "linked/sha256/plain",
                "blobs/again/sha256/plain",
                "blobs/broken",
            ] {
                assert_eq!(error(name), Some(Errno::LOOP.raw_os_error()), "{name}");
            }
            assert_eq!(error("../secret"), Some(Errno::XDEV.raw_os_error()));
            assert_eq!(error("blobs/../../secret"), Some(Errno::XDEV.raw_os_error()));
            assert_eq!(error("blobs/sha256/plain/below"), Some(Errno::NOTDIR.raw_os_error()));
            assert_eq!(error("blobs/sha256/absent"), Some(Errno::NOENT.raw_os_error()));
        }
    }

    #[test]
    fn special_files_are_inspected_without_opening_them() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            CWD,
            dir.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let kind = |name| Beneath::read(dir.path(), name).unwrap().unwrap().metadata.file_type();
        assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind("fifo")));
        assert!(kind("link").is_symlink());
        assert!(Beneath::read(dir.path(), "absent").unwrap().is_none());
    }
}
