//! `verify`: a layout in, everything that is wrong with it out.

mod blobs;
mod configuration;
mod defect;
mod documents;
mod entries;
mod finding;
mod json;
mod layer;
mod members;
mod reference;
mod unpack;

use std::path::Path;

use self::{
    blobs::{Blobs, check_bytes},
    documents::Documents,
    finding::Findings,
};
pub use self::{defect::Defect, finding::Finding};
use super::{
    files::{FileKind, LayoutFiles},
    store::TEMPORARY,
};
use crate::{digest::Digest, error::Result, pool::Pool};

/// Reads an image layout to its last byte, in a folder or an oci-archive, and returns everything that is wrong with
/// it; nothing if all is well.
pub fn verify(path: impl AsRef<Path>, options: &VerifyOptions) -> Result<Vec<Finding>> {
    let files = LayoutFiles::open_damaged(path.as_ref())?;
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let limit = options.max_layer_size;

    let mut findings = Findings::new(MAX_FINDINGS);
    check_archive(&files, &mut findings);
    check_folders(&files, &mut findings);
    let mut documents = Documents::new(&files, findings);
    documents.marker();
    documents.index();
    let (mut findings, blobs) = documents.finish();

    let stray = stray_files(&files, &blobs, &mut findings);
    let mut found = findings.into_list("index.json", None);
    let layers = pool.map(blobs.into_list(), |blob| blob.check(&files, limit, pool.threads()));
    found.extend(layers.into_iter().flatten());
    let stray = pool.map(stray, |digest| {
        let place = format!("blobs/sha256/{}", digest.hex());
        check_bytes(&files, digest, limit).err().map(|defect| Finding::new(place, Some(digest), defect))
    });
    found.extend(stray.into_iter().flatten());
    Ok(found)
}

/// The most findings in all documents together that are listed.
const MAX_FINDINGS: usize = 10_000;

/// How [`verify`] reads a layout.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// The threads; by default as many as this process may run at once. The findings are the same for any number.
    pub pool: Option<Pool>,
    /// The largest layer that is read, in bytes, packed and unpacked; 64 GiB by default. A larger one is a finding:
    /// a few kilobytes can unpack without end.
    pub max_layer_size: u64,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { pool: None, max_layer_size: 64 << 30 }
    }
}

impl VerifyOptions {
    /// Sets the threads.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets the largest layer that is read, in bytes.
    pub fn max_layer_size(self, bytes: u64) -> Self {
        Self { max_layer_size: bytes, ..self }
    }
}

/// An oci-archive by itself.
fn check_archive(files: &LayoutFiles, findings: &mut Findings) {
    let Some(archive) = files.archive() else { return };
    let mut found = |place: &str, defect| findings.add(Finding::new(place, None, defect));
    for name in &archive.twice {
        found(&finding::shown(name), Defect::StoredTwice);
    }
    match (&archive.damage, archive.ending.garbage) {
        (Some(reason), _) => found("archive", Defect::ArchiveDamaged { reason: reason.clone() }),
        (None, Some(offset)) => found("archive", Defect::TarTrailing { offset }),
        (None, None) if archive.ending.zero_blocks < 2 => found("archive", Defect::TarUnended),
        _ => {}
    }
}

/// The folders that every layout has:
/// [content](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#content).
fn check_folders(files: &LayoutFiles, findings: &mut Findings) {
    for name in ["blobs", "blobs/sha256"] {
        let defect = match files.kind(name) {
            Ok(Some(FileKind::Folder)) => continue,
            Ok(Some(FileKind::File)) => Defect::NotAFolder { kind: "file" },
            Ok(Some(FileKind::Other(kind))) => Defect::NotAFolder { kind },
            // Whether a layout has blobs of this algorithm is its own affair.
            Ok(None) if name != "blobs" => continue,
            Ok(None) => Defect::FileMissing,
            Err(cause) => blobs::unreadable(cause),
        };
        findings.add(Finding::new(name, None, defect));
    }
}

/// The blobs in the folder that nothing refers to: they may be there, and must be what their names say.
fn stray_files(files: &LayoutFiles, blobs: &Blobs, findings: &mut Findings) -> Vec<Digest> {
    const FOLDER: &str = "blobs/sha256";
    let names = match files.names(FOLDER) {
        Ok(names) => names,
        // Said of the folder already.
        Err(_) if !matches!(files.kind(FOLDER), Ok(Some(FileKind::Folder))) => return Vec::new(),
        Err(cause) => {
            findings.add(Finding::new(FOLDER, None, blobs::unreadable(cause)));
            return Vec::new();
        }
    };
    let mut stray = Vec::new();
    for name in names {
        match format!("sha256:{name}").parse::<Digest>() {
            Ok(digest) if blobs.contains(digest) => {}
            Ok(digest) => stray.push(digest),
            // Somebody writes it now, or was killed: collecting garbage removes it.
            Err(_) if name.starts_with(TEMPORARY) => {}
            Err(_) => {
                let place = format!("{FOLDER}/{}", finding::shown(&name));
                findings.add(Finding::new(place, None, Defect::NotABlob));
            }
        }
    }
    stray
}
