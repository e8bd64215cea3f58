//! The programs that scripts call, by their absolute paths.

use std::path::PathBuf;

use crate::{
    basics::error::{Error, Result},
    nix::services::quote,
};

/// The packages that contain the programs.
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
}

impl Tools {
    /// Looks into `bin` of each package, in this order.
    pub(crate) fn new(packages: Vec<PathBuf>) -> Self {
        Self { folders: packages.into_iter().map(|package| package.join("bin")).collect() }
    }

    /// Returns the path of a program, which is a text because JSON named its folder.
    pub(crate) fn path(&self, name: &str) -> Result<String> {
        self.place(name).map(|place| place.display().to_string()).ok_or_else(|| {
            let package = match name {
                "s6-background-watch" => "s6 2.14 or newer",
                _ if name.starts_with("s6-") => "s6",
                "execlineb" | "export" | "ifthenelse" => "execline",
                "setpriv" => "util-linuxMinimal",
                _ => "busybox",
            };
            Error::invalid(
                "path",
                format!("none of the packages has bin/{name}: add pkgs.{package} to s6.packages"),
            )
        })
    }

    /// `PATH` of shell scripts, as a word.
    pub(crate) fn shell_path(&self) -> String {
        let folders: Vec<_> =
            self.folders.iter().map(|folder| folder.display().to_string()).collect();
        quote::shell(&folders.join(":"))
    }

    /// Whether a program is one of busybox's.
    pub(crate) fn is_from_busybox(&self, name: &str) -> bool {
        let target = self.place(name).and_then(|place| place.canonicalize().ok());
        target.is_some_and(|target| target.file_name().is_some_and(|name| name == "busybox"))
    }

    /// A link counts, wherever it leads: its target may only exist in the image.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let places = self.folders.iter().map(|folder| folder.join(name));
        places.into_iter().find(|place| place.symlink_metadata().is_ok())
    }
}
