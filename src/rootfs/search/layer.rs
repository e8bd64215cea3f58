//! A layer that is read as far as it has to be.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    basics::{
        digest::HashRead,
        error::{Error, Result},
    },
    blob::traits::Blob,
    layer::{
        layer_files::{File, Is, Kind, Member, Members, name},
        merge::look::{At, Hides, LayerAt, Looked, Wanted},
    },
    pool::lock,
    rootfs::{
        contents::{copy_contents, copy_from},
        entry::FileEntry,
        layer_stream::{Fault, read_layer},
        unpack::Unpacking,
    },
    tarfile::{
        decompress::unpacked,
        path::LayerPath,
        reader::{TarEntry, TarReader},
    },
};

pub(crate) struct Layer {
    number: usize,
    pub(crate) blob: Arc<dyn Blob>,
    progress: Progress,
    /// The entries so far, and the names of those that no file system can have.
    passed: Members,
    left_out: Vec<(PathBuf, String)>,
    /// The first entry of each path so far.
    first: BTreeMap<LayerPath, Found>,
    /// The entry that was read last, while its contents are not read.
    last: Option<TarEntry>,
}

enum Progress {
    Unread,
    Reading(TarReader<Box<dyn Read + Send>>, Hashed),
    Ended(Hashed),
}

#[derive(Clone)]
enum Found {
    /// The number of the entry.
    Passed(usize),
    /// A hard link to a file of a lower layer.
    Link(LayerPath),
    Whiteout,
}

/// A file of any type but a directory.
pub(crate) enum Seen {
    Entry(FileEntry),
    /// A hard link to a file of a lower layer.
    Link(LayerPath),
}

impl LayerAt for &mut Layer {
    type Directory = FileEntry;
    type File = Seen;
    type Fault = Error;

    fn at(&mut self, path: &LayerPath, wanted: Wanted) -> Result<At<FileEntry, Seen>> {
        let is = match self.find(path, wanted)? {
            Some(Found::Link(target)) => Some(Looked::File(Seen::Link(target))),
            Some(Found::Passed(at)) => self.file(at).map(|file| {
                let entry = FileEntry::new(file, self.number);
                match entry.is_dir() {
                    true => Looked::Directory(Some(entry)),
                    false => Looked::File(Seen::Entry(entry)),
                }
            }),
            Some(Found::Whiteout) => None,
            None => self.has_below(path).then_some(Looked::Directory(None)),
        };
        // A layer without contradictions has no file above an entry, so that it is enough to know
        // what was read so far.
        let hides = if self.hides(path) { Hides::All } else { Hides::Nothing };
        Ok(At { is, hides })
    }
}

impl Layer {
    pub(crate) fn new(number: usize, blob: Arc<dyn Blob>) -> Self {
        Self {
            number,
            blob,
            progress: Progress::Unread,
            passed: Members::default(),
            left_out: Vec::new(),
            first: BTreeMap::new(),
            last: None,
        }
    }

    /// What is at a path. Reads on until that is known, or to the end. If only the kind matters,
    /// something below the path is enough.
    fn find(&mut self, path: &LayerPath, wanted: Wanted) -> Result<Option<Found>> {
        let mut is_known = wanted == Wanted::Kind && self.has_below(path);
        loop {
            if let Some(found) = self.first.get(path) {
                return Ok(Some(found.clone()));
            }
            let before = self.passed.len();
            match if is_known { Ok(false) } else { self.read_entry() } {
                Ok(true) => {
                    let new = self.passed.get(before).filter(|_| wanted == Wanted::Kind);
                    is_known = new.is_some_and(|member| is_file_below(&member.path, path));
                }
                Ok(false) => return Ok(None),
                Err(error) => {
                    // The next search fails in the same way.
                    self.forget();
                    return Err(error);
                }
            }
        }
    }

    fn file(&self, at: usize) -> Option<&File> {
        match &self.passed.get(at)?.is {
            Is::File(file) => Some(file),
            _ => None,
        }
    }

    /// Reads the next entry, if there is one.
    fn read_entry(&mut self) -> Result<bool> {
        let digest = self.blob.descriptor().digest;
        let unreadable = |cause| Error::blob(digest, cause);
        let tar = match &mut self.progress {
            Progress::Ended(_) => return Ok(false),
            Progress::Reading(tar, _) => tar,
            Progress::Unread => {
                let blob = Hashed::new(self.blob.open()?);
                let tar = unpacked(blob.clone()).map_err(unreadable)?;
                self.progress = Progress::Reading(TarReader::new(tar), blob);
                return Ok(true);
            }
        };
        let next = tar.next_entry();
        self.last = next.map_err(|error| unreadable(io::Error::other(error.to_string())))?;
        let Some(entry) = &self.last else {
            if let Progress::Reading(_, blob) = &self.progress {
                self.progress = Progress::Ended(blob.clone());
            }
            return Ok(false);
        };
        let member = match Member::new(entry) {
            Ok(member) => member,
            // A name that no file system has is at no path.
            Err(reason) => {
                self.left_out.push((name(entry), reason));
                return Ok(true);
            }
        };
        let found = match &member.is {
            Is::Whiteout => Some(Found::Whiteout),
            Is::HardLink(target) => self.linked(target),
            Is::File(_) => Some(Found::Passed(self.passed.len())),
        };
        if let Some(found) = found {
            self.first.entry(member.path.clone()).or_insert(found);
        }
        self.passed.push(member);
        Ok(true)
    }

    /// What a hard link with this target is.
    fn linked(&self, target: &LayerPath) -> Option<Found> {
        match self.first.get(target) {
            // Only a whiteout before the link removes it.
            None => (!self.hides(target)).then(|| Found::Link(target.clone())),
            Some(Found::Passed(at)) if self.file(*at).is_some_and(File::is_dir) => None,
            found => found.cloned(),
        }
    }

    /// Whether the layer, as far as it was read, has a file below a path. Whiteouts do not count.
    fn has_below(&self, path: &LayerPath) -> bool {
        let from = self.first.range(path..).map(|(other, _)| other);
        let mut below = from.take_while(|other| *other == path || other.is_below(path));
        below.any(|other| is_file_below(other, path))
    }

    /// Whether the layer, as far as it was read, removes what lower layers have at a path, or has a
    /// file in place of one of its parents.
    pub(crate) fn hides(&self, path: &LayerPath) -> bool {
        let has = |path: LayerPath| self.first.contains_key(&path);
        let is_file = |path: &LayerPath| match self.first.get(path) {
            Some(Found::Passed(at)) => !self.file(*at).is_some_and(File::is_dir),
            found => found.is_some(),
        };
        has(path.whiteout())
            || has(LayerPath::root().opaque_whiteout())
            || path.ancestors().any(|parent| {
                has(parent.whiteout()) || has(parent.opaque_whiteout()) || is_file(&parent)
            })
    }

    /// Writes the contents of a file of this layer.
    pub(crate) fn copy(&mut self, file: &FileEntry, out: &mut dyn Write) -> Result<()> {
        let last = self.last.take_if(|last| Some(last.offset) == file.offset);
        match (last, &mut self.progress) {
            (Some(entry), Progress::Reading(tar, _)) => {
                copy_contents(tar, &entry, out).map_err(|fault| match fault {
                    Fault::Other(error) => error,
                    Fault::Tar(error) => {
                        let cause = io::Error::other(error.to_string());
                        Error::blob(self.blob.descriptor().digest, cause)
                    }
                })
            }
            // Its entry was passed while something else was looked for.
            _ => copy_from(&*self.blob, file, out),
        }
    }

    /// Reads the rest of the layer, if a part was read, and verifies its digest.
    pub(crate) fn verify(&mut self) -> Result<()> {
        match self.forget().progress {
            Progress::Unread => Ok(()),
            Progress::Reading(_, read) | Progress::Ended(read) => read.check(&*self.blob),
        }
    }

    /// Unpacks the layer, and verifies its digest. It is read on from here if no contents of files
    /// below the root have passed, and from its beginning otherwise.
    pub(crate) fn unpack(
        &mut self,
        unpacking: &mut Unpacking<'_, '_>,
        root: &LayerPath,
    ) -> Result<()> {
        unpacking.merge.begin(self.number);
        let last = self.last.take();
        let last_offset = last.as_ref().map(|last| last.offset);
        let has_contents = |member: &Member| match &member.is {
            Is::File(file) => matches!(file.kind, Kind::File(1..)) && file.offset() != last_offset,
            _ => false,
        };
        let is_lost = self.passed.iter().any(|it| it.path.is_below(root) && has_contents(it));
        let Self { blob, progress, passed, left_out, .. } = self.forget();
        let (mut tar, read) = match progress {
            _ if is_lost => (None, None),
            Progress::Unread => (None, None),
            Progress::Reading(tar, read) => (Some(tar), Some(read)),
            Progress::Ended(read) => (None, Some(read)),
        };
        let Some(read) = read else {
            return read_layer(&blob, |tar| unpacking.layer(tar).map(|()| true));
        };
        left_out.into_iter().for_each(|(name, reason)| unpacking.leave_out(&name, reason));
        let unpack = || {
            for member in passed.into_iter() {
                let is_last = matches!(&member.is, Is::File(file) if file.offset() == last_offset);
                match (&mut tar, &last) {
                    (Some(tar), Some(last)) if is_last => unpacking.entry(tar, last)?,
                    _ => unpacking.without_contents(member)?,
                }
            }
            tar.as_mut().map_or(Ok(()), |tar| unpacking.layer(tar))
        };
        match unpack() {
            Ok(()) => read.check(&*blob),
            Err(Fault::Other(error)) => Err(error),
            Err(Fault::Tar(error)) => {
                read.check(&*blob)?;
                let cause = io::Error::other(error.to_string());
                Err(Error::blob(blob.descriptor().digest, cause))
            }
        }
    }

    /// Begins again, and returns what was.
    fn forget(&mut self) -> Self {
        let new = Self::new(self.number, Arc::clone(&self.blob));
        std::mem::replace(self, new)
    }
}

fn is_file_below(file: &LayerPath, path: &LayerPath) -> bool {
    file != path && file.is_below(path) && !file.is_whiteout()
}

/// A blob that is hashed while it is read.
#[derive(Clone)]
struct Hashed(Arc<Mutex<HashRead<Box<dyn Read + Send>>>>);

impl Hashed {
    fn new(blob: Box<dyn Read + Send>) -> Self {
        Self(Arc::new(Mutex::new(HashRead::new(blob))))
    }

    /// Reads what is left, and checks that all of it is the blob.
    fn check(&self, blob: &dyn Blob) -> Result<()> {
        let nothing = HashRead::new(Box::new(io::empty()) as Box<dyn Read + Send>);
        let mut bytes = std::mem::replace(&mut *lock(&self.0), nothing);
        let descriptor = blob.descriptor();
        let unreadable = |cause| Error::blob(descriptor.digest, cause);
        io::copy(&mut bytes, &mut io::sink()).map_err(unreadable)?;
        let (digest, size) = bytes.finish();
        descriptor.check(size, Some(digest))
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buffer)
    }
}
