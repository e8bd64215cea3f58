//! Probable mistakes that do not stop the work.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// A probable mistake in what was given. Displayed, it is a sentence that names the file or member and the remedy.
///
/// The values that a function returns carry its warnings, as in [`TarLayer::warnings`](crate::TarLayer::warnings). With
/// the option `strict` of that function, the first warning is [`Error::Warning`] instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A platform was given by another name than the one that images use.
    #[error("platform {given:?} is written as {used:?}, the name that images use")]
    PlatformRenamed {
        /// The platform as given.
        given: String,
        /// The platform as written.
        used: String,
    },
    /// A layer replaces a symbolic link of its base by a directory, which hides what is behind the link.
    #[error(
        "{path:?} is a directory in the layer, and in the base image a symbolic link to {target:?}, which the layer replaces: \
         make the layer above that base"
    )]
    LinkReplaced {
        /// The path in the image.
        path: PathBuf,
        /// The target of the link.
        target: PathBuf,
    },
    /// A layer replaces a file of its base by a directory.
    #[error("{path:?} is a directory in the layer, and in the base image a file, which the layer replaces")]
    FileReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer replaces a directory of its base, and all that is in it, by a file or link.
    #[error(
        "{path:?} is a directory in the base image, and the layer replaces it with all that is in it by a file or link"
    )]
    DirectoryReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer resets mode and owner of a directory of its base to the usual ones.
    #[error(
        "{path:?} has mode {mode:04o} and owner {}:{} in the base image, and the layer resets it to 0755 and 0:0: make the \
         layer above that base",
        owner.0, owner.1
    )]
    DirectoryReset {
        /// The path in the image.
        path: PathBuf,
        /// The mode in the base image.
        mode: u32,
        /// User and group in the base image.
        owner: (u64, u64),
    },
}

impl Warning {
    /// The first of these warnings as an error, if warnings are errors.
    pub(crate) fn refuse(warnings: &[Self], strict: bool) -> Result<()> {
        match warnings.first() {
            Some(warning) if strict => Err(Error::Warning(warning.clone())),
            _ => Ok(()),
        }
    }
}
