//! The folder or file that `-o` names. It is claimed while it is written, and restored if that
//! fails.

mod claim;
mod file;
mod leftovers;

use std::{
    ffi::{OsString, c_int},
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use oci_layout::{ImageLayout, Result, WriteOptions};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

pub(crate) use self::{
    claim::settled,
    file::{OutputFile, write_file, write_tar},
};
use self::{
    claim::{Claim, Found},
    leftovers::{CLAIM, Leftovers},
};
use crate::{errors, image_arg::has_transport, progress};

/// The folder in which a layout is written again if its folder has a complete layout of a killed
/// run.
const AGAIN: &str = ".oci-layout-again";

/// An output folder that is being written. Its contents are removed on drop, or when a signal ends
/// the program.
pub(crate) struct Output {
    folder: PathBuf,
    /// The folder, or `AGAIN` in it.
    dir: PathBuf,
    /// The layout that the folder replaces when it is complete.
    replaces: Option<ImageLayout>,
    shared: Arc<Shared>,
}

impl Output {
    /// Creates the folder, which must not exist or must be empty. Leftovers of a killed run of this
    /// program are removed.
    pub(crate) fn claim(dir: &Path, write: WriteOptions) -> Result<Self> {
        refuse_image_name(dir)?;
        let shared = Arc::new(Shared::default());
        // A signal that arrives now waits until it is known what to remove.
        let mut undo = shared.undo();
        shared.remove_on_signals().map_err(errors::write(dir))?;
        let folder = Folder::claim(dir, write)?;
        let made_in = if folder.is_whole { dir.join(AGAIN) } else { dir.to_owned() };
        *undo = Some(Undo::Folder(folder));
        drop(undo);
        Ok(Self { folder: dir.to_owned(), dir: made_in, replaces: None, shared })
    }

    /// With `force`, replaces an existing layout: the output is a folder beside it, and
    /// [`Output::keep`] exchanges them.
    pub(crate) fn claim_or_replace(dir: &Path, write: WriteOptions, force: bool) -> Result<Self> {
        let is_used = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if !is_used() {
            return Self::claim(dir, write);
        }
        if !force && dir.join("index.json").exists() && !dir.join(CLAIM).exists() {
            let reason = "is not empty: replace it with --force, or choose another folder for the \
                          output";
            return Err(errors::output_exists(dir, reason));
        }
        if !force {
            return Self::claim(dir, write);
        }
        let is_layout = settled(dir, write)? && dir.join("index.json").is_file();
        if !is_layout || !Leftovers::of(dir).others.is_empty() {
            let reason = "is not an image layout, or has other files too, and --force replaces \
                          nothing else: choose another folder for the output";
            return Err(errors::output_exists(dir, reason));
        }
        // A link stays, and its target is replaced.
        let dir = fs::canonicalize(dir).map_err(errors::read(dir))?;
        let mut name = OsString::from(".");
        name.push(dir.file_name().unwrap_or_default());
        name.push(".oci-layout-new");
        let new = dir.with_file_name(name);
        // A killed run may have left the layout that it replaced.
        if !new.join(CLAIM).exists() {
            remove_layout(&new);
        }
        let replaces = ImageLayout::open(&dir)?.write_options(write);
        let mut output = Self::claim(&new, write)?;
        output.replaces = Some(replaces);
        Ok(output)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps the output, which is complete.
    pub(crate) fn keep(self) -> Result<()> {
        if let Some(old) = &self.replaces {
            let mut undo = None;
            progress::show("waiting until no program uses the old layout", |_| {
                // A signal ends the program while it waits, and not later.
                old.exchange(&self.folder, || undo = Some(self.shared.end()))
            })?;
            // From here on, the folder has the old layout, and the claim lies in the new one.
            undo.into_iter().for_each(|mut undo| *undo = None);
            let claim = old.path().join(CLAIM);
            fs::remove_file(&claim).map_err(errors::write(&claim))?;
            remove_layout(&self.folder);
            return Ok(());
        }
        let mut undo = self.shared.end();
        if self.dir != self.folder {
            self.replace()?;
        }
        if let Some(Undo::Folder(folder)) = &*undo {
            // After a power loss, the claim may reappear; it is then unlocked, and so can be taken
            // over.
            folder.claim.end()?;
        }
        *undo = None;
        Ok(())
    }

    /// Replaces the existing layout by the new copy if both have the same index.
    fn replace(&self) -> Result<()> {
        let read = |path: PathBuf| fs::read(&path).map_err(errors::read(path));
        if read(self.dir.join("index.json"))? != read(self.folder.join("index.json"))? {
            let reason = "is an image layout with other contents: append to it, or choose another \
                folder";
            return Err(errors::output_exists(&self.folder, reason));
        }
        for file in Leftovers::of(&self.dir).files {
            let to = self.folder.join(file.strip_prefix(&self.dir).unwrap_or(&file));
            let moved = to.parent().map_or(Ok(()), fs::create_dir_all);
            moved.and_then(|()| fs::rename(&file, &to)).map_err(errors::write(&to))?;
        }
        Leftovers::of(&self.dir).remove();
        let _ = fs::remove_dir(&self.dir);
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(undo) = self.shared.end().take() {
            undo.remove();
        }
    }
}

/// What to remove if the output is not completed.
enum Undo {
    Folder(Folder),
    /// A file that is not at its final path yet; `None` if it has no name.
    File(Option<PathBuf>),
}

impl Undo {
    /// Removes as much as possible. Errors are ignored: they have the same cause as the failure of
    /// the output.
    fn remove(&self) {
        match self {
            Self::Folder(folder) => folder.remove(),
            Self::File(path) => {
                let _ = path.as_ref().map(fs::remove_file);
            }
        }
    }
}

struct Folder {
    dir: PathBuf,
    claim: Claim,
    /// Whether the folder holds a layout that was complete when its writer was killed.
    is_whole: bool,
    /// The topmost folder that was created for the output; `None` if the output folder existed.
    made: Option<PathBuf>,
}

impl Folder {
    fn claim(dir: &Path, write: WriteOptions) -> Result<Self> {
        if fs::metadata(dir).is_ok_and(|file| !file.is_dir()) {
            return Err(errors::output_exists(
                dir,
                "is not a folder: choose another path for the output",
            ));
        }
        let missing = |path: &&Path| {
            fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
        };
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let made = dir.ancestors().take_while(named).take_while(missing).last().map(Path::to_owned);
        let begun = fs::create_dir_all(dir)
            .map_err(errors::write(dir))
            .and_then(|()| Claim::take(dir, write));
        let (claim, found) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                remove_folders(dir, made.as_deref());
                return Err(error);
            }
        };
        let is_whole = found == Found::Layout;
        if !is_whole {
            Leftovers::of(dir).remove();
        }
        Ok(Self { dir: dir.to_owned(), claim, is_whole, made })
    }

    fn remove(&self) {
        if self.is_whole {
            Leftovers::of(&self.dir.join(AGAIN)).remove();
            let _ = fs::remove_dir(self.dir.join(AGAIN));
            return;
        }
        Leftovers::of(&self.dir).remove();
        let _ = self.claim.end();
        remove_folders(&self.dir, self.made.as_deref());
    }
}

/// Refuses the name of an image as a folder: `docker://…`, `oci:…` or `localhost:5000/…`.
fn refuse_image_name(dir: &Path) -> Result<()> {
    let text = dir.to_string_lossy();
    let is_host = |first: &str| {
        first.split_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let has_host = text.split_once('/').is_some_and(|(first, _)| is_host(first));
    if dir.exists() || !(has_transport(dir.as_os_str()) || has_host) {
        return Ok(());
    }
    let reason = "is the name of an image, and the output is a folder: give a folder, name the \
                  image with --tag, and send it with push";
    Err(errors::invalid(format!("{dir:?}"), reason))
}

/// Removes a layout, but no files of other origin.
fn remove_layout(dir: &Path) {
    Leftovers::of(dir).remove();
    let _ = fs::remove_dir(dir);
}

/// Removes the folders that were created for the output if they are empty.
fn remove_folders(dir: &Path, made: Option<&Path>) {
    for dir in dir.ancestors().take_while(|dir| made.is_some_and(|made| dir.starts_with(made))) {
        let _ = fs::remove_dir(dir);
    }
}

/// State shared by the main thread and the thread that waits for signals.
#[derive(Default)]
struct Shared {
    /// `None` when the output is complete or removed.
    undo: Mutex<Option<Undo>>,
    /// Whether the main thread has stopped writing.
    is_over: AtomicBool,
}

impl Shared {
    fn undo(&self) -> MutexGuard<'_, Option<Undo>> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what to remove, when the main thread has finished. After a signal, the main thread
    /// blocks here until the program exits.
    fn end(&self) -> MutexGuard<'_, Option<Undo>> {
        self.is_over.store(true, Ordering::SeqCst);
        self.undo()
    }

    /// Handles signals on a new thread. If no thread can be created, signals are not caught: the
    /// program ends as if it were killed, and the next run removes the leftovers.
    fn remove_on_signals(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        let (caught, result) = channel();
        let started =
            thread::Builder::new().spawn(move || match Signals::new([SIGHUP, SIGINT, SIGTERM]) {
                Ok(mut signals) => {
                    let _ = caught.send(Ok(()));
                    if let Some(signal) = signals.forever().next() {
                        shared.interrupt(signal);
                    }
                }
                Err(cause) => drop(caught.send(Err(cause))),
            });
        match started {
            Ok(_) => result.recv().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    fn interrupt(&self, signal: c_int) {
        let undo = self.undo();
        // Without it the output is complete or removed, and the program exits with its own code.
        let Some(undo) = &*undo else { return };
        undo.remove();
        // The main thread may be about to create a file or folder. Either it fails soon, because
        // earlier files are gone, and finishes; or it is in a long computation and creates nothing
        // until that ends.
        for _ in 0..20 {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        undo.remove();
        process::exit(128 + signal);
    }
}
