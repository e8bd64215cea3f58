//! A blob that lies in a file which nobody has looked at.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::PathBuf,
};

use crate::{
    descriptor::Descriptor,
    digest::{Digest, Hasher},
    error::{Error, Result},
};

/// How much of a blob is held back until its digest is known to be right.
const LAST: u64 = 64 << 10;

/// Reads a blob where it lies, and hashes it on the way. The last stretch comes when the whole is known to be right: who
/// gets as many bytes as there should be has the right ones.
pub(super) struct LyingReader {
    digest: Digest,
    size: u64,
    path: PathBuf,
    offset: u64,
    /// `None` before the first read.
    file: Option<File>,
    /// Has what was passed on so far, but for the last stretch.
    hasher: Hasher,
    last: Option<Cursor<Vec<u8>>>,
}

impl LyingReader {
    pub(super) fn new(descriptor: &Descriptor, path: PathBuf, offset: u64) -> Self {
        Self {
            digest: descriptor.digest,
            size: descriptor.size,
            path,
            offset,
            file: None,
            hasher: Hasher::default(),
            last: None,
        }
    }

    fn outdated(&self, change: &'static str) -> Error {
        Error::SourceOutdated { digest: self.digest, path: self.path.clone(), change }
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        match cause.kind() {
            io::ErrorKind::NotFound => self.outdated("vanished"),
            io::ErrorKind::UnexpectedEof => self.outdated("shrank"),
            _ => Error::SourceUnreadable { path: self.path.clone(), cause },
        }
    }

    fn open(&self) -> Result<File> {
        let unreadable = |cause| self.unreadable(cause);
        let metadata = fs::metadata(&self.path).map_err(unreadable)?;
        // To open a fifo is to wait for its writer, who may never come.
        if !metadata.is_file() {
            return Err(self.outdated("became something that is no regular file"));
        }
        let end = self.offset.checked_add(self.size);
        if end.is_none_or(|end| metadata.len() < end) {
            return Err(self.outdated("shrank"));
        }
        if self.offset == 0 && metadata.len() > self.size {
            return Err(self.outdated("grew"));
        }
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(unreadable)?;
        Ok(file)
    }

    /// Reads what is held back, and returns it if the whole is right.
    fn read_last(&self, mut file: &File) -> Result<Vec<u8>> {
        let mut last = vec![0; (self.size - self.hasher.size()) as usize];
        file.read_exact(&mut last).map_err(|cause| self.unreadable(cause))?;
        let mut hasher = self.hasher.clone();
        hasher.update(&last);
        match hasher.finish().0 == self.digest {
            true => Ok(last),
            false => Err(self.outdated("changed")),
        }
    }
}

impl Read for LyingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(last) = &mut self.last {
            return last.read(buffer);
        }
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let mut file = self.file.as_ref().expect("just opened");
        let free = self.size.saturating_sub(LAST) - self.hasher.size();
        if free == 0 {
            let last = Cursor::new(self.read_last(file)?);
            return self.last.insert(last).read(buffer);
        }
        let room = buffer.len().min(usize::try_from(free).unwrap_or(usize::MAX));
        match file.read(&mut buffer[..room]) {
            Ok(0) if room > 0 => Err(self.outdated("shrank").into()),
            Ok(read) => {
                self.hasher.update(&buffer[..read]);
                Ok(read)
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Err(cause),
            Err(cause) => Err(self.unreadable(cause).into()),
        }
    }
}
