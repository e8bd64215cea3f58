//! Certificates and keys in PEM files.

use std::{fs, path::Path};

use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use crate::basics::error::{Error, Result};

/// The certificates in a PEM file, which may also contain other objects.
pub(crate) fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| {
        Error::invalid(format!("{file:?}"), format!("the certificates cannot be parsed: {error}"))
    })
}

/// Reads a PEM file that must contain certificates.
pub(crate) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = certificates(file, &fs::read(file).map_err(Error::read(file))?)?;
    if found.is_empty() {
        return Err(Error::invalid(format!("{file:?}"), "the file contains no PEM certificate"));
    }
    Ok(found)
}

/// The certificate in one file, with the key in another or in the same one.
pub(crate) fn key_pair(file: &Path, key_file: &Path) -> Result<CertifiedKey> {
    let pem = fs::read(key_file).map_err(Error::read(key_file))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let reason = format!("the file contains no unencrypted PEM key: {error}");
        Error::invalid(format!("{key_file:?}"), reason)
    })?;
    let chain = read_certificates(file)?;
    certified(&ring::default_provider(), chain, key).map_err(|error| {
        let reason =
            format!("the certificate cannot be used with the key in {key_file:?}: {error}");
        Error::invalid(format!("{file:?}"), reason)
    })
}

/// A certificate with its key. It is an error if they do not match.
pub(crate) fn certified(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> std::result::Result<CertifiedKey, rustls::Error> {
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    match certified.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(error)
        }
        _ => Ok(certified),
    }
}
