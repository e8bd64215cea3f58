//! An image's files as one tar.

use std::{
    collections::HashMap,
    io::{Read, Write},
};

use crate::{
    basics::error::{Error, Result},
    rootfs::{
        contents::copy_contents,
        entry::{FileEntry, FileKind},
        image_files::ImageFiles,
        layer_stream::{Fault, read_layer},
    },
    tarfile::{
        header::{END_OF_ARCHIVE, Fields, HeaderKind, header, padding},
        path::LayerPath,
        reader::{TarEntry, TarReader},
        xattrs::Xattrs,
    },
};

impl ImageFiles {
    /// Writes all files as one tar, which has no whiteouts. Its bytes depend only on the layers.
    ///
    /// The files come in the order of the layers and of the entries in them, so that each layer is
    /// read only once more, and no contents are in memory. Directories come last, the deepest
    /// first: `tar` would change the time of a directory by what it adds to it later. The names of
    /// one file come together, and all but the first are hard links. Entries are ustar, with pax
    /// records for what ustar cannot hold, such as extended attributes. Holes of sparse files
    /// become zeros.
    ///
    /// # Errors
    ///
    /// The errors of reading the layers and of writing.
    pub fn write_tar(&self, out: &mut dyn Write) -> Result<()> {
        self.write_paths(out, |_| true)
    }

    /// Writes the files at some paths as one tar, in the same way.
    pub(crate) fn write_paths(
        &self,
        out: &mut dyn Write,
        is_wanted: impl Fn(&LayerPath) -> bool,
    ) -> Result<()> {
        let mut tar = Tar { files: self, out };
        let mut left = self.names_of_entries(&is_wanted);
        for (layer, names) in self.layers.iter().zip(&mut left) {
            // Later layers replace or remove all files of some layers.
            if names.is_empty() {
                continue;
            }
            read_layer(&**layer, |layer| {
                while !names.is_empty()
                    && let Some(entry) = layer.next_entry()?
                {
                    if let Some(paths) = names.remove(&entry.offset) {
                        tar.add(&paths, layer, &entry)?;
                    }
                }
                // The digest was verified when the layer was read first.
                Ok(false)
            })?;
        }
        for (path, placed) in self.merge.files().iter().rev() {
            // No layer says anything of a root without an entry.
            let is_made = !path.is_root() || placed.entry.offset.is_some();
            if placed.entry.is_dir() && is_made && is_wanted(path) {
                tar.add_header(path, &placed.entry, HeaderKind::Directory)?;
            }
        }
        tar.write(&[0; END_OF_ARCHIVE as usize])
    }

    /// For each layer, the paths of its files by the offset of their entry.
    fn names_of_entries(
        &self,
        is_wanted: &dyn Fn(&LayerPath) -> bool,
    ) -> Vec<HashMap<u64, Vec<&LayerPath>>> {
        let mut names = vec![HashMap::<_, Vec<_>>::new(); self.layers.len()];
        for (path, placed) in self.merge.files().iter().filter(|(path, _)| is_wanted(path)) {
            if let Some(offset) = placed.entry.offset.filter(|_| !placed.entry.is_dir()) {
                names[placed.entry.layer].entry(offset).or_default().push(path);
            }
        }
        names
    }
}

struct Tar<'a> {
    files: &'a ImageFiles,
    out: &'a mut dyn Write,
}

impl Tar<'_> {
    /// Adds a file under all of its names.
    fn add<R: Read>(
        &mut self,
        paths: &[&LayerPath],
        layer: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        let Some((path, links)) = paths.split_first() else { return Ok(()) };
        let Some(file) = self.files.entry(path) else { return Ok(()) };
        let kind = match &file.kind {
            FileKind::File { .. } => HeaderKind::File,
            FileKind::Directory => HeaderKind::Directory,
            FileKind::Symlink { target } => HeaderKind::Symlink(target.as_encoded_bytes()),
            FileKind::CharDevice { major, minor } => HeaderKind::CharDevice(*major, *minor),
            FileKind::BlockDevice { major, minor } => HeaderKind::BlockDevice(*major, *minor),
            FileKind::Fifo => HeaderKind::Fifo,
        };
        self.add_header(path, file, kind)?;
        if kind == HeaderKind::File {
            copy_contents(layer, entry, self.out)?;
            self.write(&vec![0; padding(file.size()) as usize])?;
        }
        for link in links {
            self.add_header(link, file, HeaderKind::HardLink(path))?;
        }
        Ok(())
    }

    fn add_header(
        &mut self,
        path: &LayerPath,
        file: &FileEntry,
        kind: HeaderKind<'_>,
    ) -> Result<()> {
        let FileEntry { mode, uid, gid, mtime, nanoseconds, .. } = *file;
        // A hard link has what its target has.
        let (size, xattrs) = match kind {
            HeaderKind::HardLink(_) => (0, Xattrs::default()),
            _ => (file.size(), Xattrs::from(file.xattrs.clone())),
        };
        let xattrs = &xattrs;
        let fields = Fields { path, kind, mode, uid, gid, mtime, nanoseconds, size, xattrs };
        self.write(&header(&fields))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::sink)
    }
}
