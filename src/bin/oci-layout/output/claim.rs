//! The claim: a file that marks a folder as an output in progress.
//!
//! The file exists while the output is written, and is locked as long as the program runs. Of two
//! programs that want the same folder, only one gets it. An unlocked claim is that of a program
//! that was killed: the next run takes it over, and removes those parts of the incomplete output
//! that this program can have written.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use oci_layout::{Error, Result, WriteOptions};
use rustix::{
    fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat, open},
    io::{Errno, retry_on_intr},
};

use super::leftovers::{CLAIM, Leftovers};
use crate::errors;

/// The contents of a claim. A file of the same name with other contents does not belong to this
/// program.
const CONTENTS: &[u8] = b"oci-layout makes this folder, or was killed before it was whole.\n";

/// A claim of this process.
pub(super) struct Claim {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

/// What a claimed folder contains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// An incomplete output.
    Leftovers,
    /// A layout that was complete when its writer was killed. It may have been used since.
    Layout,
}

impl Claim {
    /// Claims a folder that is empty, or that a killed program had claimed.
    pub(super) fn take(dir: &Path, write: WriteOptions) -> Result<(Self, Found)> {
        let path = dir.join(CLAIM);
        loop {
            if let Some(file) = take_over(dir, write)? {
                if !Leftovers::of(dir).others.is_empty() {
                    return Err(not_empty(dir));
                }
                let found = if is_whole(dir) { Found::Layout } else { Found::Leftovers };
                return Ok((Self { path, _file: file }, found));
            }
            if !is_free(dir)? {
                return Err(not_empty(dir));
            }
            let Some(file) = begin(dir, write)? else { continue };
            let claim = Self { path, _file: file };
            // Another program may have started and finished between the check and the claim.
            return match is_free(dir) {
                Ok(true) => Ok((claim, Found::Nothing)),
                free => {
                    claim.end()?;
                    Err(free.err().unwrap_or_else(|| not_empty(dir)))
                }
            };
        }
    }

    /// Removes the claim from a folder that is complete or empty.
    pub(super) fn end(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            // Garbage collection in a layout that was just completed removes the claim, too.
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(errors::write(&self.path)(cause))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the folder holds a complete layout to add to. Removes the claim of a killed program from
/// it.
pub(crate) fn settled(dir: &Path, write: WriteOptions) -> Result<bool> {
    if fs::symlink_metadata(dir.join(CLAIM)).is_err() {
        return Ok(dir.join("oci-layout").exists());
    }
    match take_over(dir, write)? {
        Some(file) if is_whole(dir) => {
            Claim { path: dir.join(CLAIM), _file: file }.end().map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Whether a layout was completed: its index is written last, by a rename.
fn is_whole(dir: &Path) -> bool {
    fs::symlink_metadata(dir.join("index.json"))
        .is_ok_and(|index| index.is_file() && index.len() > 0)
}

/// Takes over the claim of a killed program and locks it. Returns `None` if there is no claim.
fn take_over(dir: &Path, write: WriteOptions) -> Result<Option<File>> {
    let path = dir.join(CLAIM);
    let refuse = |reason: &str| Err(errors::output_exists(dir, reason));
    loop {
        // Opening a fifo without NONBLOCK would wait for its other end.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = match retry_on_intr(|| open(&path, flags, Mode::empty())) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(not_empty(dir)),
            Err(errno) => return Err(errors::read(path)(errno.into())),
        };
        let metadata = file.metadata().map_err(errors::read(&path))?;
        if !metadata.is_file() {
            return Err(not_empty(dir));
        }
        if !write.lock {
            return refuse(
                "is being written by another program, or was by one that was killed, which cannot \
                 be distinguished without locks: remove it if no program is writing to it",
            );
        }
        if !lock(&file, &path)? {
            return refuse(
                "is being written by another program: wait for it, or choose another folder for \
                 the output",
            );
        }
        // The previous owner may have just finished and removed it.
        let is_there = fs::symlink_metadata(&path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
        if !is_there {
            continue;
        }
        let mut contents = Vec::new();
        let read = (&mut file).take(CONTENTS.len() as u64 + 1).read_to_end(&mut contents);
        read.map_err(errors::read(&path))?;
        return if contents == CONTENTS { Ok(Some(file)) } else { Err(not_empty(dir)) };
    }
}

/// Creates a claim that is locked and has its contents from the moment it appears. Returns `None`
/// if another program was faster.
fn begin(dir: &Path, write: WriteOptions) -> Result<Option<File>> {
    let path = dir.join(CLAIM);
    let failed = |cause| Error::Write { path: dir.to_owned(), cause };
    let fill = |mut file: &File| {
        if write.lock {
            lock(file, dir)?;
        }
        file.write_all(CONTENTS).map_err(failed)
    };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = retry_on_intr(|| open(dir, flags, Mode::from_raw_mode(0o600))) {
        let file = File::from(file);
        fill(&file)?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match retry_on_intr(|| linkat(CWD, &*unnamed, CWD, &path, AtFlags::SYMLINK_FOLLOW)) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::EXIST) => return Ok(None),
            // The file system does not support this.
            Err(_) => {}
        }
    }
    let file = tempfile::Builder::new().prefix(".oci-layout-").tempfile_in(dir).map_err(failed)?;
    fill(file.as_file())?;
    match file.persist_noclobber(&path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(failed(error.error)),
    }
}

/// Locks a claim. Returns `false` if another program holds the lock.
fn lock(file: &File, path: &Path) -> Result<bool> {
    match retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(Error::NoLocks { path: path.to_owned(), cause: errno.into() }),
    }
}

/// Whether the folder is empty except for a claim.
fn is_free(dir: &Path) -> Result<bool> {
    let read = |cause| Error::Write { path: dir.to_owned(), cause };
    for entry in fs::read_dir(dir).map_err(read)? {
        if entry.map_err(read)?.file_name() != CLAIM {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_empty(dir: &Path) -> Error {
    errors::output_exists(dir, "is not empty: empty it, or choose another folder for the output")
}
