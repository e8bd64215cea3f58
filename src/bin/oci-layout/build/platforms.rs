//! The platforms of an image, and the files that only one of them has.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use oci_layout::{FileMapping, document::Platform};

use crate::args;

/// `OS/ARCH[/VARIANT][=SRC[:DEST]]`.
#[derive(Clone, Debug)]
pub(crate) struct PlatformArg {
    platform: Platform,
    file: Option<FileMapping>,
}

impl PlatformArg {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let (platform, file) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
            None => (bytes, None),
        };
        let platform = args::utf8(OsStr::from_bytes(platform).to_owned())?;
        let platform = platform.parse().map_err(|error: oci_layout::Error| error.to_string())?;
        Ok(Self { platform, file: file.map(args::mapping).transpose()? })
    }
}

/// An image for one platform.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// `None` for the platform of the base image, or the default.
    pub(super) platform: Option<Platform>,
    /// The files that only this platform has.
    pub(super) files: Vec<FileMapping>,
}

/// Returns each platform once, in the order of the arguments. Without any, the default.
pub(super) fn platforms(args: &[PlatformArg]) -> Vec<Own> {
    let mut platforms: Vec<Own> = Vec::new();
    for PlatformArg { platform, file } in args {
        let is_same = |own: &&mut Own| {
            own.platform.as_ref().map(Platform::normalised) == Some(platform.normalised())
        };
        match platforms.iter_mut().find(is_same) {
            Some(own) => own.files.extend(file.clone()),
            None => platforms.push(Own {
                platform: Some(platform.clone()),
                files: file.iter().cloned().collect(),
            }),
        }
    }
    if platforms.is_empty() {
        platforms.push(Own::default());
    }
    platforms
}
