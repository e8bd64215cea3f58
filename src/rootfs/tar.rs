//! An image's files as one tar.

use std::io::{Read, Write};

use crate::{
    basics::error::{Error, Result},
    layer::{
        layer_files::{File, Kind},
        merge::Placed,
    },
    rootfs::{contents::copy_contents, image_files::ImageFiles, layer_stream::Fault},
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
        let mut tar = Tar(out);
        let is_file = |placed: &Placed| !placed.file.is_dir() && is_wanted(&placed.path);
        self.each_entry(is_file, |names, layer, entry| tar.add(names, layer, entry))?;
        for placed in self.merge.iter().rev() {
            // No layer says anything of a root without an entry.
            let is_made = !placed.path.is_root() || placed.file.offset().is_some();
            if placed.file.is_dir() && is_made && is_wanted(&placed.path) {
                tar.add_header(placed, HeaderKind::Directory)?;
            }
        }
        tar.write(&[0; END_OF_ARCHIVE as usize])
    }
}

struct Tar<'a>(&'a mut dyn Write);

impl Tar<'_> {
    /// Adds a file under all of its names.
    fn add<R: Read>(
        &mut self,
        names: &[&Placed],
        layer: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        let Some((placed, links)) = names.split_first() else { return Ok(()) };
        let kind = match &placed.file.kind {
            Kind::File(_) => HeaderKind::File,
            Kind::Directory => HeaderKind::Directory,
            Kind::Symlink(target) => HeaderKind::Symlink(target),
            Kind::CharDevice(major, minor) => HeaderKind::CharDevice(*major, *minor),
            Kind::BlockDevice(major, minor) => HeaderKind::BlockDevice(*major, *minor),
            Kind::Fifo => HeaderKind::Fifo,
        };
        self.add_header(placed, kind)?;
        if let Kind::File(size) = placed.file.kind {
            copy_contents(layer, entry, self.0)?;
            self.write(&vec![0; padding(size) as usize])?;
        }
        for link in links {
            self.add_header(link, HeaderKind::HardLink(&placed.path))?;
        }
        Ok(())
    }

    fn add_header(&mut self, placed: &Placed, kind: HeaderKind<'_>) -> Result<()> {
        let Placed { path, file, .. } = placed;
        let File { mtime, nanoseconds, .. } = *file;
        // A hard link has what its target has.
        let (size, xattrs) = match (kind, &file.kind) {
            (HeaderKind::HardLink(_), _) => (0, Xattrs::default()),
            (_, Kind::File(size)) => (*size, file.xattrs()),
            _ => (0, file.xattrs()),
        };
        let ((uid, gid), xattrs) = (file.owner(), &xattrs);
        let mode = file.mode.into();
        let fields = Fields { path, kind, mode, uid, gid, mtime, nanoseconds, size, xattrs };
        self.write(&header(&fields))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(Error::sink)
    }
}
