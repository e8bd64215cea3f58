//! Checks which blobs are required, which files exist in their places, and whether their bytes
//! match their digests.

use std::{collections::HashMap, io::Read};

use crate::{
    basics::digest::Digest,
    document::layout_paths::{MAX_DOCUMENT, blob_name},
    layout::files::LayoutFiles,
    verify::{
        blob_use::{
            BlobUse, LayerUse, MAX_USES, Referred, compare, compare_bytes, open, unreadable,
        },
        defect::Defect,
        finding::Finding,
        layer,
        reading::Reading,
        recipes,
    },
};

/// The referenced blobs, in the order of their first reference.
#[derive(Default)]
pub(crate) struct Blobs {
    list: Vec<Referred>,
    by_digest: HashMap<Digest, usize>,
}

impl Blobs {
    pub(crate) fn refer(&mut self, blob: BlobUse<'_>) {
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
        let add_size = |size: &u64| {
            known.sizes.len() < MAX_USES && !known.sizes.iter().any(|(said, _)| said == size)
        };
        if let Some(size) = blob.size.filter(add_size) {
            known.sizes.push((size, blob.place.to_owned()));
        }
        let add = |new: &LayerUse| {
            known.layers.len() < MAX_USES && !known.layers.iter().any(|(said, _)| said == new)
        };
        if let Some(layer) = blob.layer.filter(add) {
            known.layers.push((layer, blob.place.to_owned()));
        }
    }

    /// Reads a referenced blob, if its bytes match its digest.
    pub(crate) fn document(&mut self, files: &LayoutFiles, digest: Digest) -> Option<Vec<u8>> {
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

    /// Returns the blobs for which a recipe is checked if they do not exist themselves.
    pub(crate) fn not_documents(&self) -> impl Iterator<Item = Digest> {
        self.list
            .iter()
            .filter(|blob| blob.bytes.is_none() || !blob.layers.is_empty())
            .map(|blob| blob.digest)
    }

    pub(crate) fn contains(&self, digest: Digest) -> bool {
        self.by_digest.contains_key(&digest)
    }

    pub(crate) fn into_list(self) -> Vec<Referred> {
        self.list
    }
}

impl Referred {
    /// Returns everything that is wrong with the blob.
    pub(crate) fn check(self, files: &LayoutFiles, reading: &Reading) -> Vec<Finding> {
        let mut contents = Vec::new();
        let bytes = match (&self.bytes, self.layers.is_empty()) {
            (Some(bytes), true) => bytes.clone(),
            (Some(Err(defect)), false) => Err(defect.clone()),
            (None, true) | (_, false) => match self.read_in_place(files, reading, &mut contents) {
                Err(Defect::FileMissing) => {
                    match recipes::check(files, &self, reading, &mut contents) {
                        // The blob may have just replaced the recipe.
                        Err(Defect::FileMissing) => {
                            self.read_in_place(files, reading, &mut contents)
                        }
                        checked => checked,
                    }
                }
                read => read,
            },
        };
        let mut findings = Vec::new();
        match bytes {
            Err(Defect::FileMissing) if !self.required => {}
            Err(Defect::FileMissing) => {
                findings.push(Finding::new(self.place, Some(self.digest), Defect::BlobMissing))
            }
            Err(defect) => findings.push(Finding::new(self.place, Some(self.digest), defect)),
            Ok(actual) => {
                for (said, place) in self.sizes.into_iter().filter(|(said, _)| *said != actual) {
                    findings.push(Finding::new(
                        place,
                        Some(self.digest),
                        Defect::SizeDiffers { said, actual },
                    ));
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
        layer::read(self, file, reading, contents)
    }
}

/// Reads a blob to its end, and returns its size if it matches its digest.
pub(crate) fn check_bytes(files: &LayoutFiles, digest: Digest, limit: u64) -> Result<u64, Defect> {
    let (file, _) = open(files, &blob_name(digest), limit)?;
    compare_bytes(file, digest)
}

/// Reads a small file.
pub(crate) fn read(files: &LayoutFiles, name: &str, limit: u64) -> Result<Vec<u8>, Defect> {
    let (mut file, _) = open(files, name, limit)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
