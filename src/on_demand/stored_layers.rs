//! Which layers are stored, besides being made of store paths when they are read.

use std::{fmt, str::FromStr};

/// Which layers are stored in the state, as blobs. The others are made of store paths each time
/// that they are read.
///
/// A layer is stored when an image is made that has it. What is stored is served from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoredLayers {
    /// None.
    Never,
    /// Those with a package that was built on this machine: a new build may have other contents, so
    /// that nobody could finish a pull after the garbage collection of the first one.
    #[default]
    Built,
    /// All, for [redirects](crate::on_demand::PackageImagesOptions::redirect), or to save the time
    /// to make them again.
    Always,
}

/// Reads `never`, `built` or `always`.
impl FromStr for StoredLayers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            "built" => Ok(Self::Built),
            "always" => Ok(Self::Always),
            _ => Err("expected never, built or always".to_owned()),
        }
    }
}

impl fmt::Display for StoredLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Built => "built",
            Self::Always => "always",
        })
    }
}
