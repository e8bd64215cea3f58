//! The endpoint's certificate.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::ServerName,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    basics::error::{Error, Result},
    registry::{serve::watched::Watched, tls::pem::key_pair},
};

/// TLS with a certificate that is read again when its files change.
#[derive(Clone)]
pub(crate) struct Certificate {
    files: Arc<Watched<Arc<CertifiedKey>>>,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// # Errors
    ///
    /// The errors of reading the files, and [`Error::Invalid`] if the certificate and the key do
    /// not belong together.
    pub(crate) fn new(certificate: &Path, key: &Path) -> Result<Self> {
        let read =
            |files: &[PathBuf]| -> Result<_> { Ok(Arc::new(key_pair(&files[0], &files[1])?)) };
        let files = Arc::new(Watched::new(vec![certificate.to_owned(), key.to_owned()], read)?);
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder
            .map_err(|error| Error::invalid("TLS", error.to_string()))?
            .with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(Shown(Arc::clone(&files))));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads the files again.
    pub(crate) fn again(&self, trouble: impl FnOnce(Error)) {
        self.files.again(trouble);
    }

    /// The acceptor for the next connection. `trouble` receives the reason if changed files are
    /// unusable.
    pub(crate) fn acceptor(&self, trouble: impl FnOnce(Error)) -> TlsAcceptor {
        self.files.now(trouble);
        self.acceptor.clone()
    }

    /// Whether the certificate contains this name, directly or by a wildcard.
    pub(crate) fn has(&self, host: &str) -> bool {
        let shown = self.files.last();
        let certificate =
            shown.cert.first().and_then(|der| webpki::EndEntityCert::try_from(der).ok());
        let (Some(certificate), Ok(name)) = (certificate, ServerName::try_from(host)) else {
            return false;
        };
        certificate.verify_is_valid_for_subject_name(&name).is_ok()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

struct Shown(Arc<Watched<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&*self.0.last()))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}
