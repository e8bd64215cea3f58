//! Indexes of layers in a folder, by digest: a layer that was read once is not read again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flate2::Crc;

use crate::{
    basics::{Digest, Error, Result, json},
    blob::Blob,
    recipe::BaseIndex,
    store::{WriteOptions, replace},
};

/// What a file of the cache begins with: its format. Another format has another name, and is never
/// read.
const MAGIC: &[u8; 8] = b"ocilidx2";

/// The layers of one image, lowest first, where the folder is about one image.
const ORDER: &str = "entries/layers.json";

pub(crate) struct Cache<'a>(&'a Path);

impl<'a> Cache<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self(folder)
    }

    /// The index of a layer: from the folder, or else from the layer, and then the folder has it
    /// too.
    pub(crate) fn index(&self, layer: &dyn Blob) -> Result<BaseIndex> {
        let path = self.path(layer.descriptor().digest);
        // Whatever is wrong with the file, the layer itself is the way out.
        if let Some(index) = fs::read(&path).ok().as_deref().and_then(parse) {
            return Ok(index);
        }
        let index = super::index::read(layer)?;
        // A folder that takes no file costs time, and nothing else.
        let _ = write(&path, &index);
        Ok(index)
    }

    /// The index of a layer that is not here.
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

    /// The digests that [`Cache::write_order`] wrote.
    pub(crate) fn order(&self) -> Result<Vec<Digest>> {
        let path = self.0.join(ORDER);
        let json = fs::read(&path).map_err(Error::read(&path))?;
        serde_json::from_slice(&json).map_err(|error| {
            Error::layout(
                self.0,
                format!("has a file {ORDER} that is not a list of digests: {error}"),
            )
        })
    }

    /// Writes which layers an image has, lowest first.
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

/// The index of a layer: from the cache if it has it, or else from the layer.
pub(crate) fn index_of(layer: &dyn Blob, cache: Option<&Path>) -> Result<BaseIndex> {
    match cache {
        Some(cache) => Cache::new(cache).index(layer),
        None => super::index::read(layer),
    }
}

/// Reads a file that is whole, of this format.
fn parse(bytes: &[u8]) -> Option<BaseIndex> {
    let (sum, bytes) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == sum_of(bytes))
        .then(|| postcard::from_bytes(bytes).ok())
        .flatten()
        .map(|(index, outside): (BaseIndex, _)| index.with_outside(outside))
}

fn write(path: &Path, index: &BaseIndex) -> Result<()> {
    let bytes = postcard::to_allocvec(&(index, index.outside()))
        .map_err(|error| Error::write(path)(std::io::Error::other(error)))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(Error::write(folder))?;
    // A file that a power loss damages is read as none: see [`parse`].
    let options = WriteOptions::default().sync(false);
    replace(path, &[MAGIC, &sum_of(&bytes).to_be_bytes(), &bytes], options)
}

/// Tells a file that was cut off or damaged.
fn sum_of(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
