//! Replaces damaged and missing blobs with intact copies from another source.

use std::{collections::HashSet, path::Path, sync::Arc};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::Blob,
    document::{descriptor::Descriptor, layout_paths::MAX_DEPTH},
    layout::{blob_store::BlobStore, read::ImageLayout},
    pool::Pool,
    store::write_options::WriteOptions,
    verify::{
        defect::Defect,
        finding::Finding,
        verify_layout::{VerifyOptions, verify},
    },
};

/// The result of [`repair`]: what was replaced, and what is still wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repair {
    /// The blobs that were replaced, in the order in which the index leads to them.
    pub repaired: Vec<Descriptor>,
    /// The blobs that could not be obtained, with the error.
    pub failed: Vec<(Descriptor, Error)>,
    /// The findings of [`verify`](crate::verify::verify()) after the repair.
    pub findings: Vec<Finding>,
}

/// Verifies a layout in a folder and replaces its damaged or missing blobs: manifests, indexes,
/// configurations and layers. `from` returns an intact blob for a descriptor, or `None` if it has
/// none. The bytes are verified before they replace the blob with one rename. Blobs that no image
/// refers to and `index.json` are not repaired.
///
/// ```
/// # use oci_layout::{FileMapping, ImageLayout, LayerOptions, WriteOptions, image_config, image_layout, verify::VerifyOptions};
/// # use oci_layout::{image_manifest, layer_tar, verify::repair};
/// # use serde_json::json;
/// # let room = tempfile::tempdir()?;
/// # let [damaged, backup] = ["damaged", "backup"].map(|name| room.path().join(name));
/// # for dir in [&damaged, &backup] {
/// #     let layer = layer_tar([FileMapping::text("", "/app")], LayerOptions::default().store(dir))?;
/// #     let image = image_manifest(image_config([&layer], json!({}))?, [layer], json!({}))?;
/// #     image_layout(dir, [image.tagged("latest")], json!({}))?;
/// # }
/// # let image = ImageLayout::open(&damaged)?.image(None, None)?;
/// # std::fs::write(damaged.join("blobs/sha256").join(image.manifest().config.digest.hex()), "damaged")?;
/// let backup = ImageLayout::open(&backup)?;
/// let from = |descriptor: &_| Ok(Some(backup.blob(descriptor)));
/// let repair = repair(&damaged, &VerifyOptions::default(), WriteOptions::default(), &from)?;
/// assert_eq!((repair.repaired.len(), &*repair.findings), (1, &[][..]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::ReadOnlyArchive`]; [`Error::Layout`] if `index.json` cannot be read; [`Error::Write`];
/// and as [`verify`](crate::verify::verify()). A blob that cannot be obtained is not an error: see
/// [`Repair::failed`].
pub fn repair(
    path: impl AsRef<Path>,
    options: &VerifyOptions,
    write: WriteOptions,
    from: &Source<'_>,
) -> Result<Repair> {
    let path = path.as_ref();
    let layout = ImageLayout::open(path)?.write_options(write);
    layout.folder()?;
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let store = BlobStore::create(path, false, write)?;
    let (mut repaired, mut failed, mut tried) = (Vec::new(), Vec::new(), HashSet::new());
    loop {
        let findings = verify(path, options)?;
        let broken = findings
            .iter()
            .filter(|finding| is_broken(finding))
            .filter_map(|finding| finding.digest);
        let broken: HashSet<Digest> = broken.collect();
        // The blobs of a manifest are known only once the manifest is intact, so each round goes
        // one level deeper.
        let layout = ImageLayout::open(path)?;
        let mut known = HashSet::new();
        let mut order = Vec::new();
        for entry in &layout.index()?.manifests {
            layout.reach(entry, 0, &mut known, &mut order);
        }
        let next: Vec<Descriptor> = order
            .into_iter()
            .filter(|blob| broken.contains(&blob.digest) && tried.insert(blob.digest))
            .collect();
        if next.is_empty() {
            return Ok(Repair { repaired, failed, findings });
        }
        let put = |descriptor: Descriptor| {
            let done = from(&descriptor).and_then(|blob| match blob {
                Some(blob) => store.replace(&*blob),
                None => {
                    Err(Error::BlobMissing { path: path.to_owned(), digest: descriptor.digest })
                }
            });
            (descriptor, done)
        };
        for (descriptor, done) in pool.map(next, put) {
            match done {
                Ok(()) => repaired.push(descriptor),
                Err(error @ Error::Write { .. }) => return Err(error),
                Err(error) => failed.push((descriptor, error)),
            }
        }
        store.sync_folders()?;
    }
}

/// Returns an intact blob for a descriptor, or `None`.
type Source<'a> = dyn Fn(&Descriptor) -> Result<Option<Arc<dyn Blob>>> + Sync + 'a;

/// Whether another copy of the blob would fix this finding.
fn is_broken(finding: &Finding) -> bool {
    matches!(
        finding.defect,
        Defect::BlobMissing
            | Defect::BlobDamaged { .. }
            | Defect::NotAFile { .. }
            | Defect::Unreadable { .. }
    )
}

impl ImageLayout {
    /// Collects every descriptor below this one, as far as the documents that name them are in the
    /// layout.
    fn reach(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        known: &mut HashSet<Digest>,
        order: &mut Vec<Descriptor>,
    ) {
        if !known.insert(descriptor.digest) {
            return;
        }
        order.push(descriptor.clone());
        if depth < MAX_DEPTH {
            for below in self.children(descriptor, depth).into_iter().flatten() {
                self.reach(&below, depth + 1, known, order);
            }
        }
    }
}
