//! What an image on demand contains: the result of parsing its name, or its declaration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::descriptor::Platform;

/// What an image contains, before its packages are resolved. Equal values at one revision of a
/// package set give equal images.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageContents {
    /// The platform of the image.
    pub platform: Platform,
    /// The packages, as a client names them, sorted by bytes, each once. A package with a question
    /// mark, which only operators can add, is left out if the package set does not have it.
    pub packages: Vec<String>,
    /// The user: a name, or `UID[:GID]`. Without it, an unprivileged user.
    #[serde(default)]
    pub user: Option<String>,
    /// Environment variables, besides those that every image has.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The command of the image.
    #[serde(default)]
    pub command: Vec<String>,
    /// Text files, by their absolute paths in the image.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}
