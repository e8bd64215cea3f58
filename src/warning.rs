//! Probable mistakes that do not stop the work.

use std::path::PathBuf;

use crate::{
    digest::Digest,
    error::{Error, Result},
};

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
    /// An index names images that the layout lacks, as `docker save` leaves it for platforms that were not pulled.
    #[error("{layout:?} lacks what its index {index} names for {}: so does every copy of that image", list(.absent))]
    ImagesAbsent {
        /// The layout.
        layout: PathBuf,
        /// The index.
        index: Digest,
        /// The platforms of what is absent, or the digest where none is said.
        absent: Vec<String>,
    },
    /// An archive has an image in its layout alone, where it has a docker-archive beside that.
    #[error("{image} has no form in a docker-archive, and is in the layout alone: {reason}")]
    NoDockerForm {
        /// The image's name or digest.
        image: String,
        /// Why it has none.
        reason: String,
    },
    /// An image of a layout was left out, and others were not.
    #[error("image {image} is left out: {reason}")]
    ImageLeftOut {
        /// The image's name or digest.
        image: String,
        /// Why it was left out.
        reason: String,
    },
}

/// Some words, and how many are left out of them.
fn list(words: &[String]) -> String {
    const MOST: usize = 6;
    let more = words.len().saturating_sub(MOST);
    let shown = words[..words.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
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
