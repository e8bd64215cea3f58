//! The entries of many files, for which each layer is read once.

use std::io::Read;

use crate::{
    basics::error::Result,
    layer::merge::Placed,
    rootfs::{
        image_files::ImageFiles,
        layer_stream::{Fault, read_layer},
    },
    tarfile::reader::{TarEntry, TarReader},
};

impl ImageFiles {
    /// Calls `found` with the names of each file that `is_wanted`, and with its entry, whose
    /// contents can be read. The files come in the order of the layers and of the entries in them,
    /// and the names of one file in the order of paths.
    ///
    /// # Errors
    ///
    /// The errors of reading the layers and of `found`.
    pub(crate) fn each_entry(
        &self,
        mut is_wanted: impl FnMut(&Placed) -> bool,
        mut found: impl FnMut(&[&Placed], &mut TarReader<&mut dyn Read>, &TarEntry) -> Result<(), Fault>,
    ) -> Result<()> {
        let mut files: Vec<Vec<(u64, &Placed)>> = vec![Vec::new(); self.layers.len()];
        for placed in self.merge.iter() {
            if let Some((layer, offset)) = placed.place()
                && is_wanted(placed)
            {
                files[layer].push((offset, placed));
            }
        }
        for (layer, mut files) in self.layers.iter().zip(files) {
            // Names are in order, and stay so.
            files.sort_by_key(|(offset, _)| *offset);
            let mut files = &files[..];
            // Later layers replace or remove all files of some layers.
            if files.is_empty() {
                continue;
            }
            read_layer(&**layer, |tar| {
                while let Some((first, _)) = files.first()
                    && let Some(entry) = tar.next_entry()?
                {
                    if entry.offset == *first {
                        let count = files.partition_point(|(offset, _)| offset == first);
                        let names: Vec<_> =
                            files[..count].iter().map(|(_, placed)| *placed).collect();
                        found(&names, tar, &entry)?;
                        files = &files[count..];
                    }
                }
                // The digest was verified when the layer was read first.
                Ok(false)
            })?;
        }
        Ok(())
    }
}
