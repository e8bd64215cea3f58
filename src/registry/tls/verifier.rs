//! Verification of a registry's certificate.

use std::{collections::HashSet, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use crate::registry::tls::issuer::has_signed;

/// Accepts certificates that a trusted authority has signed, and those that are themselves trusted.
/// If it is disabled, it accepts every certificate: TLS then protects only against passive
/// listeners.
#[derive(Debug)]
pub(crate) struct Verifier {
    is_disabled: bool,
    /// `None` if no certificate is trusted.
    usual: Option<Arc<WebPkiServerVerifier>>,
    trusted: HashSet<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(crate) fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let roots = roots(&trusted);
        let usual = if roots.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            Some(builder.build().map_err(|error| Error::General(error.to_string()))?)
        };
        let algorithms = provider.signature_verification_algorithms;
        let trusted = trusted.into_iter().collect();
        Ok(Self { is_disabled: false, usual, trusted, algorithms })
    }

    pub(crate) fn disabled(provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { is_disabled: true, usual: None, trusted: HashSet::new(), algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_disabled {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = match &self.usual {
            Some(usual) => usual.verify_server_cert(certificate, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match verified {
            // webpki checks the validity period before the issuer, so the period is valid if it
            // reports this error.
            Err(error) if self.trusts(&error, certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_disabled {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_disabled {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// Whether a certificate is trusted although webpki refuses it with this error. `openssl req
    /// -x509` marks the certificates that it makes as those of authorities.
    fn trusts(&self, error: &Error, certificate: &CertificateDer) -> bool {
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                self.trusted.contains(certificate)
            }
            error if is_marked_as_authority(error) => {
                let mut issuers = self.trusted.iter();
                self.trusted.contains(certificate)
                    || issuers.any(|issuer| has_signed(issuer, certificate, &self.algorithms))
            }
            _ => false,
        }
    }
}

/// Whether a server's certificate is refused because it is marked as an authority's.
pub(crate) fn is_marked_as_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// The trusted certificates that can be parsed.
fn roots(trusted: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    roots
}
