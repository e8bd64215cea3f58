//! Globs of policies, which also match paths that links lead to.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use serde::{Deserialize, Deserializer};

use crate::{
    basics::{Result, text},
    check::contents::ImageContents,
    layer::glob::{Globs, Use},
    tarfile::LayerPath,
};

/// A glob that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Glob(String);

impl Glob {
    /// The glob as given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "a glob", |text| {
            if text.split('/').all(|name| name.is_empty() || name == ".") {
                return Err(format!("the glob {text:?} names the root: write a path below it"));
            }
            Globs::new([text], Use::Rule)
                .map(|_| Self(text.to_owned()))
                .map_err(|error| error.to_string())
        })
    }
}

/// Globs on the paths of an image. Where directories in a glob are links, as `/bin` in most
/// distributions, it also matches the files that they lead to.
pub(crate) struct PathGlobs(Globs);

impl PathGlobs {
    pub(crate) fn new<'a>(
        globs: impl IntoIterator<Item = &'a Glob>,
        contents: &ImageContents,
    ) -> Result<Self> {
        let mut all = Vec::new();
        for Glob(glob) in globs {
            all.extend(through_links(glob, contents));
            all.push(glob.clone());
        }
        Ok(Self(Globs::new(all, Use::Rule)?))
    }

    /// Whether a glob matches this path.
    pub(crate) fn is_match(&self, path: &LayerPath) -> bool {
        self.0.is_match(Path::new(OsStr::from_bytes(&path.to_bytes())))
    }

    /// Whether a glob matches this path or a directory that it is in.
    pub(crate) fn matches_with_parents(&self, path: &LayerPath) -> bool {
        !self.0.is_empty()
            && self.0.matches_with_parents(Path::new(OsStr::from_bytes(&path.to_bytes())))
    }
}

/// The glob with its first directories as the paths that links lead to; `None` if none is a link.
fn through_links(glob: &str, contents: &ImageContents) -> Option<String> {
    let names: Vec<&str> = glob.split('/').filter(|name| !name.is_empty()).collect();
    let is_plain = |name: &&&str| !name.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
    let plain = names.iter().take_while(is_plain).count();
    // The last name is that of the file itself, which may be a link.
    let parents = plain.min(names.len().checked_sub(1)?);
    let prefix = LayerPath::parse_member(names[..parents].join("/").as_bytes()).ok()?;
    let found = contents.follow(&prefix).ok()?;
    if found == prefix {
        return None;
    }
    let found = String::from_utf8(found.to_bytes()).ok()?;
    let rest = names[parents..].join("/");
    Some(format!("/{}/{rest}", escaped(&found)))
}

/// The text as a glob that matches it alone.
fn escaped(text: &str) -> String {
    let mut glob = String::new();
    for character in text.chars() {
        if "*?[]{}!,\\".contains(character) {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}
