//! Records which files were verified, in memory, and in a folder for other processes.

use std::{
    collections::HashMap,
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::{
    basics::{Digest, Error, Result},
    document::Descriptor,
    pool::lock,
    store::checked::{CHANGED, CheckedFile, FileBytes, Stamp},
};

/// How long a file must be unchanged before its stamp is trusted. File systems count times in steps
/// of up to 10 ms, and two writes in the same step have the same stamp.
const QUIET: Duration = Duration::from_millis(50);

/// The maximum number of lines in a file of the folder. There are 256 files.
const MOST: usize = 256;

/// The files that were verified. A file is identified by its device and inode, not by its name.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles {
    /// Each entry has a separate lock, so that a blob that several clients request is hashed once.
    places: Mutex<HashMap<Place, Arc<Mutex<Option<Known>>>>>,
    folder: Option<PathBuf>,
}

/// The location of a blob: the device and inode of a file, and the offset in it.
type Place = (u64, u64, u64);

/// The contents of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    digest: Digest,
    size: u64,
}

impl KnownFiles {
    /// Shares the record with other processes through this folder. The folder must belong to the
    /// user, because its contents are trusted.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    /// Verifies these bytes against the descriptor. Hashes them, unless that was done before and
    /// the file has not changed since.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if they do not match. [`Error::Read`] if they cannot be read.
    pub(crate) fn check(&self, bytes: FileBytes, descriptor: &Descriptor) -> Result<CheckedFile> {
        descriptor.check(bytes.size, None)?;
        let unreadable = |cause| Error::read(&bytes.path)(cause);
        let stamp = Stamp::of(&bytes.file).map_err(unreadable)?;
        let expected = Known { stamp, digest: descriptor.digest, size: descriptor.size };
        let place = (stamp.device, stamp.inode, bytes.offset());
        let known = Arc::clone(lock(&self.places).entry(place).or_default());
        let mut known = lock(&known);
        if *known == Some(expected) {
            return Ok(CheckedFile { bytes, stamp });
        }
        let mut is_known = self.has_line(place, &expected);
        if !is_known {
            // Checked before reading, so that a later write changes the stamp.
            is_known = is_quiet(&stamp);
            bytes.check(descriptor)?;
            if Stamp::of(&bytes.file).map_err(unreadable)? != stamp {
                return Err(unreadable(std::io::Error::other(CHANGED)));
            }
            if is_known {
                self.add_line(&bytes, place, &expected);
            }
        }
        *known = is_known.then_some(expected);
        Ok(CheckedFile { bytes, stamp })
    }

    /// Records a file that this process has just written, so that its digest is known.
    pub(crate) fn add(&self, file: &File, digest: Digest) {
        if let Ok(stamp) = Stamp::of(file) {
            let known = Known { stamp, digest, size: stamp.size };
            *lock(lock(&self.places).entry((stamp.device, stamp.inode, 0)).or_default()) =
                Some(known);
        }
    }

    fn has_line(&self, place: Place, known: &Known) -> bool {
        let Some(path) = self.path(place) else { return false };
        let line = line(place, known);
        fs::read_to_string(path).is_ok_and(|lines| lines.lines().any(|other| other == line))
    }

    /// Adds a line, which replaces the oldest one if there are too many. If this fails, the file is
    /// only hashed again.
    fn add_line(&self, bytes: &FileBytes, place: Place, known: &Known) {
        let Some(path) = self.path(place) else { return };
        // A recorded file must be on disk. Otherwise, after a power loss, it could have its times
        // but not its contents.
        if bytes.file.sync_data().is_err() {
            return;
        }
        let new = line(place, known);
        let same_place = |line: &str| line.split(' ').take(3).eq(new.split(' ').take(3));
        let old = fs::read_to_string(&path).unwrap_or_default();
        let mut lines: Vec<&str> = old.lines().filter(|line| !same_place(line)).collect();
        lines.drain(..lines.len().saturating_sub(MOST - 1));
        lines.push(&new);
        let _ = write(&path, &(lines.join("\n") + "\n"));
    }

    fn path(&self, (_, inode, _): Place) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{:02x}", inode & 0xff)))
    }
}

/// Whether the file has been unchanged for long enough.
fn is_quiet(stamp: &Stamp) -> bool {
    let (seconds, nanoseconds) = stamp.changed;
    let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
    let changed = changed
        .map(|(seconds, nanoseconds)| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds));
    changed.is_some_and(|changed| {
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > QUIET)
    })
}

fn line((device, inode, offset): Place, Known { stamp, digest, size }: &Known) -> String {
    let ((modified, modified_ns), (changed, changed_ns)) = (stamp.modified, stamp.changed);
    format!(
        "{device} {inode} {offset} {} {modified}.{modified_ns:09} {changed}.{changed_ns:09} \
         {size} {digest}",
        stamp.size
    )
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::fs::FileExt, thread};

    use super::*;
    use crate::{basics::report::Report, document::descriptor::MediaType};

    const BYTES: &[u8] = b"the bytes of a blob";

    struct Case {
        dir: tempfile::TempDir,
        descriptor: Descriptor,
    }

    impl Case {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("blob"), BYTES).unwrap();
            thread::sleep(2 * QUIET);
            Self { dir, descriptor: Descriptor::of(MediaType::LAYER, BYTES) }
        }

        fn check(&self, known: &KnownFiles) -> Result<CheckedFile> {
            let path = self.dir.path().join("blob");
            let file = File::open(&path).unwrap();
            let size = file.metadata().unwrap().len();
            known.check(FileBytes::new(file, 0, size, &path), &self.descriptor)
        }

        fn known(&self) -> KnownFiles {
            KnownFiles::in_folder(self.dir.path().join("known"))
        }

        fn lines(&self) -> usize {
            let files = fs::read_dir(self.dir.path().join("known")).into_iter().flatten();
            files
                .map(|file| fs::read_to_string(file.unwrap().path()).unwrap().lines().count())
                .sum()
        }

        /// Writes other bytes of the same length, and restores the modification time.
        fn damage(&self) {
            let file = File::options().write(true).open(self.dir.path().join("blob")).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.write_all_at(b"X", 3).unwrap();
            file.set_modified(modified).unwrap();
        }
    }

    #[test]
    fn a_file_that_changed_is_hashed_again() {
        let case = Case::new();
        let known = case.known();
        let mut checked = case.check(&known).unwrap();
        assert!(case.check(&known).is_ok());
        case.damage();
        for known in [&known, &case.known(), &KnownFiles::default()] {
            assert!(matches!(case.check(known), Err(Error::BlobDamaged { .. })));
        }
        // A reader that is already open notices the change.
        let error = checked.read(&mut [0; 8]).unwrap_err();
        assert!(Report(&error).to_string().contains(CHANGED), "{error}");
    }

    #[test]
    fn another_process_trusts_the_recorded_checks() {
        let case = Case::new();
        case.check(&case.known()).unwrap();
        assert_eq!(case.lines(), 1);
        // A wrong line shows that lines are trusted: it declares a damaged file valid.
        case.damage();
        thread::sleep(2 * QUIET);
        let file =
            fs::read_dir(case.dir.path().join("known")).unwrap().next().unwrap().unwrap().path();
        let metadata = fs::metadata(case.dir.path().join("blob")).unwrap();
        let place = (Stamp::of_metadata(&metadata).device, Stamp::of_metadata(&metadata).inode, 0);
        let known = Known {
            stamp: Stamp::of_metadata(&metadata),
            digest: case.descriptor.digest,
            size: case.descriptor.size,
        };
        fs::write(&file, line(place, &known)).unwrap();
        assert!(case.check(&case.known()).is_ok());
        for rubbish in ["", "\0\0\0\0", "1 2 3", &line(place, &known)[1..]] {
            fs::write(&file, rubbish).unwrap();
            assert!(
                matches!(case.check(&case.known()), Err(Error::BlobDamaged { .. })),
                "{rubbish:?}"
            );
        }
    }

    #[test]
    fn a_recently_written_file_is_not_recorded() {
        let case = Case::new();
        fs::write(case.dir.path().join("blob"), BYTES).unwrap();
        let known = case.known();
        case.check(&known).unwrap();
        assert_eq!(case.lines(), 0);
        assert!(lock(&known.places).values().all(|known| lock(known).is_none()));
    }

    #[test]
    fn the_folder_stays_small() {
        let case = Case::new();
        let known = case.known();
        case.check(&known).unwrap();
        let path =
            fs::read_dir(case.dir.path().join("known")).unwrap().next().unwrap().unwrap().path();
        let last = fs::read_to_string(&path).unwrap();
        let others: String = (0..2 * MOST).map(|other| format!("0 {other} 0 x\n")).collect();
        fs::write(&path, others).unwrap();
        case.check(&case.known()).unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), MOST);
        assert!(lines.ends_with(&last));
    }
}
