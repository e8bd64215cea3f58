//! TLS: the certificates that are trusted, and the client certificates that are sent.

mod folder;
mod issuer;
mod verifier;

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use rustls_native_certs::load_native_certs;

pub(super) use self::verifier::is_marked_as_authority;
use self::{
    folder::Folder,
    issuer::issuer_name,
    verifier::{Unverified, Verifier},
};
use super::{Client, Reference};
use crate::error::{Error, Result};

/// The configuration of TLS for the registry in the reference. An error names the file that cannot be used.
pub(super) fn config(settings: &Client, reference: &Reference) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let folder = match &settings.cert_dir {
        Some(dir) => Folder::read(dir)?,
        None => Folder::find(&settings.certs_d, reference)?.unwrap_or_default(),
    };
    let invalid = |error: rustls::Error| Error::invalid("TLS", error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(invalid)?.dangerous();
    let builder = if settings.tls_verify {
        let verifier = Verifier::new(trusted(settings, &folder)?, &provider).map_err(invalid)?;
        builder.with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_custom_certificate_verifier(Arc::new(Unverified::new(&provider)))
    };
    Ok(builder.with_client_cert_resolver(Arc::new(Shown(folder.shown))))
}

/// All trusted certificates: those of authorities, and those of registries themselves.
fn trusted(settings: &Client, folder: &Folder) -> Result<Vec<CertificateDer<'static>>> {
    let mut trusted: Vec<CertificateDer> = match &settings.authorities {
        Some(authorities) => authorities.iter().map(|der| der.clone().into()).collect(),
        None => load_native_certs().certs,
    };
    for file in &settings.ca_files {
        let found = certificates(file, &fs::read(file).map_err(Error::read(file))?)?;
        if found.is_empty() {
            return Err(Error::invalid(format!("{file:?}"), "it has no certificate in PEM: name a file that has one"));
        }
        trusted.extend(found);
    }
    trusted.extend(folder.authorities.iter().cloned());
    Ok(trusted)
}

/// The certificates in a PEM file, which may also contain other objects.
fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("{file:?}"), format!("its certificates cannot be read: {error}")))
}

/// The trusted certificates that can be parsed.
fn roots(trusted: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    roots
}

/// The client certificates for a registry.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    /// The first certificate whose issuer the registry names, or else the first one that it can verify at all.
    fn resolve(&self, authorities: &[&[u8]], schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let can_sign = |shown: &&Arc<CertifiedKey>| shown.key.choose_scheme(schemes).is_some();
        let is_known = |shown: &&Arc<CertifiedKey>| {
            shown.cert.iter().filter_map(issuer_name).any(|issuer| authorities.contains(&issuer))
        };
        let mut usable = self.0.iter().filter(can_sign);
        usable.clone().find(is_known).or_else(|| usable.next()).map(Arc::clone)
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The certificate in one file, with the key in another or in the same one.
pub(super) fn key_pair(file: &Path, key_file: &Path) -> Result<CertifiedKey> {
    let refuse = |reason: String| Error::invalid(format!("{file:?}"), reason);
    let pem = fs::read(key_file).map_err(Error::read(key_file))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let reason = format!("it has no key in PEM that can be read without a password: {error}");
        Error::invalid(format!("{key_file:?}"), reason)
    })?;
    let chain = certificates(file, &fs::read(file).map_err(Error::read(file))?)?;
    if chain.is_empty() {
        return Err(refuse("it has no certificate in PEM: name a file that has one".to_owned()));
    }
    certified(&ring::default_provider(), chain, key)
        .map_err(|error| refuse(format!("it cannot be shown with the key in {key_file:?}: {error}")))
}

/// A certificate with its key. It is an error if they do not belong together.
fn certified(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> std::result::Result<CertifiedKey, rustls::Error> {
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    match certified.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(error),
        _ => Ok(certified),
    }
}
