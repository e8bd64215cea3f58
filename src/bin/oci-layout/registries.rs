//! Options and environment variables for connections to registries, shared by all commands.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{ArgAction, Args};
use oci_layout::{
    Printable, Result,
    registry::{Client, Credentials, Waiting},
};

use crate::{certificates, errors, out::say, progress::Bytes};

/// The heading of these options in the help.
const HEADING: &str = "How registries are accessed";

#[derive(Args, Clone)]
pub(crate) struct Registries {
    /// File with credentials, as podman and docker write it [default: $REGISTRY_AUTH_FILE, or the
    /// files of podman and docker]
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,

    /// Connect to registries without TLS
    #[arg(long, help_heading = HEADING)]
    plain_http: bool,

    /// Require a trusted certificate. With `false`, certificates are not verified, and a registry
    /// without TLS is accessed over plain HTTP
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
    )]
    tls_verify: bool,

    /// PEM file with additional trusted certificates: of certificate authorities, or of a registry.
    /// May be repeated
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    ca_file: Vec<PathBuf>,

    /// Folder to use instead of the registry's folder in certs.d: trusted certificates (*.crt), and
    /// client certificates (NAME.cert with NAME.key)
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
}

impl Registries {
    /// Returns a client with these settings. Credentials and certificates that they do not name are
    /// those of the environment.
    pub(crate) fn client(&self) -> Result<Client> {
        let Self { authfile, plain_http, tls_verify, ca_file, cert_dir } = self.clone();
        let mut client = client()?.plain_http(plain_http).tls_verify(tls_verify);
        if let Some(file) = authfile {
            if !file.exists() {
                let reason = "does not exist: correct the path, or create the file with \
                              `oci-layout login --authfile`";
                return Err(errors::invalid(format!("--authfile {file:?}"), reason));
            }
            client = client.credentials(Credentials::Files(vec![file]));
        }
        let client = ca_file.into_iter().fold(client, Client::ca_file);
        Ok(cert_dir.into_iter().fold(client, Client::cert_dir))
    }

    /// Returns these settings as options of `skopeo copy` for the destination.
    pub(crate) fn for_skopeo(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        if self.plain_http || !self.tls_verify {
            options.push("--dest-tls-verify=false".into());
        }
        let files = [("--dest-authfile", &self.authfile), ("--dest-cert-dir", &self.cert_dir)];
        for (option, file) in files {
            options.extend(file.iter().flat_map(|file| [option.into(), file.into()]));
        }
        options
    }
}

/// Returns a client with the credentials and certificates of the environment.
pub(crate) fn client() -> Result<Client> {
    let client = Client::default().authorities(certificates::authorities()?);
    let client = client.credentials(Credentials::Files(credentials(variable)));
    let client = client.waiting(Waiting::new(|registry, time| {
        say(format_args!("oci-layout: {} ({} s)", waits_for(registry), time.as_secs()));
    }));
    Ok(certs_d(variable).into_iter().fold(client, Client::certs_d))
}

/// Returns the same client with its progress in this bar.
pub(crate) fn in_bar(client: Client, bytes: &Bytes) -> Client {
    let client = client.progress(bytes.progress());
    if !io::stderr().is_terminal() {
        // There is no bar, and the lines of the client stay.
        return client;
    }
    let bytes = bytes.clone();
    client.waiting(Waiting::new(move |registry, _| bytes.say(waits_for(registry))))
}

fn waits_for(registry: &str) -> String {
    format!("waiting for {}, which works on the image", Printable(registry))
}

/// Returns the value of an environment variable. Nix sets unset variables to the empty string.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the files from which credentials are read, the most important first.
pub(crate) fn credential_files() -> Vec<PathBuf> {
    credentials(variable)
}

/// Returns the file for the credentials of a registry: the one that has some already, because it
/// takes precedence; or the last one, which is docker's, and which all programs read.
pub(crate) fn login_file(registry: &str) -> Result<PathBuf> {
    let mut files = credential_files();
    for file in &files {
        if Credentials::has(file, registry)? {
            return Ok(file.clone());
        }
    }
    files.pop().ok_or_else(|| {
        let reason = "no file is known to store credentials in: set HOME, or give --authfile";
        errors::invalid(format!("login to {registry}"), reason)
    })
}

/// Returns the files in which
/// [podman](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md) and
/// docker store credentials on login.
fn credentials(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let below = |name: &str, file: &str| Some(PathBuf::from(variable(name)?).join(file));
    let files = [
        below("XDG_RUNTIME_DIR", "containers/auth.json"),
        below("XDG_CONFIG_HOME", "containers/auth.json")
            .or_else(|| below("HOME", ".config/containers/auth.json")),
        below("DOCKER_CONFIG", "config.json").or_else(|| below("HOME", ".docker/config.json")),
    ];
    files.into_iter().flatten().collect()
}

/// Returns the folders in which
/// [podman](https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md) and
/// [docker](https://docs.docker.com/engine/security/certificates/), including rootless docker and
/// Docker Desktop, look for certificates.
fn certs_d(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = |dir: &str| Some(PathBuf::from(variable("HOME")?).join(dir));
    let dirs = [
        home(".config/containers/certs.d"),
        Some("/etc/containers/certs.d".into()),
        Some("/etc/docker/certs.d".into()),
        home(".config/docker/certs.d"),
        home(".docker/certs.d"),
    ];
    dirs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_the_files_of_docker_and_podman() {
        let with = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            };
            credentials(value).iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(with(&[("REGISTRY_AUTH_FILE", "/a"), ("HOME", "/h")]), ["/a"]);
        assert_eq!(
            with(&[("HOME", "/h")]),
            ["/h/.config/containers/auth.json", "/h/.docker/config.json"]
        );
        assert_eq!(
            with(&[
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/r"),
                ("XDG_CONFIG_HOME", "/x"),
                ("DOCKER_CONFIG", "/d")
            ]),
            ["/r/containers/auth.json", "/x/containers/auth.json", "/d/config.json"]
        );
        assert!(with(&[]).is_empty());
    }

    #[test]
    fn certificates_are_read_from_the_certs_d_of_docker_and_podman() {
        let home = |name: &str| (name == "HOME").then(|| "/h".into());
        assert_eq!(certs_d(home)[0], PathBuf::from("/h/.config/containers/certs.d"));
        let without =
            [PathBuf::from("/etc/containers/certs.d"), PathBuf::from("/etc/docker/certs.d")];
        assert_eq!(certs_d(|_| None), without);
    }
}
