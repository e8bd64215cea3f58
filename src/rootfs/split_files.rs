//! The files of a layer as a split sees them.

use std::io;

use crate::{
    basics::{Error, Result},
    blob::{Blob, chunks},
    split::{MOST_IN_RECORDS, SplitFile, is_record},
    tarfile::{LayerPath, TarReader, reader::TarError, unpacked},
};

/// Reads the files of a layer of an earlier image, for
/// [`SplitOptions::like`](crate::split::SplitOptions::like). The layer is read to its end, and its
/// digest verified. Names that no file in an image can have are left out.
///
/// ```
/// # fn main() -> oci_layout::Result<()> {
/// use oci_layout::{FileMapping, LayerOptions, layer_tar, rootfs::layer_split_files};
/// let layer = layer_tar([FileMapping::text("hello\n", "/etc/motd")], LayerOptions::default())?;
/// let files = layer_split_files(&layer)?;
/// assert_eq!((files[0].path.to_str(), files[0].size), (Some("/etc/motd"), 6));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// The errors of opening and reading the layer.
pub fn layer_split_files(layer: &dyn Blob) -> Result<Vec<SplitFile>> {
    let digest = layer.descriptor().digest;
    let damaged = |error: TarError| Error::blob(digest, io::Error::other(error.to_string()));
    chunks::verified(layer, |blob| {
        let mut tar = TarReader::new(unpacked(blob).map_err(|cause| Error::blob(digest, cause))?);
        let mut room = MOST_IN_RECORDS;
        let mut files = Vec::new();
        while let Some(entry) = tar.next_entry().map_err(damaged)? {
            let Ok(path) = LayerPath::parse_member(&entry.path) else { continue };
            if path.is_whiteout() || entry.kind.is_dir() {
                continue;
            }
            let path = path.to_path();
            let is_file = entry.kind.is_file();
            let mut file = SplitFile::new(&path, if is_file { entry.size } else { 0 });
            if entry.kind.is_hard_link()
                && let Ok(target) = LayerPath::parse_member(&entry.link)
            {
                file = file.link_to(target.to_path());
            }
            if is_file && !entry.sparse && is_record(&path) && entry.size <= room {
                room -= entry.size;
                let mut contents = Vec::new();
                let keep = |_, bytes: &[u8]| {
                    contents.extend_from_slice(bytes);
                    Ok::<_, TarError>(())
                };
                tar.contents(&entry, keep).map_err(damaged)?;
                file = file.contents(contents);
            }
            files.push(file);
        }
        Ok(files)
    })
}
