//! Where the program keeps files of its own, by the
//! [XDG base directory specification](https://specifications.freedesktop.org/basedir-spec/latest/).

use std::{env, path::PathBuf};

/// The folder for what can be read again: which files layers have, and which files were hashed. A home directory that
/// does not exist is not made.
pub(crate) fn cache() -> Option<PathBuf> {
    let home = || Some(absolute("HOME").filter(|home| home.is_dir())?.join(".cache"));
    Some(absolute("XDG_CACHE_HOME").or_else(home)?.join("oci-layout"))
}

/// A file of this user and this machine. Without `HOME`, the user database names the home directory.
pub(crate) fn state(name: &str) -> Option<PathBuf> {
    let home = || Some(env::home_dir().filter(|home| home.is_absolute() && home.is_dir())?.join(".local/state"));
    Some(absolute("XDG_STATE_HOME").or_else(home)?.join("oci-layout").join(name))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
