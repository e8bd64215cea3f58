//! A file that takes its place when it is whole.

use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use oci_layout::{Error, Result};
use tempfile::NamedTempFile;

use super::{Claim, Shared};

/// A file that is being made, beside its place. Dropped, or when a signal ends the program, it is removed.
pub(crate) struct OutputFile {
    file: NamedTempFile,
    path: PathBuf,
    shared: Arc<Shared>,
}

impl OutputFile {
    /// Begins to make the file. One that is there stays until the new one is whole.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        let write = |cause| Error::Write { path: path.to_owned(), cause };
        if path.is_dir() {
            let reason = "is a folder: choose another name for the output".to_owned();
            return Err(Error::Layout { path: path.to_owned(), reason });
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let shared = Arc::new(Shared::default());
        // A signal that comes now waits until it is clear what there is to remove.
        let mut claim = shared.claim();
        shared.remove_on_signals().map_err(write)?;
        let file = tempfile::Builder::new().prefix(".oci-layout-").tempfile_in(folder).map_err(write)?;
        *claim = Some(Claim::File(file.path().to_owned()));
        drop(claim);
        Ok(Self { file, path: path.to_owned(), shared })
    }

    /// The file is whole.
    pub(crate) fn keep(self) -> Result<()> {
        let write = |cause| Error::Write { path: self.path.clone(), cause };
        let mut claim = self.shared.end();
        self.file.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(write)?;
        self.file.persist(&self.path).map_err(|error| write(error.error))?;
        *claim = None;
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
