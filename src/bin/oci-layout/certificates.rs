//! Which authorities for certificates are trusted: those of the system, or those built in.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use oci_layout::{Error, Result};
use rustls_native_certs::load_native_certs;

const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

/// Where the built-in ones are for a program that was started anew.
const STANDARD_INPUT: &str = "/dev/stdin";

/// Sees to it that the HTTP client, which looks into SSL_CERT_FILE and where systems have their certificates, finds some:
/// those in NIX_SSL_CERT_FILE, where Nix says so and nobody else anything, and those built in where there are none, as in
/// Nix's sandbox. The environment of a running program cannot be changed safely, so that it starts itself anew.
pub(crate) fn provide() -> Result<()> {
    // Nix sets what nobody has set to nothing.
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    let said = variable(SSL_CERT_FILE);
    let is_said = said.is_some() || variable("SSL_CERT_DIR").is_some();
    let of_nix = variable("NIX_SSL_CERT_FILE").filter(|file| !is_said && Path::new(file).is_file());
    match of_nix {
        Some(file) => Err(start_anew(file, Stdio::inherit())),
        None if !load_native_certs().certs.is_empty() => Ok(()),
        // To start anew once more would not help: the client will say what is missing.
        None if said.is_some_and(|file| file == STANDARD_INPUT) => Ok(()),
        None => {
            let file = built_in().map_err(|cause| Error::Write { path: env::temp_dir(), cause })?;
            Err(start_anew(STANDARD_INPUT.into(), file.into()))
        }
    }
}

/// The certificates of Mozilla's authorities, in a file without a name.
fn built_in() -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let pem = STANDARD.encode(certificate);
        writeln!(file, "-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----")?;
    }
    Ok(file)
}

/// Returns only if that fails.
fn start_anew(certificates: OsString, standard_input: Stdio) -> Error {
    let mut args = env::args_os();
    let name = args.next().unwrap_or_default();
    let program = env::current_exe().unwrap_or_else(|_| (&name).into());
    let mut command = Command::new(&program);
    command.arg0(name).args(args).env(SSL_CERT_FILE, certificates).env_remove("SSL_CERT_DIR").stdin(standard_input);
    Error::Read { path: program, cause: command.exec() }
}
