//! Where the state of a registry is: small entries by their keys, in a folder or an object store
//! that several processes share.

pub(crate) mod blobs;
pub(crate) mod bucket;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, SystemTime},
};

use futures_util::TryStreamExt;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, local::LocalFileSystem,
    path::Path as Key, signer::Signer,
};
use walkdir::{DirEntry, WalkDir};

use crate::{
    basics::error::{Error, Result},
    registry::{Client, network::Network},
};

/// A place for small entries, which are read and written as a whole, and for blobs. Several
/// processes, also on several machines, can use it at the same time.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// Signs URLs for clients. `None` for a folder.
    signer: Option<Arc<dyn Signer>>,
    /// The folder, or something that stands for it in messages.
    place: PathBuf,
    /// Drives the connections to a bucket. `None` for a folder.
    network: Option<Arc<Network>>,
}

/// An entry of a list.
pub(crate) struct Listed {
    /// The last part of the key.
    pub(crate) name: String,
    /// When it was last written.
    pub(crate) modified: SystemTime,
}

impl Storage {
    /// Uses a folder, and creates it if necessary. Entries are written beside their final names
    /// first, and are on disk when a function returns.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be created.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::write(folder)(io::Error::other(error)))?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
            signer: None,
            place: folder.to_owned(),
            network: None,
        })
    }

    /// Uses a bucket of S3 (`s3://BUCKET/FOLDER`), Google Cloud Storage (`gs://…`) or Azure
    /// (`az://CONTAINER/…`). The options are those of the crate
    /// [`object_store`](https://docs.rs/object_store), such as `endpoint`, `region`,
    /// `access_key_id` and `secret_access_key`. The client has the authorities, the proxies and the
    /// timeout. Nothing is read from the environment but what the client reads from it.
    ///
    /// The service must support conditional writes, so that the first writer of an entry wins.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another URL or an unknown option, and [`Error::Read`] if the system
    /// refuses a thread. Nothing is requested.
    pub fn bucket(url: &str, options: &BTreeMap<String, String>, client: &Client) -> Result<Self> {
        let (store, signer) = bucket::open(url, options, client)?;
        let network = Network::start().map_err(Error::read(url))?;
        Ok(Self {
            store,
            signer: Some(signer),
            place: url.into(),
            network: Some(Arc::new(network)),
        })
    }

    /// Returns the options of a bucket that are among these environment variables, by their names
    /// in other programs: `AWS_…` for S3, `GOOGLE_…` for Google Cloud Storage and `AZURE_…` for
    /// Azure. This is where credentials usually are.
    pub fn options_of_environment(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeMap<String, String> {
        bucket::options_of_environment(url, variables)
    }

    /// Reads an entry. Returns `None` if there is none.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let path = Key::from(key);
        let read = async { self.store.get(&path).await?.bytes().await };
        match self.wait(read) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.not_read(key, error)),
        }
    }

    /// Writes an entry, in place of an existing one.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.write(key, bytes, PutMode::Overwrite).map(drop)
    }

    /// Writes an entry if there is none. Of several processes that do so at the same time, one
    /// succeeds. Returns whether it is this one.
    pub(crate) fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        self.write(key, bytes, PutMode::Create)
    }

    /// Removes an entry, if there is one.
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        match self.wait(self.store.delete(&Key::from(key))) {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.not_written(key, error)),
        }
    }

    /// When an entry was written, if there is one.
    pub(crate) fn written(&self, key: &str) -> Result<Option<SystemTime>> {
        match self.wait(self.store.head(&Key::from(key))) {
            Ok(found) => Ok(Some(found.last_modified.into())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.not_read(key, error)),
        }
    }

    /// Lists the entries whose keys begin with this folder and a slash, in no particular order.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let prefix = Key::from(folder);
        let listed = self.store.list(Some(&prefix)).try_collect::<Vec<_>>();
        let listed = match self.wait(listed) {
            Ok(listed) => listed,
            Err(StoreError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(self.not_read(folder, error)),
        };
        let entry = |object: object_store::ObjectMeta| {
            let name = object.location.filename()?.to_owned();
            Some(Listed { name, modified: object.last_modified.into() })
        };
        Ok(listed.into_iter().filter_map(entry).collect())
    }

    /// Removes what processes left below this folder that were killed while they wrote: files beside
    /// their final names, which are digests. No list contains them, and they only take space.
    pub(crate) fn remove_unfinished(&self, folder: &str, older: Duration) {
        let is_unfinished = |entry: &DirEntry| {
            let modified = entry.metadata().ok().and_then(|found| found.modified().ok());
            let age = modified.and_then(|modified| modified.elapsed().ok());
            let is_named = entry.file_name().to_str().is_some_and(is_unfinished_name);
            is_named && entry.file_type().is_file() && age.is_some_and(|age| age >= older)
        };
        let folder = self.network.is_none().then(|| WalkDir::new(self.place.join(folder)));
        let entries = folder.into_iter().flatten().filter_map(Result::ok);
        for entry in entries.filter(is_unfinished) {
            // Another process may do the same.
            let _ = fs::remove_file(entry.path());
        }
    }

    fn write(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<bool> {
        let path = Key::from(key);
        match self.wait(self.store.put_opts(&path, PutPayload::from(bytes), mode.into())) {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.not_written(key, error)),
        }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.network {
            Some(network) => network.handle().block_on(future),
            None => block_on(future),
        }
    }

    /// Whether its service can sign URLs.
    pub(crate) fn signs(&self) -> bool {
        self.signer.is_some()
    }

    fn not_read(&self, key: &str, error: StoreError) -> Error {
        Error::read(self.place.join(key))(io::Error::other(error))
    }

    fn not_written(&self, key: &str, error: StoreError) -> Error {
        Error::write(self.place.join(key))(io::Error::other(error))
    }
}

/// Whether the store gives this name to a file that will be named by a digest. The folder may be
/// one that somebody uses for other things, too.
fn is_unfinished_name(name: &str) -> bool {
    name.split_once('#').is_some_and(|(digest, number)| {
        digest.len() == 64
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Waits for a future in this thread. Outside of a runtime, a store in a folder does its work in
/// the first poll.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_created_once_and_replaced_as_a_whole() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::folder(folder.path().join("state"))?;
        assert_eq!(storage.get("a/one")?, None);
        assert!(storage.list("a")?.is_empty());
        assert!(storage.create("a/one", b"first".to_vec())?);
        assert!(!storage.create("a/one", b"second".to_vec())?);
        assert_eq!(storage.get("a/one")?.as_deref(), Some(&b"first"[..]));
        storage.put("a/one", b"third".to_vec())?;
        assert_eq!(storage.get("a/one")?.as_deref(), Some(&b"third"[..]));
        let names: Vec<_> = storage.list("a")?.into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["one"]);
        // What a killed process leaves, as the store names it.
        let digest = "0a".repeat(32);
        let left = folder.path().join(format!("state/a/{digest}#1"));
        // Files of others.
        let others = ["b/{}#1", "a/notes#1", "a/{}#", "a/{}#1~"];
        let others = others.map(|name| name.replace("{}", &digest));
        let others = others.map(|name| folder.path().join("state").join(name));
        fs::create_dir(folder.path().join("state/b")).unwrap();
        others.iter().chain([&left]).for_each(|file| fs::write(file, "thi").unwrap());
        storage.remove_unfinished("a", Duration::from_secs(60));
        assert!(left.exists(), "it may be written at the moment");
        storage.remove_unfinished("a", Duration::ZERO);
        assert!(!left.exists());
        assert!(others.iter().all(|file| file.exists()));
        others.iter().for_each(|file| fs::remove_file(file).unwrap());
        assert_eq!(storage.list("a")?.len(), 1);
        storage.remove("a/one")?;
        storage.remove("a/one")?;
        assert_eq!(storage.get("a/one")?, None);
        Ok(())
    }
}
