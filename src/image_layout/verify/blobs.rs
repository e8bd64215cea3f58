//! Blobs: which there must be, what lies in their places, and whether their bytes have their digests.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use super::{Reading, defect::Defect, finding::Finding, layer, recipes};
use crate::{
    descriptor::MediaType,
    digest::{Digest, HashRead},
    error::Error,
    image_layout::{
        file_kind::FileKind,
        files::LayoutFiles,
        paths::{MAX_DOCUMENT, blob_name},
    },
};

/// The blobs that are referred to, in the order in which they are met first.
#[derive(Default)]
pub(super) struct Blobs {
    list: Vec<Referred>,
    by_digest: HashMap<Digest, usize>,
}

/// One reference to a blob.
pub(super) struct BlobUse<'a> {
    pub(super) place: &'a str,
    pub(super) digest: Digest,
    /// As the descriptor says it.
    pub(super) size: Option<u64>,
    /// Whether it must be in the layout.
    pub(super) required: bool,
    /// What it must be as a layer, if it is used as one.
    pub(super) layer: Option<LayerUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerUse {
    pub(super) media_type: MediaType,
    /// As the configuration says it.
    pub(super) diff_id: Option<Digest>,
    /// Whether engines unpack it: artifacts have layers of whatever kind.
    pub(super) in_image: bool,
}

/// A blob with all that was said of it.
pub(super) struct Referred {
    pub(super) digest: Digest,
    place: String,
    required: bool,
    /// Each size that a descriptor says, and where first.
    sizes: Vec<(u64, String)>,
    /// Each way in which it is used as a layer, and where first.
    pub(super) layers: Vec<(LayerUse, String)>,
    /// What is known of its bytes, if they were read as a document: their number.
    bytes: Option<Result<u64, Defect>>,
}

/// Different things that are said of one blob; more are hostile.
const MAX_USES: usize = 100;

impl Blobs {
    pub(super) fn refer(&mut self, blob: BlobUse<'_>) {
        let index = *self.by_digest.entry(blob.digest).or_insert(self.list.len());
        if index == self.list.len() {
            self.list.push(Referred {
                digest: blob.digest,
                place: blob.place.to_owned(),
                required: false,
                sizes: Vec::new(),
                layers: Vec::new(),
                bytes: None,
            });
        }
        let known = &mut self.list[index];
        if blob.required && !known.required {
            known.required = true;
            blob.place.clone_into(&mut known.place);
        }
        let add_size = |size: &u64| known.sizes.len() < MAX_USES && !known.sizes.iter().any(|(said, _)| said == size);
        if let Some(size) = blob.size.filter(add_size) {
            known.sizes.push((size, blob.place.to_owned()));
        }
        let add = |new: &LayerUse| known.layers.len() < MAX_USES && !known.layers.iter().any(|(said, _)| said == new);
        if let Some(layer) = blob.layer.filter(add) {
            known.layers.push((layer, blob.place.to_owned()));
        }
    }

    /// The bytes of a blob that was referred to, if they have its digest.
    pub(super) fn document(&mut self, files: &LayoutFiles, digest: Digest) -> Option<Vec<u8>> {
        let known = self.by_digest.get(&digest).map(|&index| &mut self.list[index])?;
        if let Some(Err(_)) = known.bytes {
            return None;
        }
        let bytes = read(files, &blob_name(digest), MAX_DOCUMENT).and_then(|bytes| {
            compare(digest, Digest::of(&bytes), bytes.len() as u64)?;
            Ok(bytes)
        });
        known.bytes = Some(bytes.as_ref().map(|bytes| bytes.len() as u64).map_err(Defect::clone));
        bytes.ok()
    }

    /// The blobs in whose place a recipe is looked at, where they are not there themselves.
    pub(super) fn not_documents(&self) -> impl Iterator<Item = Digest> {
        self.list.iter().filter(|blob| blob.bytes.is_none() || !blob.layers.is_empty()).map(|blob| blob.digest)
    }

    pub(super) fn contains(&self, digest: Digest) -> bool {
        self.by_digest.contains_key(&digest)
    }

    pub(super) fn into_list(self) -> Vec<Referred> {
        self.list
    }
}

impl Referred {
    /// Everything that is wrong with the blob.
    pub(super) fn check(self, files: &LayoutFiles, reading: &Reading) -> Vec<Finding> {
        let mut contents = Vec::new();
        let bytes = match (&self.bytes, self.layers.is_empty()) {
            (Some(bytes), true) => bytes.clone(),
            (Some(Err(defect)), false) => Err(defect.clone()),
            (None, true) | (_, false) => match self.read_in_place(files, reading, &mut contents) {
                Err(Defect::FileMissing) => match recipes::check(files, &self, reading, &mut contents) {
                    // The blob may just have taken the recipe's place.
                    Err(Defect::FileMissing) => self.read_in_place(files, reading, &mut contents),
                    checked => checked,
                },
                read => read,
            },
        };
        let mut findings = Vec::new();
        match bytes {
            Err(Defect::FileMissing) if !self.required => {}
            Err(Defect::FileMissing) => findings.push(Finding::new(self.place, Some(self.digest), Defect::BlobMissing)),
            Err(defect) => findings.push(Finding::new(self.place, Some(self.digest), defect)),
            Ok(actual) => {
                for (said, place) in self.sizes.into_iter().filter(|(said, _)| *said != actual) {
                    findings.push(Finding::new(place, Some(self.digest), Defect::SizeDiffers { said, actual }));
                }
                findings.extend(contents);
            }
        }
        findings
    }

    fn read_in_place(
        &self,
        files: &LayoutFiles,
        reading: &Reading,
        contents: &mut Vec<Finding>,
    ) -> Result<u64, Defect> {
        let (file, _) = open(files, &blob_name(self.digest), reading.limit)?;
        self.read(file, reading, contents)
    }

    /// Reads the blob's bytes, wherever they come from, and returns their number if they have its digest. What is wrong
    /// with them all the same is added to `contents`.
    pub(super) fn read(
        &self,
        bytes: Box<dyn Read + Send>,
        reading: &Reading,
        contents: &mut Vec<Finding>,
    ) -> Result<u64, Defect> {
        match self.layers.is_empty() {
            true => compare_bytes(bytes, self.digest),
            false => layer::check(bytes, self, reading.limit, reading.pool.threads(), contents),
        }
    }
}

/// Reads a blob to its end, and returns its size if it has its digest.
pub(super) fn check_bytes(files: &LayoutFiles, digest: Digest, limit: u64) -> Result<u64, Defect> {
    let (file, _) = open(files, &blob_name(digest), limit)?;
    compare_bytes(file, digest)
}

fn compare_bytes(bytes: impl Read, digest: Digest) -> Result<u64, Defect> {
    let mut file = HashRead::new(bytes);
    read_over(&mut file).map_err(unreadable)?;
    let (actual, size) = file.finish();
    compare(digest, actual, size).map(|()| size)
}

/// Whether the bytes that were read are those of the blob.
pub(super) fn compare(digest: Digest, actual: Digest, size: u64) -> Result<(), Defect> {
    if digest == actual { Ok(()) } else { Err(Defect::BlobDamaged { actual, size }) }
}

/// The bytes of a small file.
pub(super) fn read(files: &LayoutFiles, name: &str, limit: u64) -> Result<Vec<u8>, Defect> {
    let (mut file, _) = open(files, name, limit)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// A file and its size, after a look at what it is: opening a fifo would wait for a writer for ever.
fn open(files: &LayoutFiles, name: &str, limit: u64) -> Result<(Box<dyn Read + Send>, u64), Defect> {
    match files.kind(name).map_err(unreadable)? {
        Some(FileKind::File) => {}
        Some(FileKind::Folder) => return Err(Defect::NotAFile { kind: "folder" }),
        Some(FileKind::Other(kind)) => return Err(Defect::NotAFile { kind }),
        None => return Err(Defect::FileMissing),
    }
    let (file, size) = match files.file(name) {
        Ok(file) => file.ok_or(Defect::FileMissing)?,
        Err(Error::Read { cause, .. }) => return Err(unreadable(cause)),
        Err(error) => return Err(unreadable(error)),
    };
    if size > limit {
        return Err(Defect::TooLarge { size, limit });
    }
    // It may grow meanwhile.
    Ok((Box::new(file.take(limit)), size))
}

/// Reads all that is left, in large steps.
pub(super) fn read_over(reader: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

pub(super) fn unreadable(cause: impl std::fmt::Display) -> Defect {
    Defect::Unreadable { cause: cause.to_string() }
}
