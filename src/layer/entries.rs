//! Lists the entries of a layer without unpacking it.

use std::{ffi::OsString, io::Read, os::unix::ffi::OsStringExt, path::PathBuf};

use tar::EntryType;

use crate::{
    basics::{Digest, Error, Result},
    blob::Blob,
    tarfile::{TarReader, unpacked},
};

/// Reads the entries of a layer in their order. The layer can be compressed or not.
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
/// [`Error::BlobUnreadable`] and the other errors of [`Blob::open`], here or for an entry. An error
/// is the last item. The digest is not verified: see [`verify`](crate::verify::verify()).
pub fn layer_entries(layer: &(impl Blob + ?Sized)) -> Result<LayerEntries> {
    let digest = layer.descriptor().digest;
    let tar = unpacked(layer.open()?).map_err(|cause| Error::blob(digest, cause))?;
    Ok(LayerEntries { tar: Some(TarReader::new(tar)), digest })
}

/// The iterator of [`layer_entries`].
pub struct LayerEntries {
    /// `None` after the last entry or an error.
    tar: Option<TarReader<Box<dyn Read + Send>>>,
    digest: Digest,
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LayerEntry {
    /// The name in the layer: directories usually end with a slash, and `./` is the root.
    pub path: PathBuf,
    /// The size of a file's contents in bytes. Zero for other entries.
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
