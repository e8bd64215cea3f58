//! The uppermost layer: the files of an image that are in no store path.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use crate::{
    on_demand::{
        contents::{ImageContents, ImageFile},
        image::{programs::Programs, user::User},
        package_source::ClosurePath,
    },
    recipe::mapping::FileMapping,
};

/// Name services: files, and DNS for hosts. Without this file, glibc does not read `/etc/hosts`
/// before it asks a server.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
                        networks: files\nservices: files\nprotocols: files\n";

/// The files, sorted by path. Those of the contents replace others.
///
/// `/bin` has a link to each program. `/sbin`, `/usr/bin` and `/usr/sbin` are links to `/bin`, so
/// that `/usr/bin/env` exists if a package has `env`.
pub(crate) fn files(
    contents: &ImageContents,
    user: &User,
    programs: &Programs,
    closure: &[ClosurePath],
) -> Vec<FileMapping> {
    let mut files = BTreeMap::new();
    let mut add = |file: FileMapping| files.insert(at_root(&file.destination), file);
    for (name, program) in programs.bin() {
        add(FileMapping::symlink(program, Path::new("/bin").join(name)));
    }
    for (path, file) in programs.usual() {
        add(FileMapping::symlink(file, Path::new("/").join(path)));
    }
    if let Some(certificates) = programs.certificates() {
        // Where Go, and programs that were built for Debian, look.
        add(FileMapping::symlink(certificates, "/etc/ssl/certs/ca-certificates.crt"));
    }
    add(FileMapping::directory("/bin"));
    add(FileMapping::symlink("bin", "/sbin"));
    add(FileMapping::symlink("../bin", "/usr/bin"));
    add(FileMapping::symlink("../bin", "/usr/sbin"));
    add(FileMapping::directory("/tmp").mode(0o1777));
    add(FileMapping::directory("/var/tmp").mode(0o1777));
    add(FileMapping::directory("/var/empty"));
    // Every user needs the store, wherever it is.
    let has_store = closure.iter().any(|path| path.path.starts_with("/root"));
    add(FileMapping::directory("/root").mode(if has_store { 0o711 } else { 0o700 }));
    if user.uid != 0 && user.uid != 65534 {
        let home = FileMapping::directory(&*user.home).mode(0o700);
        add(home.owner(user.uid.into(), user.gid.into()));
    }
    add(FileMapping::text(user.passwd("/bin/sh"), "/etc/passwd"));
    add(FileMapping::text(user.group(), "/etc/group"));
    add(FileMapping::text(NSSWITCH, "/etc/nsswitch.conf"));
    for (path, ImageFile { text, mode }) in &contents.files {
        let file = FileMapping::text(text.as_str(), path);
        // A script is for execution.
        let mode = mode.or(text.starts_with("#!").then_some(0o755));
        add(mode.into_iter().fold(file, FileMapping::mode));
    }
    files.into_values().collect()
}

/// The path without `.` and repeated slashes, from the root.
fn at_root(path: &Path) -> PathBuf {
    let is_name = |part: &Component| matches!(part, Component::Normal(_) | Component::ParentDir);
    Path::new("/").join(path.components().filter(is_name).collect::<PathBuf>())
}
