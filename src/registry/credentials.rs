//! Who asks a registry.

use std::{fmt, fs, io, path::PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::Value;

use super::Reference;
use crate::error::{Error, Result};

/// How one proves to a registry who one is.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    Anonymous,
    /// With a name and a password, which may be a token.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// With what `docker login` or `podman login` wrote into the first of these files that knows the registry, itself
    /// or by a credential helper that it names; files that are not there are passed over, and where none knows the
    /// registry one is anonymous.
    Files(Vec<PathBuf>),
}

impl Credentials {
    pub(super) fn find(&self, reference: &Reference) -> Result<Secret> {
        match self {
            Self::Anonymous => Ok(Secret::None),
            Self::Password { user, password } => {
                Ok(Secret::Password { user: user.clone(), password: password.clone() })
            }
            Self::Files(files) => {
                for file in files {
                    if let Some(secret) = in_file(file, reference)? {
                        return Ok(secret);
                    }
                }
                Ok(Secret::None)
            }
        }
    }
}

/// What was found. Without `Debug`: nothing of it is ever printed.
pub(super) enum Secret {
    None,
    Password {
        user: String,
        password: String,
    },
    /// What is exchanged for a token, in place of a password.
    Identity(String),
}

/// No password is ever printed.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Files(files) => f.debug_tuple("Files").field(files).finish(),
        }
    }
}

fn in_file(file: &PathBuf, reference: &Reference) -> Result<Option<Secret>> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(cause) => return Err(Error::read(file)(cause)),
    };
    let refuse = |reason: &str| Err(Error::invalid(format!("credentials in {file:?}"), reason));
    let Ok(config) = serde_json::from_slice::<Value>(&bytes) else {
        return refuse("it is not JSON: log in again, with `docker login` or `podman login`");
    };
    match get_credential_from_reader(&*bytes, &key(&config, reference)) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Secret::Password { user, password })),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Secret::Identity(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { ref stdout, ref stderr, .. })
            if [stdout, stderr].iter().any(|said| said.contains("credentials not found")) =>
        {
            Ok(None)
        }
        // What a helper printed may be a password.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            refuse(&format!("its helper {helper} failed for {}: run `{helper} get` to see why", reference.registry))
        }
        Err(CredentialRetrievalError::HelperCommunicationError | CredentialRetrievalError::MalformedHelperResponse) => {
            refuse(&format!(
                "its helper for {} cannot be run, or does not answer as one: install it, or log in again",
                reference.registry
            ))
        }
        Err(_) => refuse(&format!(
            "what it says of {} cannot be read: log in again, with `docker login` or `podman login`",
            reference.registry
        )),
    }
}

/// What the file knows the repository by: [podman](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md)
/// has credentials for parts of a registry, by the longest path that fits.
fn key(config: &Value, reference: &Reference) -> String {
    let full = format!("{}/{}", reference.registry, reference.repository);
    let mut keys = full.match_indices('/').map(|(at, _)| &full[..at]).chain([&*full]).rev();
    let knows = |list: &str, key: &str| config.get(list).is_some_and(|list| list.get(key).is_some());
    match keys.find(|key| knows("auths", key) || knows("credHelpers", key)) {
        Some(key) => key.to_owned(),
        None if reference.registry == "docker.io" => "https://index.docker.io/v1/".to_owned(),
        None => reference.registry.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user:NAME` in base64.
    fn auth(user: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("{user}:secret"))
    }

    fn user(config: &str, reference: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("auth.json");
        fs::write(&file, config).unwrap();
        let credentials = Credentials::Files(vec![dir.path().join("none/auth.json"), file]);
        match credentials.find(&reference.parse().unwrap()) {
            Ok(Secret::Password { user, password }) => {
                assert_eq!(password, "secret");
                user
            }
            Ok(Secret::Identity(token)) => format!("identity {token}"),
            Ok(Secret::None) => "anonymous".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_longest_path_wins() {
        let config = format!(
            r#"{{"auths": {{
                "quay.io/me/app": {{"auth": "{}"}}, "quay.io/me": {{"auth": "{}"}}, "quay.io": {{"auth": "{}"}},
                "https://index.docker.io/v1/": {{"auth": "{}"}}, "https://ghcr.io": {{"auth": "{}"}}
            }}}}"#,
            auth("app"),
            auth("me"),
            auth("quay"),
            auth("hub"),
            auth("ghcr")
        );
        for (reference, expected) in [
            ("quay.io/me/app:1", "app"),
            ("quay.io/me/other", "me"),
            ("quay.io/you/app", "quay"),
            ("alpine", "hub"),
            ("ghcr.io/me/app", "ghcr"),
            ("localhost:5000/app", "anonymous"),
        ] {
            assert_eq!(user(&config, reference), expected, "{reference}");
        }
    }

    #[test]
    fn identity_tokens_are_found() {
        assert_eq!(user(r#"{"auths": {"a.b": {"identitytoken": "it"}}}"#, "a.b/c"), "identity it");
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_secret() {
        for (config, said) in [
            ("{", "it is not JSON"),
            (r#"{"auths": {"a.b": {"auth": "c2VjcmV0"}}}"#, "cannot be read"),
            (r#"{"credHelpers": {"a.b": "that-nobody-has"}}"#, "cannot be run"),
        ] {
            let found = user(config, "a.b/c");
            assert!(found.contains(said) && !found.contains("secret"), "{config}: {found}");
        }
        let debug = format!("{:?}", Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() });
        assert!(debug.contains("me") && !debug.contains("secret"), "{debug}");
    }
}
