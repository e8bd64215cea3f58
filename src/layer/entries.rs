//! What is in a layer, without unpacking it anywhere.

use std::{
    ffi::OsString,
    io::{BufReader, Read},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
};

use tar::EntryType;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::Blob,
    tarfile::{
        decompress::{Unpacked, decompress},
        reader::TarReader,
    },
};

/// Reads a layer's entries in their order, whether the layer is compressed or not.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, layer_entries, layer_tar};
/// let layer = layer_tar([FileMapping::text("hello\n", "/etc/motd")], LayerOptions::default())?;
/// let paths: Vec<_> = layer_entries(&layer)?.map(|entry| Ok(entry?.path)).collect::<oci_layout::Result<_>>()?;
/// assert_eq!(paths.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["etc/", "etc/motd"]);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::BlobUnreadable`] and whatever else [`Blob::open`] gives, here or for an entry; nothing
/// comes after that. The digest is not looked at: see [`verify`](crate::verify()).
pub fn layer_entries(layer: &(impl Blob + ?Sized)) -> Result<LayerEntries> {
    let digest = layer.descriptor().digest;
    let stream = BufReader::with_capacity(64 << 10, layer.open()?);
    let (Unpacked::Compressed(tar) | Unpacked::Plain(tar)) =
        decompress(stream).map_err(|cause| Error::blob(digest, cause))?;
    Ok(LayerEntries { tar: Some(TarReader::new(tar)), digest })
}

/// See [`layer_entries`].
pub struct LayerEntries {
    /// `None` after the last entry, or the first error.
    tar: Option<TarReader<Box<dyn Read + Send>>>,
    digest: Digest,
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LayerEntry {
    /// As the layer names it: a directory usually has a slash behind, and `./` is the root.
    pub path: PathBuf,
    /// Of a file's contents, in bytes; 0 for anything else.
    pub size: u64,
}

impl Iterator for LayerEntries {
    type Item = Result<LayerEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.tar.as_mut()?.next_entry() {
            Ok(Some(entry)) => {
                let is_file = matches!(
                    entry.kind,
                    EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
                );
                let path = PathBuf::from(OsString::from_vec(entry.path));
                Some(Ok(LayerEntry { path, size: if is_file { entry.size } else { 0 } }))
            }
            Ok(None) => {
                self.tar = None;
                None
            }
            Err(error) => {
                self.tar = None;
                Some(Err(Error::blob(
                    self.digest,
                    std::io::Error::other(format!(
                        "at byte {} of the tar, {}",
                        error.offset, error.reason
                    )),
                )))
            }
        }
    }
}

impl std::fmt::Debug for LayerEntries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerEntries").field("digest", &self.digest).finish_non_exhaustive()
    }
}
