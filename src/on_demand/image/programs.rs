//! The programs of packages, and other files that images have at usual paths.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    on_demand::package_source::Resolved,
};

/// Files of packages outside of `bin` that an image has at the same path, below `/`.
const USUAL: [&str; 3] = [CERTIFICATES, "etc/protocols", "etc/services"];

/// The file with certificate authorities, where the package `cacert` of nixpkgs has it.
const CERTIFICATES: &str = "etc/ssl/certs/ca-bundle.crt";

/// What the outputs of packages have at usual places.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    /// The programs by their names.
    bin: BTreeMap<OsString, PathBuf>,
    /// Other files, by their paths below `/`.
    usual: BTreeMap<&'static str, PathBuf>,
}

impl Programs {
    /// Lists the outputs of packages. If several have a program with the same name, the first one
    /// counts, in the order of attributes and then of outputs. Hidden files, such as the programs
    /// that wrappers start, do not count.
    ///
    /// # Errors
    ///
    /// [`Error::SourceUnreadable`] for a folder that cannot be listed.
    pub(crate) fn of(resolved: &Resolved) -> Result<Self> {
        let mut found = Self::default();
        let outputs = resolved.packages.iter().flat_map(|package| &package.outputs);
        for (_, output) in outputs {
            // The folder `sbin` of a package is often a link to its `bin`.
            for folder in ["bin", "sbin"] {
                let folder = output.join(folder);
                for name in names(&folder)? {
                    let program = folder.join(&name);
                    if !program.is_dir() && !name.as_bytes().starts_with(b".") {
                        found.bin.entry(name).or_insert(program);
                    }
                }
            }
            for path in USUAL {
                let file = output.join(path);
                if file.is_file() {
                    found.usual.entry(path).or_insert(file);
                }
            }
        }
        let shell = ["bash", "dash", "busybox"].iter().find_map(|name| found.program(name));
        if let Some(shell) = shell.map(Path::to_owned) {
            found.bin.entry("sh".into()).or_insert(shell);
        }
        Ok(found)
    }

    /// The file of a program with this name.
    pub(crate) fn program(&self, name: impl AsRef<OsStr>) -> Option<&Path> {
        self.bin.get(name.as_ref()).map(PathBuf::as_path)
    }

    /// The programs by their names.
    pub(crate) fn bin(&self) -> impl Iterator<Item = (&OsStr, &Path)> {
        self.bin.iter().map(|(name, program)| (&**name, &**program))
    }

    /// Other files of packages, by their paths below `/`.
    pub(crate) fn usual(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.usual.iter().map(|(path, file)| (*path, &**file))
    }

    /// The file with certificate authorities.
    pub(crate) fn certificates(&self) -> Option<&Path> {
        self.usual.get(CERTIFICATES).map(PathBuf::as_path)
    }
}

/// The names in a folder, if it exists.
fn names(folder: &Path) -> Result<Vec<OsString>> {
    let unreadable = |cause| Error::SourceUnreadable { path: folder.to_owned(), cause };
    let entries = match fs::read_dir(folder) {
        Err(cause)
            if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        entries => entries.map_err(unreadable)?,
    };
    entries.map(|entry| Ok(entry.map_err(unreadable)?.file_name())).collect()
}
