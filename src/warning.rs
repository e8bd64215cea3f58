//! Probable mistakes that do not stop the work.

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
