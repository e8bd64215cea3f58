//! `verify`: reads a layout and returns everything that is wrong with it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    basics::{digest::Digest, error::Result},
    document::layout_paths::blob_name,
    layout::{files::LayoutFiles, read::ImageLayout},
    pool::Pool,
    recipe::trust::RecipeTrust,
    store::{file_kind::FileKind, lock::ReadLock, new_file::TEMPORARY},
    verify::{
        blob_use::{expect_folder, unreadable},
        blobs::{Blobs, check_bytes},
        defect::Defect,
        documents::Documents,
        finding::{self, Finding, Findings},
        reading::Reading,
        recipes,
    },
};

/// Reads an image layout, in a folder or an archive, to its last byte and returns all defects. The
/// list is empty if the layout is valid.
///
/// Each finding has a place, and each defect is reported once, however many places lead to it.
/// Findings about the layout's own files and about documents come first, then those about blobs and
/// layers, then those about unreferenced blobs, each in the order in which `index.json` leads
/// there. The number of threads does not change the result.
///
/// What is reported:
///
/// - files: a missing or invalid `oci-layout` or `index.json`; links and other special files in the
///   place of a regular file or folder; names in `blobs/sha256` that are not digests; in an archive
///   also duplicate names and a damaged end;
/// - blobs, referenced or not: missing, unreadable, or with bytes that do not match the digest or
///   the size;
/// - in a sparse layout, recipes instead of blobs: unreadable, for another blob, for another byte
///   format, or with another size, compression or diff ID than the documents; with
///   [`VerifyOptions::deep`], also every defect of the blobs that they build;
/// - descriptors: invalid digests, sizes, media types and platforms; `data` that differs from the
///   blob;
/// - documents: invalid JSON, duplicate members, members that are missing or have the wrong type;
///   `schemaVersion`; a `mediaType` that is missing or differs from the descriptor; indexes
///   described as manifests; an empty configuration that is not empty or does not belong to an
///   artifact; indexes nested too deeply;
/// - images: two with the same name in `index.json`, or with the same platform in an index; a
///   platform that differs from the configuration; diff IDs and history that do not match the
///   layers; more layers than Docker accepts;
/// - configurations: members with the wrong type or unit, and values that engines reject, by the
///   same rules as [`image_config`](crate::image_config()): paths that are not absolute, signals,
///   users, ports, variables;
/// - layers: media types that do not match the compression; streams and tars that are truncated,
///   damaged, or continue after their end; wrong diff IDs; paths that are duplicate, absolute,
///   contain `..` or are impossible; entries below a file; hard links whose target is not an
///   earlier file of the layer; invalid whiteouts; sparse files and unknown types.
///
/// A violation of the specification, or something that no reader or engine accepts, is an error.
/// Something that the specification only advises against, or that some engines reject, is a
/// warning: see [`Finding::severity`].
///
/// Not reported: unreferenced blobs; temporary files of this library; missing layers that may not
/// be distributed and have `urls`; a missing `subject`; missing parent directories in a layer;
/// unknown members and media types.
///
/// The layout may be damaged or hostile. Documents larger than 16 MiB or with more than half a
/// million values, indexes nested more than 8 deep, and layers larger than
/// [`VerifyOptions::max_layer_size`] are reported and not read. Layers are never held in memory:
/// each layer being read takes a few MiB, up to 128 MiB more if its zstd frames request such a
/// window, and about 20 bytes for each path, at most about 120 MB. The contents of a blob are
/// checked only if its bytes match its digest.
///
/// ```
/// # use oci_layout::{FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar};
/// use oci_layout::{verify::{VerifyOptions, verify}};
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("image");
/// # let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default().store(&dir))?;
/// # let config = image_config([&app], serde_json::json!({}))?;
/// # image_layout(&dir, [image_manifest(config, [app], serde_json::json!({}))?.tagged("latest")], serde_json::json!({}))?;
/// assert!(verify(&dir, &VerifyOptions::default())?.is_empty());
///
/// std::fs::write(dir.join("oci-layout"), "{}")?;
/// let findings = verify(&dir, &VerifyOptions::default())?;
/// assert_eq!(findings[0].to_string(), "oci-layout, imageLayoutVersion: is missing and must be \"1.0.0\"");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::NotALayout`](crate::Error::NotALayout) if the path does not exist, or is neither a
/// folder nor a file, and [`Error::Read`](crate::Error::Read) if it cannot be opened. If
/// [`VerifyOptions::image`] is set, the errors of finding it. Every other problem is a finding.
pub fn verify(path: impl AsRef<Path>, options: &VerifyOptions) -> Result<Vec<Finding>> {
    // Locked before anything is read, so that the blobs of the index are not collected.
    let _lock = ReadLock::new(path.as_ref());
    let mut files = LayoutFiles::open_damaged(path.as_ref(), options.scratch.as_deref())?;
    files.trust = options.trust.clone();
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let reading = Reading { pool, limit: options.max_layer_size, deep: options.deep };

    let mut findings = Findings::new(MAX_FINDINGS);
    check_archive(&files, &mut findings);
    if files.archive().is_some_and(|archive| archive.is_opaque) {
        return Ok(findings.into_list("archive", None));
    }
    let is_linked = check_folders(&files, &mut findings);
    let mut documents = Documents::new(&files, findings);
    documents.marker();
    if is_linked {
        return Ok(documents.finish().0.into_list("index.json", None));
    }
    let only =
        options.image.as_deref().map(|name| root(path.as_ref(), options, name)).transpose()?;
    documents.index(only);
    let (mut findings, blobs) = documents.finish();

    let stray = match only {
        None => stray_files(&files, &blobs, &mut findings),
        Some(_) => Vec::new(),
    };
    recipes::check_others(&files, &without_blob(&files, &blobs), &mut findings);
    let mut found = findings.into_list("index.json", None);
    let layers = reading.pool.map(blobs.into_list(), |blob| blob.check(&files, &reading));
    found.extend(layers.into_iter().flatten());
    let stray = reading.pool.map(stray, |digest| {
        let place = format!("blobs/sha256/{}", digest.hex());
        // Without locks, a collector or another program may have removed it. Nothing refers to it.
        let defect = check_bytes(&files, digest, reading.limit)
            .err()
            .filter(|defect| *defect != Defect::FileMissing);
        defect.map(|defect| Finding::new(place, Some(digest), defect))
    });
    found.extend(stray.into_iter().flatten());
    Ok(found)
}

/// Returns the digest of the entry of `index.json` with this name.
fn root(path: &Path, options: &VerifyOptions, name: &str) -> Result<Digest> {
    let layout = match &options.scratch {
        Some(scratch) => ImageLayout::open_in(path, scratch)?,
        None => ImageLayout::open(path)?,
    };
    let digest = layout.entry(Some(name))?.digest;
    match layout.index()?.manifests.iter().any(|entry| entry.digest == digest) {
        true => Ok(digest),
        false => Err(layout.not_found(Some(name))?),
    }
}

/// Returns the blobs that do not exist and whose recipes are checked.
fn without_blob(files: &LayoutFiles, blobs: &Blobs) -> HashSet<Digest> {
    blobs
        .not_documents()
        .filter(|&digest| matches!(files.kind(&blob_name(digest)), Ok(None)))
        .collect()
}

/// The maximum number of findings in all documents together.
const MAX_FINDINGS: usize = 10_000;

/// The options of [`verify`].
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct VerifyOptions {
    /// The thread pool. The default has as many threads as this process may run at once. Each
    /// thread reads one layer; with two or more threads, each layer is also decompressed ahead of
    /// the checks.
    pub pool: Option<Pool>,
    /// The largest layer that is read, in bytes, compressed and uncompressed; 64 GiB by default. A
    /// larger layer is a finding, because a few kilobytes can decompress without end.
    pub max_layer_size: u64,
    /// Whether blobs that exist only as recipes are built and verified like any other; off by
    /// default. Otherwise the recipe is checked, but no file that it names is read.
    pub deep: bool,
    /// The folder in which an archive that is compressed as a whole is unpacked. Without it, such
    /// an archive is a finding.
    pub scratch: Option<PathBuf>,
    /// Which recipes are followed with [`VerifyOptions::deep`]. An untrusted recipe is always a
    /// warning.
    pub trust: RecipeTrust,
    /// The name or digest of an entry of `index.json`. If it is set, other images and unreferenced
    /// blobs are not verified.
    pub image: Option<String>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            pool: None,
            max_layer_size: 64 << 30,
            deep: false,
            scratch: None,
            trust: RecipeTrust::default(),
            image: None,
        }
    }
}

impl VerifyOptions {
    /// Sets the thread pool.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets the largest layer that is read, in bytes.
    pub fn max_layer_size(self, bytes: u64) -> Self {
        Self { max_layer_size: bytes, ..self }
    }

    /// Sets whether blobs that exist only as recipes are built and verified.
    pub fn deep(self, deep: bool) -> Self {
        Self { deep, ..self }
    }

    /// Sets the folder in which a compressed archive is unpacked.
    pub fn scratch(self, dir: impl Into<PathBuf>) -> Self {
        Self { scratch: Some(dir.into()), ..self }
    }

    /// Sets which recipes are followed.
    pub fn trust(self, trust: RecipeTrust) -> Self {
        Self { trust, ..self }
    }

    /// Sets the only image to verify.
    pub fn image(self, name: impl Into<String>) -> Self {
        Self { image: Some(name.into()), ..self }
    }
}

/// Checks the archive itself.
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

/// Checks the folders that every layout has:
/// [content](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#content).
/// Returns whether one is a symbolic link: files below it are not in the layout.
fn check_folders(files: &LayoutFiles, findings: &mut Findings) -> bool {
    for name in ["blobs", "blobs/sha256"] {
        let defect = match expect_folder(files, name) {
            Ok(()) => continue,
            // A layout need not have blobs of this algorithm.
            Err(Defect::FileMissing) if name != "blobs" => continue,
            Err(defect) => defect,
        };
        findings.add(Finding::new(name, None, defect));
        if matches!(files.kind(name), Ok(Some(FileKind::Other(_)))) {
            return true;
        }
    }
    false
}

/// Returns the unreferenced blobs in the folder. They are allowed, and must match their names.
fn stray_files(files: &LayoutFiles, blobs: &Blobs, findings: &mut Findings) -> Vec<Digest> {
    const FOLDER: &str = "blobs/sha256";
    let names = match files.names(FOLDER) {
        Ok(names) => names,
        // Already reported for the folder.
        Err(_) if !matches!(files.kind(FOLDER), Ok(Some(FileKind::Folder))) => return Vec::new(),
        Err(cause) => {
            findings.add(Finding::new(FOLDER, None, unreadable(cause)));
            return Vec::new();
        }
    };
    let mut stray = Vec::new();
    for name in names {
        match format!("sha256:{name}").parse::<Digest>() {
            Ok(digest) if blobs.contains(digest) => {}
            Ok(digest) => stray.push(digest),
            // Another process is writing it, or was killed; garbage collection removes it.
            Err(_) if name.starts_with(TEMPORARY) => {}
            Err(_) => {
                let place = format!("{FOLDER}/{}", finding::shown(&name));
                findings.add(Finding::new(place, None, Defect::NotABlob));
            }
        }
    }
    stray
}
