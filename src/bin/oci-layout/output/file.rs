//! An output file that appears at its path only when it is complete.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use oci_layout::{NewFile, Result, WriteOptions};

use super::{Shared, Undo};
use crate::errors;

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
