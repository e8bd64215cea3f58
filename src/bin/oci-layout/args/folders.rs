//! Folders and layouts, each with an optional name.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use oci_layout::{PlatformImage, ReadLock, Result, document::Platform};

use super::separators::{split, unescape, utf8};
use crate::trust::Trust;

/// `[NAME=]DIR`: a layout, with an optional name.
#[cfg(feature = "registry")]
#[derive(Clone, Debug)]
pub(crate) struct NamedFolder {
    pub(crate) name: Option<String>,
    pub(crate) dir: PathBuf,
}

#[cfg(feature = "registry")]
impl NamedFolder {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let (name, dir) = named("[NAME=]DIR", text)?;
        Ok(Self { name, dir: unescape(dir).into() })
    }
}

/// Splits a text of this form into the optional name and what follows it, which is not empty.
pub(crate) fn named<'a>(
    form: &str,
    text: &'a OsStr,
) -> Result<(Option<String>, &'a OsStr), String> {
    let (name, rest) = match split(text, b'=') {
        (name, Some(rest)) => (Some(utf8(unescape(name))?), rest),
        (rest, None) => (None, rest),
    };
    if split(rest, b'=').1.is_some() {
        return Err(format!(r"expected {form}; write an equals sign in a path as \="));
    }
    if rest.is_empty() {
        return Err(format!("expected {form}, and the text ends before the path"));
    }
    Ok((name, rest))
}

/// `LAYOUT[:TAG]`: the tag after the first colon may also be a digest, or a full name with colons
/// of its own. A digest may also follow an at sign: `LAYOUT@sha256:HEX`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayoutTag {
    pub(crate) layout: PathBuf,
    pub(crate) tag: Option<String>,
}

impl LayoutTag {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let (mut layout, tag) = split(text, b':');
        let mut tag = tag.map(|tag| utf8(tag.to_owned())).transpose()?;
        if let (Some(hex), Some(plain)) = (&tag, layout.as_bytes().strip_suffix(b"@sha256"))
            && hex.len() == 64
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            (layout, tag) = (OsStr::from_bytes(plain), Some(format!("sha256:{hex}")));
        }
        match &tag {
            Some(tag) if tag.is_empty() => Err("the tag after the colon is empty".to_owned()),
            Some(path) if path.starts_with('/') => Err(format!(
                "{path:?} is a path in the image, and only `cp` takes it after a colon: write it as \
                 another argument"
            )),
            _ if layout.is_empty() => Err("the layout is empty".to_owned()),
            _ => Ok(Self { layout: unescape(layout).into(), tag }),
        }
    }

    /// The text without escapes, as others write the name of an image.
    #[cfg(feature = "registry")]
    pub(crate) fn to_text(&self) -> Option<String> {
        let name = self.layout.to_str()?;
        Some(match &self.tag {
            Some(tag) if tag.starts_with("sha256:") => format!("{name}@{tag}"),
            Some(tag) => format!("{name}:{tag}"),
            None => name.to_owned(),
        })
    }

    /// Locks the layout against garbage collection. The lock is taken before the layout is opened
    /// and held until the last blob is read.
    pub(crate) fn lock(&self) -> ReadLock {
        ReadLock::new(&self.layout)
    }

    pub(crate) fn open(&self, platform: Option<&Platform>, trust: &Trust) -> Result<PlatformImage> {
        trust.open(&self.layout)?.image(self.tag.as_deref(), platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_behind_layouts() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = format!("sha256:{hex}");
        for (text, layout, tag) in [
            (r"dir", "dir", None),
            (r"dir:latest", "dir", Some("latest")),
            (r"a\:b:localhost:5000/app:1.0", "a:b", Some("localhost:5000/app:1.0")),
            (&*format!("dir@sha256:{hex}"), "dir", Some(&*digest)),
            (&*format!("dir:sha256:{hex}"), "dir", Some(&*digest)),
            ("dir@sha256:latest", "dir@sha256", Some("latest")),
        ] {
            let parsed = LayoutTag::parse(text.as_ref()).unwrap();
            assert_eq!((parsed.layout, parsed.tag.as_deref()), (layout.into(), tag), "{text}");
        }
        for text in ["", ":tag", "dir:"] {
            LayoutTag::parse(text.as_ref()).unwrap_err();
        }
    }
}
