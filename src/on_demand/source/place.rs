//! Where Nix finds a revision of a package set.

use std::{path::PathBuf, process::Command};

use crate::registry::{NamedImageError, NamedImageErrorKind::Internal};

/// The place of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder with a `default.nix`.
    Folder(String),
    /// A flake in the store.
    Flake(String),
}

impl Place {
    /// A folder. Nix reads only paths that are UTF-8.
    pub(crate) fn folder(path: PathBuf) -> Result<Self, NamedImageError> {
        path.into_os_string().into_string().map(Self::Folder).map_err(|path| {
            let message = "the registry's package set has a path that is not UTF-8";
            NamedImageError::new(Internal, message).detail(path.display().to_string())
        })
    }

    /// The word of the resolver for this kind of place.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "path",
            Self::Flake(_) => "flake",
        }
    }

    /// The text of the resolver for this place.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Folder(path) => path.clone(),
            Self::Flake(path) => format!("path:{path}"),
        }
    }

    /// Lets an evaluation read this place, and nothing else.
    pub(crate) fn allow(&self, command: &mut Command) {
        let (Self::Folder(path) | Self::Flake(path)) = self;
        command.arg("-I").arg(format!("packages={path}"));
        if matches!(self, Self::Flake(_)) {
            command.args(["--option", "experimental-features", "nix-command flakes"]);
        }
    }
}
