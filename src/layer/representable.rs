//! What readers of layers and file systems can hold: an entry beyond that is refused before
//! anything is written.

use crate::{
    basics::{Error, Result},
    layer::entry::{Entry, Kind},
    tarfile::header::pax_size,
};

/// The longest path, and target of a symbolic link, that the system takes (`PATH_MAX` without its
/// NUL byte): <https://man7.org/linux/man-pages/man7/path_resolution.7.html>.
const MAX_PATH: usize = 4095;

/// The longest name that file systems take (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// The largest number that Go's `archive/tar` reads as an owner.
const MAX_ID: u64 = i64::MAX as u64;

/// The largest extended header that Go's `archive/tar` reads.
const MAX_PAX: u64 = 1 << 20;

/// # Errors
///
/// [`Error::Invalid`] for an entry that no reader can unpack.
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
    // A path of the layer is relative, and is unpacked below some directory all the same.
    if entry.path.len_at_most() > MAX_NAME {
        let path = entry.path.to_bytes();
        if path.len() > MAX_PATH {
            return refuse(format!(
                "it has {} bytes, more than the {MAX_PATH} that a path can have",
                path.len()
            ));
        }
        if let Some(name) = path.split(|&byte| byte == b'/').find(|name| name.len() > MAX_NAME) {
            let bytes = name.len();
            return refuse(format!(
                "a name in it has {bytes} bytes, more than the {MAX_NAME} that file systems take"
            ));
        }
    }
    if let Kind::Symlink(target) = &entry.kind
        && target.len() > MAX_PATH
    {
        let bytes = target.len();
        return refuse(format!(
            "its target has {bytes} bytes, more than the {MAX_PATH} that a symbolic link can have"
        ));
    }
    if let Some(id) = [entry.uid, entry.gid].into_iter().find(|&id| id > MAX_ID) {
        return refuse(format!(
            "its owner or group is {id}, more than the {MAX_ID} that Go's readers take"
        ));
    }
    if pax_size(&entry.fields()) > MAX_PAX {
        return refuse(format!(
            "its extended attributes have more than the {MAX_PAX} bytes together that Go's \
             readers take"
        ));
    }
    Ok(())
}
