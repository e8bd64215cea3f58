//! What describes packages, read while the files of the layers are listed. Otherwise each layer
//! would be decompressed twice.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    basics::{
        Digest,
        sync::{Mutex, lock},
    },
    sbom::{
        cargo, os_release,
        source::{MOST_BYTES, Source},
    },
    tarfile::{
        path::LayerPath,
        reader::{TarEntry, TarError, TarReader},
    },
};

/// The contents of files, by the layer and the offset of the entry. Files that are not in memory,
/// because all of them would need too much, are read later.
pub(crate) struct Preview {
    read: Mutex<BTreeMap<(Digest, u64), Seen>>,
    /// How many bytes more may be in memory.
    left: AtomicU64,
}

/// The contents of a file; none of a program that lists no packages.
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// Whether the bytes are only those that a program needs.
    pub(crate) is_program: bool,
}

impl Default for Preview {
    fn default() -> Self {
        Self { read: Mutex::default(), left: AtomicU64::new(MOST_BYTES) }
    }
}

impl Preview {
    /// Reads the entry if its name or its mode says that it may describe packages.
    pub(crate) fn visit(
        &self,
        layer: Digest,
        entry: &TarEntry,
        tar: &mut TarReader<&mut dyn Read>,
    ) -> Result<(), TarError> {
        let Ok(path) = LayerPath::parse_member(&entry.path) else { return Ok(()) };
        let path = path.to_path();
        let source = Source::of(&path, entry.mode);
        let limit = match source {
            Some(source) => source.limit(),
            None if os_release::PATHS.iter().any(|known| Path::new(known) == path) => {
                os_release::LIMIT
            }
            None => return Ok(()),
        };
        let is_wanted = entry.kind.is_file() && !entry.sparse && entry.size <= limit;
        let take = |left: u64| left.checked_sub(entry.size);
        if !is_wanted || self.left.fetch_update(Relaxed, Relaxed, take).is_err() {
            return Ok(());
        }
        let is_program = source == Some(Source::Program);
        let mut contents = Contents { bytes: Vec::new(), is_program };
        tar.contents(entry, |_, bytes| {
            contents.add(bytes);
            Ok::<_, TarError>(())
        })?;
        let mut bytes = contents.bytes;
        if is_program && !cargo::is_audited(&bytes) {
            bytes = Vec::new();
        }
        self.left.fetch_add(entry.size - bytes.len() as u64, Relaxed);
        lock(&self.read).insert((layer, entry.offset), Seen { bytes, is_program });
        Ok(())
    }

    /// The contents that were read, of an entry of a layer.
    pub(crate) fn into_seen(self) -> BTreeMap<(Digest, u64), Seen> {
        self.read.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a file; none of a program that is no ELF file.
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_program: bool,
}

impl Contents {
    fn add(&mut self, bytes: &[u8]) {
        const ELF: &[u8] = b"\x7fELF";
        let begins = !self.bytes.is_empty() || bytes.starts_with(ELF);
        if begins || !self.is_program {
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
