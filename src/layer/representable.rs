//! The limits of layer readers and file systems. Entries that exceed them are refused before
//! anything is written.

use crate::{
    basics::{Error, Result},
    layer::entry::{Entry, Kind},
    tarfile::{header::pax_size, path::MAX_PATH},
};

/// The longest name in file systems (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// The largest owner that Go's `archive/tar` reads.
const MAX_ID: u64 = i64::MAX as u64;

/// The largest extended header that Go's `archive/tar` reads.
const MAX_PAX: u64 = 1 << 20;

/// # Errors
///
/// [`Error::Invalid`] for an entry that readers cannot unpack.
pub(crate) fn check(entry: &Entry) -> Result<()> {
    let refuse = |reason: String| {
        let path = entry.path.to_path();
        let shown = path.to_string_lossy();
        let shown = match shown.char_indices().nth(200) {
            Some((end, _)) => format!("{:?}…", &shown[..end]),
            None => format!("{shown:?}"),
        };
        Err(Error::invalid(format!("path {shown}"), reason))
    };
    // A path in a layer is relative, and is unpacked below some directory.
    if entry.path.len_at_most() > MAX_NAME {
        let path = entry.path.to_bytes();
        if path.len() > MAX_PATH {
            return refuse(format!(
                "it has {} bytes, but a path can have at most {MAX_PATH}: shorten or exclude it",
                path.len()
            ));
        }
        if let Some(name) = path.split(|&byte| byte == b'/').find(|name| name.len() > MAX_NAME) {
            let bytes = name.len();
            return refuse(format!(
                "a name in it has {bytes} bytes, but file systems support at most {MAX_NAME}: \
                 rename or exclude it"
            ));
        }
    }
    if let Kind::Symlink(target) = &entry.kind
        && target.len() > MAX_PATH
    {
        let bytes = target.len();
        return refuse(format!(
            "its target has {bytes} bytes, but a symbolic link can have at most {MAX_PATH}: \
             shorten it, or exclude the link"
        ));
    }
    if let Some(id) = [entry.uid, entry.gid].into_iter().find(|&id| id > MAX_ID) {
        return refuse(format!(
            "its owner or group is {id}, but readers in Go support at most {MAX_ID}: set another \
             owner"
        ));
    }
    if pax_size(&entry.fields()) > MAX_PAX {
        return refuse(format!(
            "its extended attributes have more than {MAX_PAX} bytes in total, which readers in Go \
             refuse: remove some of them"
        ));
    }
    Ok(())
}
