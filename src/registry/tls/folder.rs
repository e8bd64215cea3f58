//! A folder of certificates for one registry, as docker and podman use it:
//! [`certs.d`](https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{pki_types::CertificateDer, sign::CertifiedKey};

use crate::{
    basics::error::{Error, Result},
    registry::{
        reference::Reference,
        tls::pem::{certificates, key_pair},
    },
};

/// The contents of the folder.
#[derive(Default)]
pub(crate) struct Folder {
    /// The certificates in `*.crt`, which are trusted in addition to others.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    /// The client certificates in `NAME.cert`, each with the key in `NAME.key`.
    pub(crate) shown: Vec<Arc<CertifiedKey>>,
}

impl Folder {
    /// The registry's folder in the first of these folders that contains one. Its name is the name
    /// of the registry, with the port if the reference has one.
    pub(crate) fn find(parents: &[PathBuf], reference: &Reference) -> Result<Option<Self>> {
        // As in podman, folders without permission are skipped.
        let mut dirs = parents.iter().map(|parent| parent.join(&reference.registry));
        dirs.find(|dir| dir.is_dir()).map(|dir| Self::read(&dir)).transpose()
    }

    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let files = fs::read_dir(dir).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
        });
        let mut files = files.map_err(Error::read(dir))?;
        files.sort();
        let mut folder = Self::default();
        for file in &files {
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => folder.authorities.extend(authorities(file)?),
                Some("cert") => folder.shown.push(Arc::new(shown(file)?)),
                Some("key") if !file.with_extension("cert").exists() => {
                    let reason =
                        "there is no certificate for this key: give it the same name, with .cert";
                    return Err(Error::invalid(format!("{file:?}"), reason));
                }
                _ => {}
            }
        }
        Ok(folder)
    }
}

/// As in podman, a dangling link is skipped.
fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    match fs::read(file) {
        Ok(pem) => certificates(file, &pem),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(Error::read(file)(cause)),
    }
}

fn shown(file: &Path) -> Result<CertifiedKey> {
    let key_file = file.with_extension("key");
    if !key_file.exists() {
        let reason = "there is no key for this certificate: give it the same name, with .key; the \
            certificate of an authority belongs into a .crt file";
        return Err(Error::invalid(format!("{file:?}"), reason));
    }
    key_pair(file, &key_file)
}
