//! Writes credentials to the files that `docker login` and `podman login` write.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose};
use serde_json::{Map, Value, json};

use super::{Credentials, server_of, servers};
use crate::{
    basics::error::{Error, Result},
    registry::helper::{self, Answer},
};

impl Credentials {
    /// Stores a user name and a password for a registry as `docker login` does, instead of those
    /// that it has. If the file assigns a [credential helper](Credentials::helper) to the registry,
    /// the helper stores them; otherwise, the file contains the password as it is, because these
    /// files have no encryption. Everything else in the file stays. The file is replaced atomically,
    /// and only its owner can read it; a missing file and its folder are created.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the file is not valid, if the helper fails, or for a user name with a
    /// colon; [`Error::Read`] and [`Error::Write`].
    pub fn store(file: impl AsRef<Path>, registry: &str, user: &str, password: &str) -> Result<()> {
        if user.contains(':') {
            return Err(Error::invalid("user name", "it must not contain a colon"));
        }
        let mut config = Config::read(file.as_ref())?;
        let entry = match config.helper(registry) {
            Some((name, server)) => {
                let answer = Answer { user: user.to_owned(), secret: password.to_owned() };
                helper::store(name, &server, &answer).map_err(|why| config.refuse(why))?;
                json!({})
            }
            None => {
                let auth = general_purpose::STANDARD.encode(format!("{user}:{password}"));
                json!({ "auth": auth })
            }
        };
        config.remove(registry);
        let key = servers(registry).swap_remove(0);
        let auths = config.members.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[key] = entry;
        config.write()
    }

    /// Removes the credentials for a registry from a file of docker or podman and from the
    /// credential helper that it assigns to the registry. Returns whether there were any.
    ///
    /// # Errors
    ///
    /// As [`Credentials::store`].
    pub fn forget(file: impl AsRef<Path>, registry: &str) -> Result<bool> {
        let mut config = Config::read(file.as_ref())?;
        let in_file = config.remove(registry);
        if in_file {
            config.write()?;
        }
        let in_helper = match config.helper(registry) {
            Some((name, server)) => {
                helper::erase(name, &server).map_err(|why| config.refuse(why))?
            }
            None => false,
        };
        Ok(in_file || in_helper)
    }

    /// Whether a file of docker or podman has an entry for a registry or assigns a credential
    /// helper to it. A missing file has none.
    ///
    /// # Errors
    ///
    /// As [`Credentials::store`].
    pub fn has(file: impl AsRef<Path>, registry: &str) -> Result<bool> {
        let config = Config::read(file.as_ref())?;
        Ok(config.helper(registry).is_some() || !config.keys(registry).is_empty())
    }

    /// The name of the credential helper that a file of docker or podman assigns to a registry, as
    /// in `docker-credential-NAME`. A missing file has none.
    ///
    /// # Errors
    ///
    /// As [`Credentials::store`].
    pub fn helper(file: impl AsRef<Path>, registry: &str) -> Result<Option<String>> {
        let config = Config::read(file.as_ref())?;
        Ok(config.helper(registry).map(|(name, _)| name.to_owned()))
    }
}

/// A file of docker or podman.
struct Config {
    path: PathBuf,
    members: Map<String, Value>,
}

impl Config {
    fn read(path: &Path) -> Result<Self> {
        // The file may be a link to one that is kept elsewhere, which must stay a link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(Error::read(&path))?,
        };
        // Some editors write a byte order mark.
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii();
        let members = match json {
            [] => Map::new(),
            json => serde_json::from_slice(json).map_err(|_| {
                let reason = "not a JSON object: correct it, or choose another file";
                Error::invalid(format!("credentials in {path:?}"), reason)
            })?,
        };
        Ok(Self { path, members })
    }

    fn member(&self, name: &str) -> Option<&Map<String, Value>> {
        self.members.get(name)?.as_object()
    }

    /// The helper that stores the credentials for the registry, and the name of the registry there.
    fn helper(&self, registry: &str) -> Option<(&str, String)> {
        let mut servers = servers(registry);
        let own = self.member("credHelpers");
        let own = own.and_then(|own| {
            servers.iter().find_map(|server| Some((own.get(server)?, server.clone())))
        });
        let default = || Some((self.members.get("credsStore")?, servers.swap_remove(0)));
        let (name, server) = own.or_else(default)?;
        Some((name.as_str().filter(|name| !name.is_empty())?, server))
    }

    fn refuse(&self, why: String) -> Error {
        Error::invalid(format!("credentials in {:?}", self.path), why)
    }

    /// The keys in `auths` that mean this registry.
    fn keys(&self, registry: &str) -> Vec<String> {
        let servers = servers(registry);
        let is_it = |key: &&String| {
            let of = server_of(key).unwrap_or(key);
            servers.iter().any(|server| server == *key || server == of)
        };
        let keys = self.member("auths").into_iter().flat_map(Map::keys);
        keys.filter(is_it).cloned().collect()
    }

    fn remove(&mut self, registry: &str) -> bool {
        let keys = self.keys(registry);
        if let Some(Value::Object(auths)) = self.members.get_mut("auths") {
            keys.iter().for_each(|key| drop(auths.remove(key)));
        }
        !keys.is_empty()
    }

    fn write(&self) -> Result<()> {
        let Self { path, members } = self;
        let write = |cause| Error::write(path)(cause);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        create_private(folder).map_err(write)?;
        // Its mode is 0600.
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(write)?;
        let mut json = serde_json::to_vec_pretty(members).expect("JSON can be written");
        json.push(b'\n');
        new.write_all(&json).and_then(|()| new.as_file().sync_all()).map_err(write)?;
        new.persist(path).map(drop).map_err(|error| write(error.error))
    }
}

/// Creates a folder that only its owner can open.
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
