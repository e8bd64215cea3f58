//! The contents of many small files, for which each layer is read once.

use std::path::Path;

use crate::{
    basics::error::Result,
    layer::{layer_files::Kind, merge::Placed},
    rootfs::{contents::copy_contents, image_files::ImageFiles, layer_stream::read_layer},
    tarfile::path::LayerPath,
};

impl ImageFiles {
    /// Calls `found` with the path, the layer and the contents of each regular file that
    /// `is_wanted`, which knows its size: it decides how much is in memory. The files come in the
    /// order of the layers and of the entries in them. A file with several names comes with each.
    ///
    /// # Errors
    ///
    /// The errors of reading the layers and of `found`.
    pub(crate) fn read_files(
        &self,
        is_wanted: impl Fn(&LayerPath, u64) -> bool,
        mut found: impl FnMut(&Path, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut files: Vec<Vec<(u64, &Placed)>> = vec![Vec::new(); self.layers.len()];
        for placed in self.merge.iter() {
            if let (Kind::File(size), Some((layer, offset))) = (&placed.file.kind, placed.place())
                && is_wanted(&placed.path, *size)
            {
                files[layer].push((offset, placed));
            }
        }
        for (number, (layer, mut files)) in self.layers.iter().zip(files).enumerate() {
            files.sort_by_key(|(offset, _)| *offset);
            let mut files = &files[..];
            if files.is_empty() {
                continue;
            }
            read_layer(&**layer, |tar| {
                while let Some((first, _)) = files.first()
                    && let Some(entry) = tar.next_entry()?
                {
                    if entry.offset == *first {
                        let mut contents = Vec::new();
                        copy_contents(tar, &entry, &mut contents)?;
                        let names = files.partition_point(|(offset, _)| offset == first);
                        for (_, placed) in &files[..names] {
                            found(&placed.path.to_path(), number, &contents)?;
                        }
                        files = &files[names..];
                    }
                }
                // The digest was verified when the layer was read first.
                Ok(false)
            })?;
        }
        Ok(())
    }
}
