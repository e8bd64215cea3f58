//! The program's own folders, by the
//! [XDG base directory specification](https://specifications.freedesktop.org/basedir-spec/latest/).

use std::{env, path::PathBuf};

/// Returns the folder for data that can be read again: the lists of files in layers, and which
/// files were hashed. Never creates a home directory.
pub(crate) fn cache() -> Option<PathBuf> {
    let home = || Some(absolute("HOME").filter(|home| home.is_dir())?.join(".cache"));
    Some(absolute("XDG_CACHE_HOME").or_else(home)?.join("oci-layout"))
}

/// Returns the path of a file that belongs to this user on this machine. Without `HOME`, the home
/// directory comes from the user database.
pub(crate) fn state(name: &str) -> Option<PathBuf> {
    let home = || {
        Some(
            env::home_dir()
                .filter(|home| home.is_absolute() && home.is_dir())?
                .join(".local/state"),
        )
    };
    Some(absolute("XDG_STATE_HOME").or_else(home)?.join("oci-layout").join(name))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
