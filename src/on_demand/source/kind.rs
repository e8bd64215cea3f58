//! The text that names a source.

use std::{path::PathBuf, str::FromStr};

use crate::basics::error::{Error, Result};

/// Where a package set comes from.
///
/// ```
/// use oci_layout::on_demand::SourceKind;
/// let source: SourceKind = "git:https://example.org/packages".parse()?;
/// assert_eq!(source, SourceKind::Git("https://example.org/packages".to_owned()));
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// `path:DIR`: a folder with a `default.nix`.
    Path(PathBuf),
    /// `git:URL`: a repository with a `default.nix`.
    Git(String),
    /// `channel:NAME`: a channel of nixpkgs.
    Channel(String),
    /// `flake:REF`: a flake with `legacyPackages` or `packages`.
    Flake(String),
}

impl FromStr for SourceKind {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Invalid`] for text without one of the four words, and for a URL, name or reference
    /// that programs would read as an option.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::invalid(format!("source {text:?}"), reason));
        let Some((kind, rest)) = text.split_once(':') else {
            return refuse("write path:DIR, git:URL, channel:NAME or flake:REF");
        };
        if rest.is_empty() || rest.starts_with('-') || rest.contains(['\0', '\n']) {
            return refuse("what follows the colon is empty, has a line break, or begins with -");
        }
        Ok(match kind {
            "path" => Self::Path(rest.into()),
            "git" => Self::Git(rest.to_owned()),
            "channel" if is_channel(rest) => Self::Channel(rest.to_owned()),
            "channel" => return refuse("a channel's name has letters, digits, `.`, `_` and `-`"),
            "flake" => Self::Flake(rest.to_owned()),
            _ => return refuse("write path:DIR, git:URL, channel:NAME or flake:REF"),
        })
    }
}

/// Whether this is the name of a channel.
fn is_channel(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_and_malformed_ones_refused() {
        assert_eq!("path:/a:b".parse::<SourceKind>().unwrap(), SourceKind::Path("/a:b".into()));
        assert_eq!(
            "flake:github:o/r".parse::<SourceKind>().unwrap(),
            SourceKind::Flake("github:o/r".to_owned())
        );
        assert_eq!(
            "channel:nixos-24.05".parse::<SourceKind>().unwrap(),
            SourceKind::Channel("nixos-24.05".to_owned())
        );
        for text in
            ["", "/dir", "path:", "git:--upload-pack=x", "flake:-x", "channel:../x", "svn:x"]
        {
            let message = text.parse::<SourceKind>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("source {text:?}: ")), "{message}");
        }
    }
}
