//! Globs on paths in a source or a layer.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{
    error::{Error, Result},
    layer_tar::mapping::FileMapping,
};

/// Some globs. `*` and `?` do not cross a slash, `**` does; slashes at either end of a glob mean nothing.
pub(crate) struct Globs(GlobSet);

impl Globs {
    pub(crate) fn new<G: AsRef<str>>(globs: impl IntoIterator<Item = G>) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let glob = glob.as_ref();
            let refuse =
                |error: globset::Error| Error::Glob { glob: glob.to_owned(), reason: error.kind().to_string() };
            set.add(GlobBuilder::new(glob.trim_matches('/')).literal_separator(true).build().map_err(refuse)?);
        }
        let refuse = |error: globset::Error| Error::Glob { glob: String::new(), reason: error.kind().to_string() };
        Ok(Self(set.build().map_err(refuse)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a glob matches this path, which has no slash in front.
    pub(crate) fn is_match(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }

    /// Whether a glob matches this path or something above it.
    pub(crate) fn matches_with_parents(&self, path: &Path) -> bool {
        path.ancestors().any(|path| !path.as_os_str().is_empty() && self.is_match(path))
    }
}

/// The globs that say what a mapping takes of its source.
pub(crate) struct Wanted {
    pub(crate) include: Globs,
    pub(crate) exclude: Globs,
}

impl Wanted {
    pub(crate) fn new(mapping: &FileMapping) -> Result<Self> {
        Ok(Self { include: Globs::new(&mapping.include)?, exclude: Globs::new(&mapping.exclude)? })
    }

    /// Whether what lies at this path is taken, by itself or with what it is in.
    pub(crate) fn takes(&self, path: &Path) -> bool {
        !self.exclude.matches_with_parents(path) && (self.include.is_empty() || self.include.matches_with_parents(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_directory() {
        let globs = Globs::new(["*.rs", "/docs/**", "a?c/"]).unwrap();
        let matched = |path: &str| globs.is_match(Path::new(path));
        assert!(matched("x.rs") && matched("docs/a/b") && matched("abc"));
        assert!(!matched("src/x.rs") && !matched("a/c") && !matched("docs"));
        assert!(globs.matches_with_parents(Path::new("abc/d/e")));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let message = Globs::new(["a[b"]).map(|_| ()).unwrap_err().to_string();
        assert!(message.starts_with("glob \"a[b\" is not valid: "), "{message}");
    }
}
