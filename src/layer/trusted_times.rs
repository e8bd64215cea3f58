//! Layers that are known from the state of their files, without reading one.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    basics::{BYTE_FORMAT, Digest, Hasher, Result, json},
    layer::{
        entry::{Content, Kind},
        pipeline::Pass,
        stream::TarStream,
    },
    recipe::{Checks, LayerOptions},
    store::{KnownLayers, checked::Stamp},
    tarfile::{
        Compression,
        header::{Fields, HeaderKind},
    },
};

impl LayerOptions {
    /// Takes files as unchanged if device, inode, size, modification time and change time are those
    /// of an earlier call with the same folder, and opens none of them if that holds for the whole
    /// layer. This is how git and make find out what changed, and not a proof: who sets the clock of
    /// the system back, or writes to a disk below the file system, gets the earlier layer.
    ///
    /// The folder is created if necessary, and has a record for each state of a layer's files. A
    /// layer whose files changed in the two seconds before is not recorded, because a later change
    /// might leave the times as they are. Neither is a layer with a tar or a pipe among its sources.
    /// If the layer is stored, its blob must be among the layers of [`LayerOptions::reuse`], or else
    /// it is made again. Who can write in the folder can change the bytes of layers.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write) if the folder cannot be created.
    pub fn trust_times(mut self, folder: impl AsRef<Path>) -> Result<Self> {
        self.known_layers = Some(Arc::new(KnownLayers::open(folder.as_ref())?));
        Ok(self)
    }
}

/// How old the newest time must be, so that a later change has another one. Some file systems count
/// in steps of two seconds.
const QUIET: Duration = Duration::from_secs(2);

/// The state of all files of a layer.
#[derive(Clone, Debug)]
pub(crate) struct FileStates {
    known: Arc<KnownLayers>,
    digest: Digest,
    /// Whether all times are old enough.
    is_quiet: bool,
}

/// What is known of a layer.
#[derive(Serialize, Deserialize)]
struct Record {
    /// As JSON: its annotations are of any number.
    descriptor: Vec<u8>,
    diff_id: [u8; 32],
    untabled: Option<String>,
    checks: Option<RecordedChecks>,
}

/// [`Checks`] with digests as bytes.
#[derive(Serialize, Deserialize)]
struct RecordedChecks {
    size: u64,
    prefixes: Vec<[u8; 32]>,
    entries: Vec<u32>,
}

impl FileStates {
    /// The state of the files in a tar whose entries are all known. `None` if it has contents
    /// without a file of their own. `begun` is when the listing began, and `checks` says whether
    /// these are wanted.
    pub(crate) fn of(
        known: &Arc<KnownLayers>,
        stream: &TarStream,
        compression: Compression,
        checks: bool,
        begun: SystemTime,
    ) -> Option<Self> {
        let mut states = Hasher::default();
        let version = env!("CARGO_PKG_VERSION");
        states.update(format!("{BYTE_FORMAT} {version} {compression} {checks}\n").as_bytes());
        let mut newest = (i64::MIN, 0);
        for number in 0..stream.len() {
            let at = stream.entry(number)?;
            let entry = at.entry();
            add_fields(&mut states, &entry.fields());
            match &entry.kind {
                Kind::File(Content::Bytes(bytes)) => states.update(bytes),
                Kind::File(Content::File(file)) => {
                    let Stamp { device, inode, size, modified, changed } = file.stamp;
                    let times = [modified.0, modified.1, changed.0, changed.1];
                    states.update([device, inode, size].map(u64::to_le_bytes).as_flattened());
                    states.update(times.map(i64::to_le_bytes).as_flattened());
                    newest = newest.max(modified).max(changed);
                }
                Kind::File(Content::Stretch { .. } | Content::Sparse(_)) => return None,
                _ => {}
            }
        }
        let since_1970 = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let quiet = since_1970.saturating_sub(QUIET);
        let is_quiet = newest < (quiet.as_secs() as i64, quiet.subsec_nanos().into());
        Some(Self { known: Arc::clone(known), digest: states.finish().0, is_quiet })
    }

    /// The layer that was made of files in this state.
    pub(crate) fn find(&self) -> Option<(Pass, Option<Checks>)> {
        let record: Record = postcard::from_bytes(&self.known.find(self.digest)?).ok()?;
        let checks = record.checks.map(|RecordedChecks { size, prefixes, entries }| Checks {
            size,
            prefixes: prefixes.into_iter().map(Digest::from_bytes).collect(),
            entries,
        });
        let pass = Pass {
            diff_id: Digest::from_bytes(record.diff_id),
            descriptor: serde_json::from_slice(&record.descriptor).ok()?,
            untabled: record.untabled,
        };
        Some((pass, checks))
    }

    /// Records a layer that was made of these files, if they are quiet.
    pub(crate) fn record(&self, pass: &Pass, checks: Option<&Checks>) {
        let checks = checks.map(|Checks { size, prefixes, entries }| RecordedChecks {
            size: *size,
            prefixes: prefixes.iter().map(|digest| *digest.bytes()).collect(),
            entries: entries.clone(),
        });
        let record = Record {
            descriptor: json::to_bytes(&pass.descriptor),
            diff_id: *pass.diff_id.bytes(),
            untabled: pass.untabled.clone(),
            checks,
        };
        if let (true, Ok(bytes)) = (self.is_quiet, postcard::to_allocvec(&record)) {
            self.known.add(self.digest, &bytes);
        }
    }

    /// What was found out about files in this state, and recorded under this name.
    #[cfg(feature = "cli")]
    pub(crate) fn find_facts<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        postcard::from_bytes(&self.known.find(self.of_facts(name))?).ok()
    }

    /// Records facts that depend on nothing but these files, if they are quiet.
    #[cfg(feature = "cli")]
    pub(crate) fn record_facts(&self, name: &str, facts: &impl Serialize) {
        if let (true, Ok(bytes)) = (self.is_quiet, postcard::to_allocvec(facts)) {
            self.known.add(self.of_facts(name), &bytes);
        }
    }

    #[cfg(feature = "cli")]
    fn of_facts(&self, name: &str) -> Digest {
        Digest::of(format!("{name} {}", self.digest).as_bytes())
    }
}

/// Adds all fields of an entry to a hash. The header has the same information, but takes longer to
/// make and to hash.
fn add_fields(states: &mut Hasher, entry: &Fields<'_>) {
    let Fields { path, kind, mode, uid, gid, mtime, nanoseconds, size, xattrs } = entry;
    let linked;
    let (kind, major, minor, target) = match kind {
        HeaderKind::Directory => (0, 0, 0, &[][..]),
        HeaderKind::File => (1, 0, 0, &[][..]),
        HeaderKind::Symlink(target) => (2, 0, 0, *target),
        HeaderKind::HardLink(path) => {
            linked = path.to_bytes();
            (3, 0, 0, &linked[..])
        }
        HeaderKind::CharDevice(major, minor) => (4, *major, *minor, &[][..]),
        HeaderKind::BlockDevice(major, minor) => (5, *major, *minor, &[][..]),
        HeaderKind::Fifo => (6, 0, 0, &[][..]),
    };
    let attributes = xattrs.iter().count() as u32;
    let numbers = [kind, major, minor, *mode, *nanoseconds, attributes];
    states.update(numbers.map(u32::to_le_bytes).as_flattened());
    states.update([*uid, *gid, *size, mtime.cast_unsigned()].map(u64::to_le_bytes).as_flattened());
    let path = path.to_bytes();
    let of_xattrs = xattrs.iter().flat_map(|(name, value)| [name, value]);
    for text in [&path[..], target].into_iter().chain(of_xattrs) {
        states.update(&(text.len() as u64).to_le_bytes());
        states.update(text);
    }
}
