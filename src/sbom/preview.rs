//! What describes packages, read while the files of the layers are listed. Otherwise each layer
//! would be decompressed twice.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    layer::layer_files::LayerTar,
    sbom::{cargo, os_release, source::Source},
    tarfile::{
        path::LayerPath,
        reader::{TarEntry, TarError},
    },
};

/// The contents of files of a layer, by the offsets of their entries. Files that are not here,
/// because all of them would need too much memory, are read later.
pub(crate) type Preview = BTreeMap<u64, Seen>;

/// The contents of a file. They are empty if it is a program without a list of packages.
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// Whether the bytes are only those that a program needs.
    pub(crate) is_program: bool,
}

/// Reads the entry if its path or its mode says that it may describe packages. `left` is the number
/// of bytes that all previews may take yet.
pub(crate) fn look(
    preview: &mut Preview,
    left: &AtomicU64,
    tar: &mut LayerTar<'_>,
    entry: &TarEntry,
) -> Result<(), TarError> {
    let Ok(path) = LayerPath::parse_member(&entry.path) else { return Ok(()) };
    let path = path.to_path();
    let source = Source::of(&path, entry.mode);
    let limit = match source {
        Some(source) => source.limit(),
        None if os_release::PATHS.iter().any(|known| Path::new(known) == path) => os_release::LIMIT,
        None => return Ok(()),
    };
    let is_wanted = entry.kind.is_file() && !entry.sparse && entry.size <= limit;
    let take = |left: u64| left.checked_sub(entry.size);
    if !is_wanted || left.fetch_update(Relaxed, Relaxed, take).is_err() {
        return Ok(());
    }
    let is_program = source == Some(Source::Program);
    let mut contents = Contents::new(is_program);
    tar.contents(entry, |_, bytes| {
        contents.add(bytes);
        Ok::<_, TarError>(())
    })?;
    let mut bytes = contents.bytes;
    if is_program && !cargo::is_audited(&bytes) {
        bytes = Vec::new();
    }
    bytes.shrink_to_fit();
    left.fetch_add(entry.size - bytes.len() as u64, Relaxed);
    preview.insert(entry.offset, Seen { bytes, is_program });
    Ok(())
}

/// The bytes of a file. Of a program that is not an ELF file, it keeps nothing.
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    /// Whether what comes next is left out.
    is_left_out: bool,
    is_program: bool,
}

impl Contents {
    pub(crate) fn new(is_program: bool) -> Self {
        Self { bytes: Vec::new(), is_left_out: false, is_program }
    }

    fn add(&mut self, bytes: &[u8]) {
        const ELF: &[u8] = b"\x7fELF";
        if self.bytes.is_empty() && self.is_program && !bytes.starts_with(ELF) {
            self.is_left_out = true;
        }
        if !self.is_left_out {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

impl io::Write for Contents {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program is what it begins with, whatever the sizes of the parts that it is read in.
    #[test]
    fn only_elf_files_are_kept_of_programs() {
        for (parts, is_program, kept) in [
            (&[&b"\x7fELF"[..], b"rest"][..], true, &b"\x7fELFrest"[..]),
            (&[b"#!/bin/sh\n", b"\x7fELF"], true, b""),
            (&[b"#!/bin/sh\n", b"\x7fELF"], false, b"#!/bin/sh\n\x7fELF"),
        ] {
            let mut contents = Contents::new(is_program);
            parts.iter().for_each(|part| contents.add(part));
            assert_eq!(contents.bytes, kept);
        }
    }
}
