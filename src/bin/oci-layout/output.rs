//! The folder that `-o` names: claimed while it is made, and as it was before if that fails.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use oci_layout::{Error, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// In the folder as long as it is made: of two programs that want the same empty folder, one gets it, and the other
/// never takes away what the first one put there. Named as the library names temporary files.
const CLAIM: &str = ".oci-layout-output";

/// An output that is being made. Dropped, or when a signal ends the program, all of it is removed.
pub(crate) struct Output {
    dir: PathBuf,
    claim: Arc<Mutex<Option<Claim>>>,
}

impl Output {
    /// Makes the folder, which must not be there or be empty.
    pub(crate) fn claim(dir: &Path) -> Result<Self> {
        let write = |cause| Error::Write { path: dir.to_owned(), cause };
        let refuse = |reason: &str| Err(Error::Layout { path: dir.to_owned(), reason: reason.to_owned() });
        let not_empty = || refuse("is not empty: empty it, or choose another folder for the output");
        if fs::metadata(dir).is_ok_and(|file| !file.is_dir()) {
            return refuse("is not a folder: choose another place for the output");
        }
        let missing = |path: &&Path| fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let made = dir.ancestors().take_while(named).take_while(missing).last().map(Path::to_owned);
        fs::create_dir_all(dir).map_err(write)?;
        if !is_free(dir).map_err(write)? {
            return not_empty();
        }
        match File::create_new(dir.join(CLAIM)) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return not_empty(),
            other => other.map_err(write)?,
        };
        // Between the look and the claim, another program may have begun and ended.
        if !is_free(dir).map_err(write)? {
            fs::remove_file(dir.join(CLAIM)).map_err(write)?;
            return not_empty();
        }
        let output =
            Self { dir: dir.to_owned(), claim: Arc::new(Mutex::new(Some(Claim { dir: dir.to_owned(), made }))) };
        output.remove_on_signals().map_err(write)?;
        Ok(output)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The output is whole.
    pub(crate) fn keep(self) -> Result<()> {
        let mut claim = lock(&self.claim);
        let path = self.dir.join(CLAIM);
        fs::remove_file(&path).map_err(|cause| Error::Write { path, cause })?;
        *claim = None;
        Ok(())
    }

    fn remove_on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let claim = Arc::clone(&self.claim);
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // Held until the process is gone: the main thread, which may have failed by now, has no say any more.
                let claim = lock(&claim);
                if let Some(claim) = &*claim {
                    claim.remove();
                    // A thread at work that was about to make a file has made it by then; later ones find no folder.
                    thread::sleep(Duration::from_millis(20));
                    claim.remove();
                }
                process::exit(128 + signal);
            }
        });
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(claim) = lock(&self.claim).take() {
            claim.remove();
        }
    }
}

/// What there is to remove.
struct Claim {
    dir: PathBuf,
    /// The topmost folder that was made for the output; none if the output's own was there before.
    made: Option<PathBuf>,
}

impl Claim {
    /// Removes what can be removed. Why the rest can't is no news: it is why the output could not be made.
    fn remove(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_dir { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
