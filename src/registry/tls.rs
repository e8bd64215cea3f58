//! TLS: trusted certificates and client certificates.

pub(crate) mod folder;
pub(crate) mod issuer;
pub(crate) mod pem;
pub(crate) mod verifier;

use std::sync::Arc;

use rustls::{
    ClientConfig, client::ResolvesClientCert, crypto::ring, pki_types::CertificateDer,
    sign::CertifiedKey,
};
use rustls_native_certs::load_native_certs;

use crate::{
    basics::error::{Error, Result},
    registry::{
        client::Client,
        reference::Reference,
        tls::{folder::Folder, issuer::issuer_name, pem::read_certificates, verifier::Verifier},
    },
};

/// The TLS configuration for the registry of this reference. Errors name the unusable file.
pub(crate) fn config(settings: &Client, reference: &Reference) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let folder = match &settings.cert_dir {
        Some(dir) => Folder::read(dir)?,
        None => Folder::find(&settings.certs_d, reference)?.unwrap_or_default(),
    };
    let invalid = |error: rustls::Error| Error::invalid("TLS", error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(invalid)?.dangerous();
    let verifier = match settings.tls_verify {
        true => Verifier::new(trusted(settings, &folder)?, &provider).map_err(invalid)?,
        false => Verifier::disabled(&provider),
    };
    let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_client_cert_resolver(Arc::new(Shown(folder.shown))))
}

/// All trusted certificates, of authorities and of registries.
fn trusted(settings: &Client, folder: &Folder) -> Result<Vec<CertificateDer<'static>>> {
    let mut trusted: Vec<CertificateDer> = match &settings.authorities {
        Some(authorities) => authorities.iter().map(|der| der.clone().into()).collect(),
        None => load_native_certs().certs,
    };
    for file in &settings.ca_files {
        trusted.extend(read_certificates(file)?);
    }
    trusted.extend(folder.authorities.iter().cloned());
    Ok(trusted)
}

/// The client certificates for a registry.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    /// The first certificate whose issuer the registry names, or else the first one that the
    /// registry supports.
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
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
