//! The folder or file that `-o` names: claimed while it is made, and as it was before if that fails.

mod file;

use std::{
    ffi::c_int,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use oci_layout::{Error, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

pub(crate) use self::file::OutputFile;

/// In the folder as long as it is made: of two programs that want the same empty folder, one gets it, and the other
/// never takes away what the first one put there. Named as the library names temporary files.
const CLAIM: &str = ".oci-layout-output";

/// An output that is being made. Dropped, or when a signal ends the program, all of it is removed.
pub(crate) struct Output {
    dir: PathBuf,
    shared: Arc<Shared>,
}

impl Output {
    /// Makes the folder, which must not be there or be empty.
    pub(crate) fn claim(dir: &Path) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        // A signal that comes now waits until it is clear what there is to remove.
        let mut claim = shared.claim();
        shared.remove_on_signals().map_err(|cause| Error::Write { path: dir.to_owned(), cause })?;
        *claim = Some(Claim::Folder(Folder::claim(dir)?));
        drop(claim);
        Ok(Self { dir: dir.to_owned(), shared })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The output is whole.
    pub(crate) fn keep(self) -> Result<()> {
        let mut claim = self.shared.end();
        let path = self.dir.join(CLAIM);
        fs::remove_file(&path).map_err(|cause| Error::Write { path, cause })?;
        *claim = None;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(claim) = self.shared.end().take() {
            claim.remove();
        }
    }
}

/// What there is to remove.
enum Claim {
    Folder(Folder),
    /// One that is not in its place yet.
    File(PathBuf),
}

impl Claim {
    /// Removes what can be removed. Why the rest can't is no news: it is why the output could not be made.
    fn remove(&self) {
        match self {
            Self::Folder(folder) => folder.remove(),
            Self::File(path) => {
                let _ = fs::remove_file(path);
            }
        }
    }
}

struct Folder {
    dir: PathBuf,
    /// The topmost folder that was made for the output; none if the output's own was there before.
    made: Option<PathBuf>,
}

impl Folder {
    fn claim(dir: &Path) -> Result<Self> {
        let write = |cause| Error::Write { path: dir.to_owned(), cause };
        let refuse = |reason: &str| Error::Layout { path: dir.to_owned(), reason: reason.to_owned() };
        let not_empty = || refuse("is not empty: empty it, or choose another folder for the output");
        if fs::metadata(dir).is_ok_and(|file| !file.is_dir()) {
            return Err(refuse("is not a folder: choose another place for the output"));
        }
        let missing = |path: &&Path| fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let made = dir.ancestors().take_while(named).take_while(missing).last().map(Path::to_owned);
        let claim = Self { dir: dir.to_owned(), made };
        let begun = fs::create_dir_all(dir).map_err(write).and_then(|()| {
            if !is_free(dir).map_err(write)? {
                return Err(not_empty());
            }
            File::create_new(dir.join(CLAIM)).map_err(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => not_empty(),
                _ => write(cause),
            })
        });
        if let Err(error) = begun {
            claim.remove_folders();
            return Err(error);
        }
        // Between the look and the claim, another program may have begun and ended.
        if !is_free(dir).map_err(write)? {
            fs::remove_file(dir.join(CLAIM)).map_err(write)?;
            return Err(not_empty());
        }
        Ok(claim)
    }

    fn remove(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_dir { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
        self.remove_folders();
    }

    /// Removes the folders that were made for the output, as far as nothing is in them.
    fn remove_folders(&self) {
        for dir in self.dir.ancestors().take_while(|dir| self.made.as_ref().is_some_and(|made| dir.starts_with(made))) {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Whether there is nothing in the folder but perhaps a claim.
fn is_free(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        if entry?.file_name() != CLAIM {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the main thread has in common with the one that waits for signals.
#[derive(Default)]
struct Shared {
    /// None when the output is whole, or removed.
    claim: Mutex<Option<Claim>>,
    /// The main thread writes nothing any more.
    is_over: AtomicBool,
}

impl Shared {
    fn claim(&self) -> MutexGuard<'_, Option<Claim>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The claim, for the main thread when it is done; after a signal, it waits here for the end of the program.
    fn end(&self) -> MutexGuard<'_, Option<Claim>> {
        self.is_over.store(true, Ordering::SeqCst);
        self.claim()
    }

    fn remove_on_signals(self: &Arc<Self>) -> io::Result<()> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let shared = Arc::clone(self);
        thread::Builder::new().spawn(move || {
            if let Some(signal) = signals.forever().next() {
                shared.interrupt(signal);
            }
        })?;
        Ok(())
    }

    fn interrupt(&self, signal: c_int) {
        let claim = self.claim();
        // Without a claim the work is done, one way or the other, and its own exit code comes next.
        let Some(claim) = &*claim else { return };
        claim.remove();
        // The main thread may be about to make a file or a folder. Soon it fails, for want of what it made before, and
        // comes to its end; or else it is at a long piece of work, and makes nothing before that is done.
        for _ in 0..20 {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        claim.remove();
        process::exit(128 + signal);
    }
}
