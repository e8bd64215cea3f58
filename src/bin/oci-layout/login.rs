//! `login` and `logout`: credentials for registries, in the files of docker and podman.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{Result, registry::Credentials};

use crate::{
    errors,
    out::say,
    prompt,
    registries::{Registries, credential_files, login_file},
};

/// Stores a user name and a password for a registry, for this program and for docker, podman,
/// skopeo and crane.
///
/// The registry must accept them first. Without --authfile, they are written to $REGISTRY_AUTH_FILE
/// or to docker's config.json, which all of these programs read; or to podman's auth.json, if it
/// has credentials for the registry already. If the file names a credential helper (credsStore,
/// credHelpers), the helper stores them. Otherwise, the file contains the password without
/// encryption, and only you can read it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout login ghcr.io -u me
  oci-layout login registry.example:5000 -u me --password-stdin < password")]
pub(crate) struct Login {
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    registry: String,

    /// The user name [default: asked on the terminal]
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,

    /// Read the password from standard input [default: asked on the terminal]
    #[arg(long)]
    password_stdin: bool,

    #[command(flatten)]
    registries: Registries,
}

impl Login {
    pub(crate) fn run(self) -> Result<()> {
        let Self { registry, username, password_stdin, mut registries } = self;
        // The file is written, and need not exist.
        let file = match registries.authfile.take() {
            Some(file) => file,
            None => login_file(&registry)?,
        };
        let user = match username {
            Some(user) => user,
            None if password_stdin => {
                return Err(errors::invalid("user name", "is missing: give it with --username"));
            }
            None => prompt::line("User name: ")?,
        };
        let password = match password_stdin {
            true => {
                let text =
                    io::read_to_string(io::stdin()).map_err(errors::read("standard input"))?;
                text.strip_suffix('\n').map_or(&*text, |it| it.trim_end_matches('\r')).to_owned()
            }
            false => prompt::secret("Password: ")?,
        };
        if user.is_empty() || password.is_empty() {
            let what = if user.is_empty() { "user name" } else { "password" };
            return Err(errors::invalid(what, "is empty"));
        }
        if !registries.client()?.check_login(&registry, &user, &password)? {
            say(format_args!(
                "oci-layout: warning: {registry} does not ask for a login here: the user name and \
                 the password are not checked"
            ));
        }
        Credentials::store(&file, &registry, &user, &password)?;
        let place = place(&file, &registry)?;
        say(format_args!("logged in to {registry} as {user}; stored in {place}"));
        Ok(())
    }
}

/// Removes the credentials for a registry from the files and the credential helpers of docker and
/// podman.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout logout ghcr.io")]
pub(crate) struct Logout {
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    registry: String,

    /// The file to change [default: all files from which credentials are read]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
}

impl Logout {
    pub(crate) fn run(self) -> Result<()> {
        let Self { registry, authfile } = self;
        let files = authfile.map_or_else(credential_files, |file| vec![file]);
        let mut had_any = false;
        for file in files.iter().filter(|file| file.exists()) {
            if Credentials::forget(file, &registry)? {
                let place = place(file, &registry)?;
                say(format_args!("logged out of {registry}; removed from {place}"));
                had_any = true;
            }
        }
        match had_any {
            true => Ok(()),
            false => {
                let files: Vec<_> = files.iter().map(|file| format!("{file:?}")).collect();
                let reason = format!("no login is stored in {}", files.join(", "));
                Err(errors::invalid(format!("registry {registry}"), reason))
            }
        }
    }
}

/// Where the credentials are: in the file, or in the credential helper that it names.
fn place(file: &Path, registry: &str) -> Result<String> {
    Ok(match Credentials::helper(file, registry)? {
        Some(name) => format!("docker-credential-{name}"),
        None => file.display().to_string(),
    })
}

/// Parses the name of a registry. People also write the address of its web page.
fn registry(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let bare = bare.unwrap_or(text).trim_end_matches('/');
    match bare.contains('/') || bare.is_empty() {
        true => Err("expected HOST[:PORT], as in ghcr.io or localhost:5000".to_owned()),
        false => Ok(bare.to_owned()),
    }
}
