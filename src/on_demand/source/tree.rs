//! The digest of a folder: of its contents, or only of what the file system says of its files.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use walkdir::WalkDir;

use crate::{
    basics::digest::{Digest, Hasher},
    registry::Stop,
};

/// Returns a digest of all that Nix can see of a folder: names, contents, links, and which files are
/// executable. Every replica with the same files has the same digest. The folder `.git`, which
/// changes without a change of the files, is left out. Returns `None` if `stop` is set.
pub(crate) fn contents(folder: &Path, stop: &Stop) -> io::Result<Option<Digest>> {
    walk(folder, stop, |hasher, path, metadata| {
        let kind = metadata.file_type();
        if kind.is_symlink() {
            field(hasher, b"link");
            field(hasher, fs::read_link(path)?.as_os_str().as_bytes());
        } else if kind.is_file() {
            field(hasher, if metadata.mode() & 0o100 == 0 { b"file" } else { b"program" });
            hasher.update(&metadata.len().to_le_bytes());
            let mut file = File::open(path)?.take(metadata.len());
            let mut buffer = [0; 64 << 10];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    count => hasher.update(&buffer[..count]),
                }
            }
            // A shorter file would read as a different list of fields.
            if file.limit() > 0 {
                return Err(io::Error::other("it shrank while it was being read"));
            }
        } else {
            field(hasher, if kind.is_dir() { b"folder" } else { b"other" });
        }
        Ok(())
    })
}

/// Returns a digest that changes whenever a file below the folder does, without reading the files.
pub(crate) fn stamp(folder: &Path, stop: &Stop) -> io::Result<Option<Digest>> {
    walk(folder, stop, |hasher, _, metadata| {
        let numbers = [metadata.dev(), metadata.ino(), u64::from(metadata.mode()), metadata.size()];
        let times =
            [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        numbers.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
        times.iter().for_each(|time| hasher.update(&time.to_le_bytes()));
        Ok(())
    })
}

/// Hashes the name of every file below the folder, and what `describe` adds.
fn walk(
    folder: &Path,
    stop: &Stop,
    describe: impl Fn(&mut Hasher, &Path, &fs::Metadata) -> io::Result<()>,
) -> io::Result<Option<Digest>> {
    let mut hasher = Hasher::default();
    // The folder itself can be a link.
    let folder = folder.canonicalize()?;
    let entries = WalkDir::new(&folder).min_depth(1).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() > 1 || entry.file_name() != ".git") {
        if stop.is_set() {
            return Ok(None);
        }
        let entry = entry?;
        let name = entry.path().strip_prefix(&folder).unwrap_or(entry.path());
        field(&mut hasher, name.as_os_str().as_bytes());
        let of_file = |cause: io::Error| {
            io::Error::new(cause.kind(), format!("{}: {cause}", entry.path().display()))
        };
        let metadata = entry.path().symlink_metadata().map_err(of_file)?;
        describe(&mut hasher, entry.path(), &metadata).map_err(of_file)?;
    }
    Ok(Some(hasher.finish().0))
}

/// Hashes bytes with their length, so that two lists of fields never have the same bytes.
fn field(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    fn make(dir: &Path) {
        fs::create_dir(dir.join("a")).unwrap();
        fs::write(dir.join("a/b"), "text").unwrap();
        symlink("a/b", dir.join("c")).unwrap();
    }

    #[test]
    fn equal_folders_have_one_digest_and_every_change_another() {
        let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        make(one.path());
        make(other.path());
        let digest = |dir: &Path| contents(dir, &Stop::default()).unwrap().unwrap();
        let first = digest(one.path());
        assert_eq!(first, digest(other.path()));
        fs::create_dir(one.path().join(".git")).unwrap();
        fs::write(one.path().join(".git/index"), "x").unwrap();
        assert_eq!(first, digest(one.path()));

        let changes: [fn(&Path); 7] = [
            |dir| fs::write(dir.join("a/b"), "texT").unwrap(),
            |dir| fs::rename(dir.join("a/b"), dir.join("a/x")).unwrap(),
            |dir| fs::set_permissions(dir.join("a/b"), fs::Permissions::from_mode(0o755)).unwrap(),
            |dir| fs::write(dir.join("d"), "").unwrap(),
            |dir| fs::create_dir(dir.join("d")).unwrap(),
            |dir| {
                fs::remove_file(dir.join("c")).unwrap();
                symlink("a/x", dir.join("c")).unwrap();
            },
            |dir| {
                fs::create_dir(dir.join("a/.git")).unwrap();
            },
        ];
        for change in changes {
            let dir = TempDir::new().unwrap();
            make(dir.path());
            let old = stamp(dir.path(), &Stop::default()).unwrap().unwrap();
            assert_eq!(stamp(dir.path(), &Stop::default()).unwrap().unwrap(), old);
            change(dir.path());
            assert_ne!(first, digest(dir.path()));
            assert_ne!(stamp(dir.path(), &Stop::default()).unwrap().unwrap(), old);
        }
    }

    #[test]
    fn a_stop_ends_the_walk_and_a_missing_folder_is_an_error() {
        let dir = TempDir::new().unwrap();
        make(dir.path());
        let stop = Stop::default();
        stop.set();
        assert_eq!(contents(dir.path(), &stop).unwrap(), None);
        assert!(contents(&dir.path().join("missing"), &Stop::default()).is_err());
    }
}
