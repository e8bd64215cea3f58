//! `verify`: a layout in, everything that is wrong with it out.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    basics::{digest::Digest, error::Result},
    document::layout_paths::blob_name,
    layout::files::LayoutFiles,
    pool::Pool,
    recipe::trust::RecipeTrust,
    store::{file_kind::FileKind, lock::ReadLock, new_file::TEMPORARY},
    verify::{
        blob_use::unreadable,
        blobs::{Blobs, check_bytes},
        defect::Defect,
        documents::Documents,
        finding::{self, Finding, Findings},
        reading::Reading,
        recipes,
    },
};

/// Reads an image layout to its last byte, in a folder or an archive, and returns everything that is wrong with
/// it; nothing if all is well.
///
/// Each finding has its place, and a defect is found once, however many places lead to it. Findings of the layout's
/// own files and of documents come first, then those of blobs and layers, then those of blobs that nothing refers to,
/// each in the order in which `index.json` leads there. They are the same for any number of threads.
///
/// What is found:
///
/// - files: a missing or wrong `oci-layout` or `index.json`; links and whatever else is no regular file or folder in
///   the place of one; names in `blobs/sha256` that are no digests; in an archive, also names that are there twice and
///   a damaged end;
/// - blobs, referred to or not: missing, unreadable, with other bytes than their digest, or another size than said;
/// - in a sparse layout, recipes in the place of blobs: unreadable, another blob's, for another byte format, of another
///   size, compression or diff ID than said; with [`VerifyOptions::deep`], also whatever can be wrong with the blobs that
///   they make;
/// - descriptors: digests, sizes, media types and platforms that can't be; `data` that is not the blob;
/// - documents: JSON that is none, or has a member twice; members missing or of the wrong type; `schemaVersion`;
///   `mediaType` missing or other than the descriptor's; indexes called manifests; an empty configuration that is not,
///   or is no artifact's; indexes that lie too deep;
/// - images: two under one name in `index.json`, or for one platform in an index; a platform other than the
///   configuration's; diff IDs and history that do not fit the layers; more layers than Docker takes;
/// - configurations: members of the wrong type or unit, and values that engines refuse, by the table that
///   [`image_config`](crate::image_config()) has: paths that are not absolute, signals, users, ports, variables;
/// - layers: media types that lie about the compression; streams and tars that are cut off, damaged, or go on behind
///   their end; wrong diff IDs; paths twice, absolute, with `..` or impossible; entries below a file; hard links to
///   what is no earlier file of the layer; whiteouts that are none; sparse files and unknown types.
///
/// What breaks the specification, and what no reader or engine takes, is an error. What the specification only
/// recommends, and what some engines refuse, is a warning: see [`Finding::severity`].
///
/// No defect are: blobs that nothing refers to; temporary files of this library; missing layers that may not be
/// distributed and have `urls`, and a missing `subject`; missing parent directories in a layer; members and media
/// types that nobody knows.
///
/// The layout may be damaged or hostile. A document of more than 16 MiB or half a million values, indexes more than
/// 8 deep, and layers beyond [`VerifyOptions::max_layer_size`] are findings, and not read. Layers are never in memory:
/// each at work takes a few MiB, up to 128 MiB more if its zstd frames ask for so large a window, and about 20 bytes
/// for each path up to a maximum of some 120 MB. What a blob holds is looked at only if its bytes have its digest.
///
/// ```
/// # use oci_layout::{FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar};
/// use oci_layout::{VerifyOptions, verify};
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
/// [`Error::Layout`](crate::Error::Layout) if there is nothing at this path, or neither a folder nor a file, and
/// [`Error::Read`](crate::Error::Read) if it can't be opened. Everything else is a finding.
pub fn verify(path: impl AsRef<Path>, options: &VerifyOptions) -> Result<Vec<Finding>> {
    // Before anything is read: nobody collects what the index names then.
    let _lock = ReadLock::new(path.as_ref());
    let files = LayoutFiles::open_damaged(path.as_ref(), options.scratch.as_deref())?.with_trust(options.trust.clone());
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
    documents.index();
    let (mut findings, blobs) = documents.finish();

    let stray = stray_files(&files, &blobs, &mut findings);
    recipes::check_others(&files, &without_blob(&files, &blobs), &mut findings);
    let mut found = findings.into_list("index.json", None);
    let layers = reading.pool.map(blobs.into_list(), |blob| blob.check(&files, &reading));
    found.extend(layers.into_iter().flatten());
    let stray = reading.pool.map(stray, |digest| {
        let place = format!("blobs/sha256/{}", digest.hex());
        // Where no lock keeps collectors away, or another program removed it: nothing refers to it.
        let defect = check_bytes(&files, digest, reading.limit).err().filter(|defect| *defect != Defect::FileMissing);
        defect.map(|defect| Finding::new(place, Some(digest), defect))
    });
    found.extend(stray.into_iter().flatten());
    Ok(found)
}

/// The blobs whose recipes are looked at in their place.
fn without_blob(files: &LayoutFiles, blobs: &Blobs) -> HashSet<Digest> {
    blobs.not_documents().filter(|&digest| matches!(files.kind(&blob_name(digest)), Ok(None))).collect()
}

/// The most findings in all documents together that are listed.
const MAX_FINDINGS: usize = 10_000;

/// How [`verify`] reads a layout.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// The threads; by default as many as this process may run at once. That many layers are read side by side; from
    /// two threads on, each is unpacked ahead of who looks at it.
    pub pool: Option<Pool>,
    /// The largest layer that is read, in bytes, packed and unpacked; 64 GiB by default. A larger one is a finding:
    /// a few kilobytes can unpack without end.
    pub max_layer_size: u64,
    /// Whether blobs that have a recipe in their place are made, and read as any other; off by default. Without, the
    /// recipe is read, but none of the files that it names.
    pub deep: bool,
    /// The folder to unpack an archive in that is compressed as a whole. Without it, such an archive is a finding.
    pub scratch: Option<PathBuf>,
    /// Whose recipes are followed, with [`VerifyOptions::deep`]; of others there is a warning in any case.
    pub trust: RecipeTrust,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { pool: None, max_layer_size: 64 << 30, deep: false, scratch: None, trust: RecipeTrust::default() }
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

    /// Sets whether blobs that have a recipe in their place are made.
    pub fn deep(self, deep: bool) -> Self {
        Self { deep, ..self }
    }

    /// Sets the folder to unpack a compressed archive in.
    pub fn scratch(self, dir: impl Into<PathBuf>) -> Self {
        Self { scratch: Some(dir.into()), ..self }
    }

    /// Sets whose recipes are followed.
    pub fn trust(self, trust: RecipeTrust) -> Self {
        Self { trust, ..self }
    }
}

/// An archive by itself.
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
/// [content](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#content). Says whether one is a
/// symbolic link: what lies below that is not in the layout.
fn check_folders(files: &LayoutFiles, findings: &mut Findings) -> bool {
    let is_link = |kind| matches!(kind, Ok(Some(FileKind::Other(_))));
    for name in ["blobs", "blobs/sha256"] {
        let defect = match files.kind(name) {
            Ok(Some(FileKind::Folder)) => continue,
            Ok(Some(FileKind::File)) => Defect::NotAFolder { kind: "file" },
            Ok(Some(FileKind::Other(kind))) => Defect::NotAFolder { kind },
            // Whether a layout has blobs of this algorithm is its own affair.
            Ok(None) if name != "blobs" => continue,
            Ok(None) => Defect::FileMissing,
            Err(cause) => unreadable(cause),
        };
        findings.add(Finding::new(name, None, defect));
        if is_link(files.kind(name)) {
            return true;
        }
    }
    false
}

/// The blobs in the folder that nothing refers to: they may be there, and must be what their names say.
fn stray_files(files: &LayoutFiles, blobs: &Blobs, findings: &mut Findings) -> Vec<Digest> {
    const FOLDER: &str = "blobs/sha256";
    let names = match files.names(FOLDER) {
        Ok(names) => names,
        // Said of the folder already.
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
