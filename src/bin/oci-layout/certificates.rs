//! The trusted certificate authorities: those of the environment, of the system, or built in.

use std::{env, ffi::OsString};

use oci_layout::Result;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls_native_certs::load_native_certs;

use crate::errors;

/// Returns their certificates: those in NIX_SSL_CERT_FILE if neither SSL_CERT_FILE nor SSL_CERT_DIR
/// is set; else those that SSL_CERT_FILE names or the system has; and Mozilla's if there are none,
/// as in Nix's sandbox.
pub(crate) fn authorities() -> Result<Vec<Vec<u8>>> {
    // Nix sets unset variables to the empty string.
    let variable = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let is_said = variable("SSL_CERT_FILE").is_some() || variable("SSL_CERT_DIR").is_some();
    let of_nix = variable("NIX_SSL_CERT_FILE").filter(|_| !is_said);
    if let Some(file) = of_nix.filter(|file| std::path::Path::new(file).is_file()) {
        let certificates =
            CertificateDer::pem_file_iter(&file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| {
            errors::invalid(format!("NIX_SSL_CERT_FILE {file:?}"), error.to_string())
        })?;
        return Ok(certificates.iter().map(|certificate| certificate.to_vec()).collect());
    }
    let found = load_native_certs().certs;
    let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    let trusted = if found.is_empty() { built_in } else { &found };
    Ok(trusted.iter().map(|certificate| certificate.to_vec()).collect())
}
