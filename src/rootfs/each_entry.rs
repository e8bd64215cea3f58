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

/// Files of one layer: the offset of the entry of each, and its name. They are in the order of the
/// offsets, and the names of one file in the order of paths.
pub(crate) type Entries<'a> = Vec<(u64, &'a Placed)>;

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
        is_wanted: impl FnMut(&Placed) -> bool,
        mut found: impl FnMut(&[&Placed], &mut TarReader<&mut dyn Read>, &TarEntry) -> Result<(), Fault>,
    ) -> Result<()> {
        for (layer, entries) in self.entries(is_wanted).into_iter().enumerate() {
            self.read_entries(layer, &entries, &mut found)?;
        }
        Ok(())
    }

    /// The entries of the files that are wanted, for each layer.
    pub(crate) fn entries(&self, mut is_wanted: impl FnMut(&Placed) -> bool) -> Vec<Entries<'_>> {
        let mut files = vec![Entries::new(); self.layers.len()];
        for placed in self.merge.iter() {
            if let Some((layer, offset)) = placed.place()
                && is_wanted(placed)
            {
                files[layer].push((offset, placed));
            }
        }
        // Names are in order, and stay so.
        files.iter_mut().for_each(|files| files.sort_by_key(|(offset, _)| *offset));
        files
    }

    /// Calls `found` with the names of each of these files of one layer, whose size and digest are
    /// verified after the last.
    ///
    /// # Errors
    ///
    /// The errors of reading the layer and of `found`.
    pub(crate) fn read_entries(
        &self,
        layer: usize,
        mut files: &[(u64, &Placed)],
        mut found: impl FnMut(&[&Placed], &mut TarReader<&mut dyn Read>, &TarEntry) -> Result<(), Fault>,
    ) -> Result<()> {
        // Later layers replace or remove all files of some layers.
        if files.is_empty() {
            return Ok(());
        }
        read_layer(&*self.layers[layer], |tar| {
            while let Some((first, _)) = files.first()
                && let Some(entry) = tar.next_entry()?
            {
                if entry.offset == *first {
                    let count = files.partition_point(|(offset, _)| offset == first);
                    let names: Vec<_> = files[..count].iter().map(|(_, placed)| *placed).collect();
                    found(&names, tar, &entry)?;
                    files = &files[count..];
                }
            }
            // The digest was verified when the layer was read first, but a registry may send other
            // bytes now.
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Cursor,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        basics::error::Error,
        blob::traits::Blob,
        document::{Descriptor, MediaType},
        pool::Pool,
    };

    /// A layer whose bytes change after it was read once.
    struct Changing {
        descriptor: Descriptor,
        first: Vec<u8>,
        later: Vec<u8>,
        opened: AtomicUsize,
    }

    impl Blob for Changing {
        fn descriptor(&self) -> &Descriptor {
            &self.descriptor
        }

        fn open(&self) -> Result<Box<dyn Read + Send>> {
            let is_first = self.opened.fetch_add(1, Ordering::Relaxed) == 0;
            let bytes = if is_first { &self.first } else { &self.later };
            Ok(Box::new(Cursor::new(bytes.clone())))
        }
    }

    /// A tar with these files, each of one block.
    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, contents) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, contents.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn each_read_of_a_layer_is_verified() {
        let first = tar(&[("a", "1"), ("z", "1")]);
        let cut = first[..2048].to_vec();
        for (later, is_same) in [
            (first.clone(), true),
            (tar(&[("a", "2"), ("z", "1")]), false),
            // After the last file that is wanted.
            (tar(&[("a", "1"), ("z", "2")]), false),
            ([&first[..], b"more"].concat(), false),
            (cut, false),
        ] {
            let files = || {
                let descriptor = Descriptor::of(MediaType::LAYER, &first);
                let (first, later, opened) = (first.clone(), later.clone(), AtomicUsize::new(0));
                let layer = Changing { descriptor, first, later, opened };
                ImageFiles::new([layer], &Pool::new(1)).unwrap()
            };
            for read in [files().copy("/a", &mut Vec::new()), files().write_tar(&mut Vec::new())] {
                match read {
                    Ok(()) => assert!(is_same),
                    Err(Error::BlobDamaged { .. }) => assert!(!is_same),
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }
}
