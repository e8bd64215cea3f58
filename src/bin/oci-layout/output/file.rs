//! An output file that appears at its path only when it is complete.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use oci_layout::{Error, NewFile, Result, WriteOptions};

use super::{Shared, Undo};
use crate::errors;

/// Writes a tar to a file, or to standard output if the path is `-`. `pipe` is what a user can pipe
/// the tar into. Returns `None` if the reader of standard output closed it early.
pub(crate) fn write_tar<T>(
    path: &Path,
    options: WriteOptions,
    pipe: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<Option<T>> {
    if path == Path::new("-") && io::stdout().is_terminal() {
        let reason =
            format!("a terminal cannot display a tar: pipe it into {pipe}, or give a file");
        return Err(errors::invalid("standard output", reason));
    }
    write_file(path, options, write)
}

/// Writes a file, or to standard output if the path is `-`. Returns `None` if the reader of standard
/// output closed it early.
pub(crate) fn write_file<T>(
    path: &Path,
    options: WriteOptions,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<Option<T>> {
    if path == Path::new("-") {
        return match buffered(io::stdout().lock(), Path::new("standard output"), write) {
            // A reader may stop early; that is not an error.
            Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => {
                Ok(None)
            }
            result => result.map(Some),
        };
    }
    if path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        // A device or a fifo is written in place; it must not be replaced by a file.
        let file = File::options().write(true).open(path).map_err(errors::write(path))?;
        return buffered(file, path, write).map(Some);
    }
    let mut file = OutputFile::claim(path, options)?;
    let written = buffered(&mut file, path, write)?;
    file.keep()?;
    Ok(Some(written))
}

fn buffered<T>(
    to: impl Write,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    let mut to = BufWriter::with_capacity(64 << 10, to);
    let written = write(&mut to).map_err(|error| match error {
        Error::Write { cause, .. } => errors::write(path)(cause),
        other => other,
    })?;
    to.flush().map_err(errors::write(path))?;
    Ok(written)
}

/// A file that is being written. It is removed on drop, or when a signal ends the program.
pub(crate) struct OutputFile {
    file: NewFile,
    shared: Arc<Shared>,
}

impl OutputFile {
    /// Starts to write the file. An existing file is kept until the new one is complete.
    pub(crate) fn claim(path: &Path, options: WriteOptions) -> Result<Self> {
        if path.is_dir() {
            return Err(errors::output_exists(
                path,
                "is a folder: choose another name for the output",
            ));
        }
        let shared = Arc::new(Shared::default());
        // A signal that arrives now waits until it is known what to remove.
        let mut undo = shared.undo();
        shared.remove_on_signals().map_err(errors::write(path))?;
        let file = NewFile::create(path, options)?;
        *undo = Some(Undo::File(file.temporary_path().map(Path::to_owned)));
        drop(undo);
        Ok(Self { file, shared })
    }

    /// Moves the complete file to its path.
    pub(crate) fn keep(self) -> Result<()> {
        let mut undo = self.shared.end();
        self.file.keep()?;
        *undo = None;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
