//! Extended attributes of files, and which of them belong to a machine.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    sync::Arc,
};

use crate::basics::error::{Error, Result};

/// The extended attributes of an entry, by name. Most entries have none, which takes few bytes.
///
/// Clones share the attributes, as the hard links of a file do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xattrs(
    /// Never an empty map.
    Option<Arc<BTreeMap<Vec<u8>, Vec<u8>>>>,
);

impl From<BTreeMap<Vec<u8>, Vec<u8>>> for Xattrs {
    fn from(xattrs: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self((!xattrs.is_empty()).then(|| Arc::new(xattrs)))
    }
}

impl Xattrs {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The names and values, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|xattrs| xattrs.iter()).map(|(name, value)| (&name[..], &value[..]))
    }

    fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(|(name, _)| name)
    }
}

/// Whether an attribute belongs to a machine's file system or security policy rather than to the
/// file. Another machine cannot use it, refuses it, or hides files because of it, so a layer never
/// contains it.
pub(crate) fn of_the_machine(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] =
        [b"security.selinux", b"security.ima", b"security.evm", b"user.containers.override_stat"];
    // NFS: https://man7.org/linux/man-pages/man5/nfs4_acl.5.html; Smack: the kernel's
    // admin-guide/LSM/Smack.
    const PREFIXES: [&[u8]; 2] = [b"system.nfs4_", b"security.SMACK64"];
    is_overlay(name)
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether an attribute is a mark of an overlay file system: of the kernel, as root or in a user
/// namespace, or of fuse-overlayfs. Such a mark hides files of the layers below.
///
/// <https://www.kernel.org/doc/html/latest/filesystems/overlayfs.html>
pub(crate) fn is_overlay(name: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 4] =
        [b"trusted.overlay.", b"user.overlay.", b"user.fuseoverlayfs.", b"security.fuseoverlayfs."];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Removes the attributes of the machine. Returns the first mark of an overlay file system among
/// them.
pub(crate) fn without_the_machine(xattrs: &mut Xattrs) -> Option<Vec<u8>> {
    let mark = xattrs.names().find(|name| is_overlay(name)).map(<[u8]>::to_vec);
    if xattrs.names().any(of_the_machine) {
        let mut kept = xattrs.0.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        kept.retain(|name, _| !of_the_machine(name));
        *xattrs = kept.into();
    }
    mark
}

/// # Errors
///
/// If an attribute cannot be in a layer.
pub(crate) fn check(xattrs: &Xattrs) -> Result<(), (&[u8], &'static str)> {
    // The keyword of a pax record ends at the first equals sign.
    if let Some(name) =
        xattrs.names().find(|name| name.is_empty() || name.contains(&b'=') || name.contains(&0))
    {
        return Err((
            name,
            "the name is empty, or has an equals sign or a NUL byte: choose another name",
        ));
    }
    if let Some(name) = xattrs.names().find(|name| of_the_machine(name)) {
        let reason = "it belongs to the file system or security policy of a machine, and another \
            machine may refuse it or hide files because of it: remove it";
        return Err((name, reason));
    }
    Ok(())
}

/// Reads the attributes of a file.
pub(crate) fn read(path: &Path, follow: bool) -> Result<Xattrs> {
    let failed = |cause| Error::SourceUnreadable { path: path.to_owned(), cause };
    let names = match if follow { xattr::list_deref(path) } else { xattr::list(path) } {
        Ok(names) => names,
        // A file system without extended attributes has none to read.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            return Ok(Xattrs::default());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut xattrs = BTreeMap::new();
    // For a mark of an overlay file system, only the name matters. Values of other machine
    // attributes are not read.
    for name in names.filter(|name| !of_the_machine(name.as_bytes()) || is_overlay(name.as_bytes()))
    {
        let value = if follow { xattr::get_deref(path, &name) } else { xattr::get(path, &name) };
        if let Some(value) = value.map_err(failed)? {
            xattrs.insert(name.into_vec(), value);
        }
    }
    Ok(xattrs.into())
}

/// The name of an attribute in messages.
pub(crate) fn shown(name: &[u8]) -> String {
    format!("{:?}", OsStr::from_bytes(name))
}
