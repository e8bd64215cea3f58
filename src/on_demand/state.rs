//! What a registry remembers of the images that it made, in a [`Storage`].
//!
//! | key | entry |
//! |---|---|
//! | `documents/DIGEST` | a manifest or a configuration |
//! | `images/IMAGE` | the image of a request at a revision: its manifest, its layers and its packages |
//! | `names/CONTENTS/IMAGE` | the images that were served for contents |
//! | `declared/NAME/CONTENTS` | the contents that a declared name has or had |
//! | `layers/LAYER` | the recipe of a layer, and its store paths |
//! | `blobs/DIGEST` | the bytes of a layer, if they are stored |
//! | `pins/TAG` | the revision that a tag means for some minutes |
//! | `uses/IMAGE` | when an image was last used: the time of the entry |
//!
//! Keys are digests. Every entry is verified when it is read, and a damaged one counts as missing.
//! An image is written last, after everything that it refers to, so that a registry may be killed
//! at any moment.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    basics::{
        digest::Digest,
        error::Result,
        json::{self, to_bytes},
        stop::Stop,
    },
    blob::traits::Blob,
    document::descriptor::Descriptor,
    on_demand::{
        contents::ImageContents,
        package_source::Resolved,
        storage::{Listed, Storage, blobs::StoredBlob},
    },
};

/// How long a client may take to follow a redirect.
const URL_LASTS: Duration = Duration::from_secs(15 * 60);

/// An image that was made.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImageRecord {
    pub(crate) contents: ImageContents,
    /// The packages, to realise them again if their paths were collected.
    pub(crate) resolved: Resolved,
    pub(crate) manifest: Digest,
    /// The keys of the layers, lowest first.
    pub(crate) layers: Vec<Digest>,
}

/// A layer that was hashed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LayerRecord {
    /// The store paths that the layer is made of.
    pub(crate) paths: Vec<LayerPath>,
    /// The JSON of the recipe.
    pub(crate) recipe: Value,
    /// Whether the bytes of the layer are stored, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_stored: bool,
}

/// A store path in a layer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LayerPath {
    pub(crate) path: PathBuf,
    pub(crate) nar_hash: String,
    pub(crate) nar_size: u64,
}

/// The revision that a tag means.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pin {
    pub(crate) tag: String,
    pub(crate) revision: String,
    /// In seconds since 1970.
    pub(crate) since: u64,
}

impl Pin {
    /// Whether the tag was looked up less than this time ago. A time in the future is wrong.
    pub(crate) fn is_fresh(&self, lasts: Duration) -> bool {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(self.since.min(u32::MAX.into()));
        SystemTime::now().duration_since(since).is_ok_and(|age| age < lasts)
    }
}

/// The entries of a registry.
#[derive(Clone, Debug)]
pub(crate) struct State {
    storage: Storage,
}

impl State {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// A document with this digest.
    pub(crate) fn document(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        let bytes = self.storage.get(&key("documents", digest))?;
        Ok(bytes.filter(|bytes| Digest::of(bytes) == digest))
    }

    pub(crate) fn add_document(&self, bytes: &[u8]) -> Result<()> {
        let key = key("documents", Digest::of(bytes));
        // One that exists may be damaged.
        self.storage.put(&key, bytes.to_vec())
    }

    pub(crate) fn image(&self, image: Digest) -> Result<Option<ImageRecord>> {
        self.record(&key("images", image))
    }

    /// Remembers an image, unless another process was faster. Returns whether this one was.
    pub(crate) fn create_image(&self, image: Digest, record: &ImageRecord) -> Result<bool> {
        self.storage.create(&key("images", image), sealed(record))
    }

    /// Remembers an image in place of an entry that is damaged or refers to something damaged.
    pub(crate) fn replace_image(&self, image: Digest, record: &ImageRecord) -> Result<()> {
        self.storage.put(&key("images", image), sealed(record))
    }

    pub(crate) fn remove_image(&self, image: Digest, contents: Digest) -> Result<()> {
        self.storage.remove(&key("images", image))?;
        self.storage.remove(&below("names", contents, image))?;
        self.storage.remove(&key("uses", image))
    }

    /// Remembers that contents were served as this image.
    pub(crate) fn add_name(&self, contents: Digest, image: Digest) -> Result<()> {
        self.storage.put(&below("names", contents, image), Vec::new())
    }

    /// The images that were served for contents, newest first.
    pub(crate) fn named(&self, contents: Digest) -> Result<Vec<Digest>> {
        self.newest_first(&key("names", contents))
    }

    /// Remembers that a declared name, by its digest, has these contents.
    pub(crate) fn add_declared(&self, name: Digest, contents: Digest) -> Result<()> {
        self.storage.put(&below("declared", name, contents), Vec::new())
    }

    /// The contents that a declared name has or had, newest first.
    pub(crate) fn declared(&self, name: Digest) -> Result<Vec<Digest>> {
        self.newest_first(&key("declared", name))
    }

    pub(crate) fn layer(&self, layer: Digest) -> Result<Option<LayerRecord>> {
        self.record(&key("layers", layer))
    }

    pub(crate) fn add_layer(&self, layer: Digest, record: &LayerRecord) -> Result<()> {
        self.storage.put(&key("layers", layer), sealed(record))
    }

    /// The bytes of a layer, if they are stored.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Option<StoredBlob>> {
        self.storage.blob(&key("blobs", descriptor.digest), descriptor)
    }

    /// Stores the bytes of a layer, unless they are stored already.
    pub(crate) fn add_blob(&self, blob: &dyn Blob, stop: &Stop) -> Result<()> {
        let descriptor = blob.descriptor();
        let key = key("blobs", descriptor.digest);
        match self.storage.has_blob(&key, descriptor)? {
            true => Ok(()),
            false => self.storage.add_blob(&key, descriptor, &mut *blob.open()?, stop),
        }
    }

    /// A URL for clients that leads to the stored bytes of a layer, if they are stored and the
    /// storage signs URLs.
    pub(crate) fn url_of_blob(&self, descriptor: &Descriptor) -> Result<Option<String>> {
        let key = key("blobs", descriptor.digest);
        match self.storage.signs() && self.storage.has_blob(&key, descriptor)? {
            true => self.storage.signed(&key, URL_LASTS),
            false => Ok(None),
        }
    }

    /// The revision of a tag, possibly an old one.
    pub(crate) fn pin(&self, tag: &str) -> Result<Option<Pin>> {
        let pin: Option<Pin> = self.record(&key("pins", Digest::of(tag)))?;
        Ok(pin.filter(|pin| pin.tag == tag))
    }

    pub(crate) fn add_pin(&self, pin: &Pin) -> Result<()> {
        self.storage.put(&key("pins", Digest::of(&pin.tag)), sealed(pin))
    }

    /// Records that an image is used now.
    pub(crate) fn touch(&self, image: Digest) -> Result<()> {
        self.storage.put(&key("uses", image), Vec::new())
    }

    /// The entries of a kind, with the time at which each was last written.
    pub(crate) fn all(&self, kind: Kind) -> Result<Vec<(Digest, SystemTime)>> {
        let listed = self.storage.list(kind.folder())?;
        Ok(listed.iter().filter_map(|entry| Some((digest(entry)?, entry.modified))).collect())
    }

    /// When an entry was written, if there is one.
    pub(crate) fn written(&self, kind: Kind, digest: Digest) -> Result<Option<SystemTime>> {
        self.storage.written(&key(kind.folder(), digest))
    }

    pub(crate) fn remove(&self, kind: Kind, digest: Digest) -> Result<()> {
        self.storage.remove(&key(kind.folder(), digest))
    }

    /// Removes what processes left that were killed while they wrote.
    pub(crate) fn remove_unfinished(&self, older: Duration) {
        for folder in FOLDERS {
            self.storage.remove_unfinished(folder, older);
        }
    }

    fn newest_first(&self, folder: &str) -> Result<Vec<Digest>> {
        let mut listed = self.storage.list(folder)?;
        listed.sort_by_key(|entry| (std::cmp::Reverse(entry.modified), entry.name.clone()));
        Ok(listed.iter().filter_map(digest).collect())
    }

    fn record<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.storage.get(key)?.and_then(|bytes| unsealed(&bytes)))
    }
}

/// The kinds of entries that only eviction lists and removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Document,
    Image,
    Layer,
    Pin,
    Use,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Document => "documents",
            Self::Image => "images",
            Self::Layer => "layers",
            Self::Pin => "pins",
            Self::Use => "uses",
        }
    }
}

/// The folders of all entries.
const FOLDERS: [&str; 8] =
    ["blobs", "declared", "documents", "images", "layers", "names", "pins", "uses"];

fn key(folder: &str, digest: Digest) -> String {
    format!("{folder}/{}", digest.hex())
}

fn below(folder: &str, of: Digest, entry: Digest) -> String {
    format!("{}/{}", key(folder, of), entry.hex())
}

fn digest(entry: &Listed) -> Option<Digest> {
    format!("sha256:{}", entry.name).parse().ok()
}

/// A line with the digest of the JSON, and the JSON.
fn sealed(record: &impl Serialize) -> Vec<u8> {
    let json = to_bytes(record);
    let mut bytes = format!("{}\n", Digest::of(&json)).into_bytes();
    bytes.extend(json);
    bytes
}

/// `None` if the bytes are damaged, or if another version wrote them.
fn unsealed<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (digest, json) = (str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
    (digest.parse() == Ok(Digest::of(json))).then(|| json::from_slice(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_an_entry_is_found() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Storage::folder(folder.path())?);
        let pin = Pin { tag: "latest".to_owned(), revision: "abc".to_owned(), since: 1 };
        state.add_pin(&pin)?;
        assert_eq!(state.pin("latest")?.as_ref(), Some(&pin));
        assert_eq!(state.pin("other")?, None);
        let file = folder.path().join(key("pins", Digest::of("latest")));
        let whole = std::fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file, changed).unwrap();
            assert_eq!(state.pin("latest")?, None, "byte {at}");
            std::fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(state.pin("latest")?, None, "the first {at} bytes");
        }
        state.add_pin(&pin)?;
        assert_eq!(state.pin("latest")?, Some(pin));
        Ok(())
    }

    #[test]
    fn documents_are_verified() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Storage::folder(folder.path())?);
        state.add_document(b"{}")?;
        let digest = Digest::of(b"{}");
        assert_eq!(state.document(digest)?.as_deref(), Some(&b"{}"[..]));
        std::fs::write(folder.path().join(key("documents", digest)), "{ }").unwrap();
        assert_eq!(state.document(digest)?, None);
        state.add_document(b"{}")?;
        assert!(state.document(digest)?.is_some());
        Ok(())
    }
}
