//! Caches indexes of layers in a folder, by digest, so that each layer is only read once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    basics::{Digest, Error, Result, checksum::crc32, json},
    blob::Blob,
    recipe::BaseIndex,
    store::{WriteOptions, replace},
};

/// The beginning of each cache file, which identifies its format. Other formats are never read.
const MAGIC: &[u8; 8] = b"ocilidx3";

/// The layers of one image, lowest first, if the folder is for one image.
const ORDER: &str = "entries/layers.json";

pub(crate) struct Cache<'a>(&'a Path);

impl<'a> Cache<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self(folder)
    }

    /// The index of a layer: from the folder if possible, and otherwise from the layer, in which
    /// case it is added to the folder.
    pub(crate) fn index(&self, layer: &dyn Blob) -> Result<BaseIndex> {
        let path = self.path(layer.descriptor().digest);
        // If the file is damaged, the layer is read instead.
        if let Some(index) = fs::read(&path).ok().as_deref().and_then(parse) {
            return Ok(index);
        }
        let index = super::index::read(layer)?;
        // A folder that cannot be written only costs time.
        let _ = write(&path, &index);
        Ok(index)
    }

    /// The index of a layer that is only in the folder.
    pub(crate) fn known(&self, digest: Digest) -> Result<BaseIndex> {
        let path = self.path(digest);
        parse(&fs::read(&path).map_err(Error::read(&path))?).ok_or_else(|| {
            Error::layout(
                self.0,
                format!(
                    "has an index of {digest} that is damaged or in another format: make it again"
                ),
            )
        })
    }

    pub(crate) fn write(&self, digest: Digest, index: &BaseIndex) -> Result<()> {
        write(&self.path(digest), index)
    }

    /// Reads the digests from [`Cache::write_order`].
    pub(crate) fn order(&self) -> Result<Vec<Digest>> {
        let path = self.0.join(ORDER);
        let json = fs::read(&path).map_err(Error::read(&path))?;
        serde_json::from_slice(&json).map_err(|error| {
            Error::layout(
                self.0,
                format!(
                    "has a file {ORDER} that is not a list of digests ({error}): make it again"
                ),
            )
        })
    }

    /// Writes the digests of an image's layers, lowest first.
    pub(crate) fn write_order(&self, layers: &[Digest]) -> Result<()> {
        let path = self.0.join(ORDER);
        let folder = path.parent().unwrap_or(self.0);
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        fs::write(&path, json::to_bytes(&layers)).map_err(Error::write(path))
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.0.join("entries/sha256").join(digest.hex())
    }
}

/// The index of a layer: from the cache if possible, and otherwise from the layer.
pub(crate) fn index_of(layer: &dyn Blob, cache: Option<&Path>) -> Result<BaseIndex> {
    match cache {
        Some(cache) => Cache::new(cache).index(layer),
        None => super::index::read(layer),
    }
}

/// Parses a complete file of this format.
fn parse(bytes: &[u8]) -> Option<BaseIndex> {
    let (sum, bytes) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == crc32(bytes))
        .then(|| postcard::from_bytes(bytes).ok())
        .flatten()
        .map(|(index, outside): (BaseIndex, _)| index.with_outside(outside))
}

fn write(path: &Path, index: &BaseIndex) -> Result<()> {
    let bytes = postcard::to_allocvec(&(index, index.outside()))
        .map_err(|error| Error::write(path)(std::io::Error::other(error)))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(Error::write(folder))?;
    // [`parse`] rejects a file that a power loss damages.
    let options = WriteOptions::default().sync(false);
    replace(path, &[MAGIC, &crc32(&bytes).to_be_bytes(), &bytes], options)
}
