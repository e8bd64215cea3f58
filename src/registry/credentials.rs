//! Credentials for registries.

pub(crate) mod store;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use crate::{
    basics::error::{Error, Result},
    registry::{helper, reference::Reference},
};

/// Credentials for registries.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// No credentials.
    #[default]
    Anonymous,
    /// A user name and a password, which may be a token.
    Password {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// The files that `docker login` and `podman login` write. The first one with credentials for
    /// the registry is used, whether it contains them or names a credential helper. Missing files
    /// are skipped. Without credentials, requests are anonymous. If a credential helper fails,
    /// requests are anonymous too, and an error of the registry mentions the helper.
    Files(Vec<PathBuf>),
}

impl Credentials {
    pub(crate) fn find(&self, reference: &Reference) -> Result<Secret> {
        match self {
            Self::Anonymous => Ok(Secret::default()),
            Self::Password { user, password } => Ok(Secret::password(user, password)),
            Self::Files(files) => {
                let mut notes = Vec::new();
                for file in files {
                    if let Some(found) = in_file(file, reference, &mut notes)?.if_any() {
                        return Ok(found);
                    }
                }
                Ok(Secret { notes, ..Secret::default() })
            }
        }
    }
}

/// The credentials for a registry. It has no `Debug`: only the notes may be printed.
#[derive(Default)]
pub(crate) struct Secret {
    /// A user name and a password, which need not be UTF-8.
    pub(crate) password: Option<(Vec<u8>, Vec<u8>)>,
    /// An identity token, which is exchanged for an access token.
    pub(crate) identity: Option<String>,
    /// A token for the registry itself.
    pub(crate) token: Option<String>,
    /// Why credentials may be missing, for error messages.
    pub(crate) notes: Vec<String>,
}

impl Secret {
    pub(crate) fn password(user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        let (user, password) = (user.as_ref().to_vec(), password.as_ref().to_vec());
        let is_some = !user.is_empty() || !password.is_empty();
        Self { password: is_some.then_some((user, password)), ..Self::default() }
    }

    /// A user name of `<token>` means that the password is an identity token.
    fn of_names(user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        match str::from_utf8(password.as_ref()) {
            Ok(token) if user.as_ref() == b"<token>" && !token.is_empty() => {
                Self { identity: Some(token.to_owned()), ..Self::default() }
            }
            _ => Self::password(user, password),
        }
    }

    fn if_any(self) -> Option<Self> {
        (!self.is_none()).then_some(self)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.password.is_none() && self.identity.is_none() && self.token.is_none()
    }
}

/// Passwords are never printed.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Files(files) => f.debug_tuple("Files").field(files).finish(),
        }
    }
}

/// Finds the credentials for a repository in a file.
/// [podman](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md) stores
/// credentials for parts of a registry too; the longest matching path takes precedence.
fn in_file(file: &Path, reference: &Reference, notes: &mut Vec<String>) -> Result<Secret> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(cause)
            if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Secret::default());
        }
        Err(cause) => return Err(Error::read(file)(cause)),
    };
    let refuse = |reason: String| Error::invalid(format!("credentials in {file:?}"), reason);
    // Some editors write a byte order mark.
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if json.trim_ascii().is_empty() {
        return Ok(Secret::default());
    }
    let config = serde_json::from_slice::<Value>(json);
    let config = config.map_err(|_| {
        refuse("not valid JSON: log in again with `docker login` or `podman login`".to_owned())
    })?;
    let mut ask = |name: &str, server: &str| match helper::get(name, server) {
        Ok(None) => Secret::default(),
        Ok(Some(helper::Answer { user, secret })) => Secret::of_names(user, secret),
        Err(why) => {
            notes.push(format!("{}: {why}", file.display()));
            Secret::default()
        }
    };
    let read = |entry: &Value| {
        entry_of(entry).ok_or_else(|| {
            refuse(format!(
                "the entry for {} is malformed: log in again with `docker login` or `podman login`",
                reference.registry
            ))
        })
    };
    let full = format!("{}/{}", reference.registry, reference.repository);
    let paths =
        full.rmatch_indices('/').map(|(at, _)| &full[..at]).filter(|path| path.contains('/'));
    for path in std::iter::once(&*full).chain(paths) {
        if let Some(name) = config["credHelpers"][path].as_str().filter(|name| !name.is_empty())
            && let Some(found) = ask(name, path).if_any()
        {
            return Ok(found);
        }
        if let Some(found) = read(&config["auths"][path])?.if_any() {
            return Ok(found);
        }
    }
    // The registry's own entry takes precedence over the default helper, even if it names no
    // helper.
    let servers = servers(&reference.registry);
    let own = servers
        .iter()
        .find_map(|server| Some((server, config["credHelpers"].get(server)?.as_str()?)));
    let helper = own.or_else(|| Some((servers.first()?, config["credsStore"].as_str()?)));
    if let Some((server, name)) = helper.filter(|(_, name)| !name.is_empty())
        && let Some(found) = ask(name, server).if_any()
    {
        return Ok(found);
    }
    let Some(auths) = config["auths"].as_object() else { return Ok(Secret::default()) };
    let exact = servers.iter().filter_map(|server| auths.get(server));
    let others = auths
        .iter()
        .filter(|(key, _)| server_of(key).is_some_and(|key| servers.iter().any(|of| of == key)));
    for entry in exact.chain(others.map(|(_, entry)| entry)) {
        if let Some(found) = read(entry)?.if_any() {
            return Ok(found);
        }
    }
    Ok(Secret::default())
}

/// The keys of a registry in these files, the most common one first.
fn servers(registry: &str) -> Vec<String> {
    let names: &[&str] = match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => {
            &["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
        }
        registry => &[registry],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The registry of a key that is a URL: it has a scheme, or a path that registries use.
fn server_of(key: &str) -> Option<&str> {
    let address = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    match (address, key.split_once('/')) {
        (Some(address), _) => address.split('/').next(),
        (None, Some((host, "" | "v1" | "v1/" | "v2" | "v2/"))) => Some(host),
        _ => None,
    }
}

/// The secret in an entry of `auths`, which may be empty; `None` if the entry cannot be read. As in
/// docker, `auth` takes precedence over `username` and `password`.
fn entry_of(entry: &Value) -> Option<Secret> {
    let members = match entry {
        Value::Null => return Some(Secret::default()),
        Value::Object(members) => members,
        _ => return None,
    };
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Some(""),
        Some(value) => value.as_str(),
    };
    let (user, password) = match decode(text("auth")?)? {
        Some(pair) => pair,
        None => (text("username")?.into(), text("password")?.into()),
    };
    let mut secret = Secret::of_names(user, password);
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    secret.identity = some(text("identitytoken")?).or(secret.identity);
    secret.token = some(text("registrytoken")?);
    Some(secret)
}

/// Decodes `NAME:PASSWORD` in base64. Like docker, it ignores line ends, and zeros after the
/// password. The result is `None` if the text is malformed, and `Some(None)` if it is empty.
fn decode(auth: &str) -> Option<Option<(Vec<u8>, Vec<u8>)>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: Vec<u8> = auth.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if text.is_empty() {
        return Some(None);
    }
    let decoded = GeneralPurpose::new(&STANDARD, config).decode(text).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let end = decoded.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Some(Some((decoded[..colon].to_vec(), decoded[colon + 1..end.max(colon + 1)].to_vec())))
}

#[cfg(test)]
mod tests;
