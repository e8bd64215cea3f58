//! A layout that exists: its index, its images, and one of them as a base for others.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    INDEX, MARKER,
    files::{LayoutBlob, LayoutFiles},
    name::{CONTAINERD_NAME, ImageName, REF_NAME},
};
use crate::{
    blob::{Blob, Layer},
    descriptor::{Descriptor, MediaType, Platform},
    digest::Digest,
    error::{Error, Result},
    image_config::Configuration,
    image_manifest::{Image, Index, Manifest},
    pool::Pool,
    recipe::Recipe,
};

/// How deep indexes may lie in one another. Everybody writes one level, and one more is allowed for.
pub(crate) const MAX_DEPTH: usize = 8;

/// An image layout in a folder or an archive, as it was when it was opened.
#[derive(Clone, Debug)]
pub struct ImageLayout {
    pub(super) files: Arc<LayoutFiles>,
    pub(super) index_bytes: Vec<u8>,
    /// What they say, when somebody has asked: appending to thousands of images does not take what parsing them takes.
    pub(super) index: OnceLock<Index>,
}

impl ImageLayout {
    /// Opens a folder, an oci-archive (a tar of such a folder) or a docker-archive (as `docker save` and `podman save`
    /// write it). Only the index is read, and parsed when it is asked for.
    ///
    /// A docker-archive is the layout that its images would have: its configurations and layers as they lie in the tar,
    /// with OCI's media types, and a manifest for each image, which follows from them. The layers that are compressed
    /// are read once, for their digests.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] for what is no image layout, and for an archive that is compressed as a whole (see
    /// [`ImageLayout::open_in`]); [`Error::Read`] for what can't be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_files(LayoutFiles::open(path.as_ref(), None)?)
    }

    /// The same, also of an archive that is compressed with gzip or zstd: it is unpacked into a file without a name in the
    /// scratch folder, where it takes as much room as it unpacks to until this value and all that comes from it are
    /// dropped. It may unpack to a hundred times its size, or to one GiB if that is more.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::open`], and [`Error::Write`] for the scratch folder.
    pub fn open_in(path: impl AsRef<Path>, scratch: impl AsRef<Path>) -> Result<Self> {
        Self::open_files(LayoutFiles::open(path.as_ref(), Some(scratch.as_ref()))?)
    }

    fn open_files(files: LayoutFiles) -> Result<Self> {
        let files = Arc::new(files);
        let index_bytes = read_index(&files)?;
        Ok(Self { files, index_bytes, index: OnceLock::new() })
    }

    /// Sets the threads that make the layers that a sparse layout has recipes of; by default as many as this process may
    /// run at once.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { files: Arc::new(Arc::unwrap_or_clone(self.files).pool(pool)), ..self }
    }

    /// The folder in which a compressed archive is unpacked, if one was given.
    #[cfg(feature = "registry")]
    pub(crate) fn scratch(&self) -> Option<&Path> {
        self.files.scratch()
    }

    /// The folder or archive.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// What `index.json` says.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if it is no image index. All that looks for images fails with it then.
    pub fn index(&self) -> Result<&Index> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = parse_index(&self.files, &self.index_bytes)?;
        Ok(self.index.get_or_init(|| index))
    }

    /// The tags there are, in the order of the index.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::index`].
    pub fn tags(&self) -> Result<Vec<&str>> {
        let tags = self.index()?.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME));
        Ok(tags.map(String::as_str).collect())
    }

    /// The image under this tag (or full name) and for this platform, its configuration and manifest checked against
    /// their digests. Without a tag, the layout must have one image only; without a platform, the image must be for
    /// one only, or have one for linux/amd64. Indexes are followed at any depth.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if there is no such image, or more than one, with the names or platforms there are;
    /// [`Error::BlobMissing`] and [`Error::BlobDamaged`] for its documents.
    pub fn image(&self, tag: Option<&str>, platform: Option<&Platform>) -> Result<LayoutImage> {
        let named = self.entry(tag)?;
        let default = Platform::default();
        let wanted = |has: &Platform| platform.unwrap_or(&default).accepts(has);
        let mut images = Vec::new();
        // An image for another platform may be damaged, or not there: nobody asked for it.
        let may_be = |entry: &Descriptor| platform.is_none() || entry.platform.as_ref().is_none_or(wanted);
        self.collect(named, 0, &may_be, &mut HashSet::new(), &mut images)?;
        if platform.is_none() && images.len() == 1 {
            return Ok(images.remove(0));
        }
        if let Some(index) = images.iter().position(|image| wanted(&image.configuration.platform())) {
            return Ok(images.swap_remove(index));
        }
        images.clear();
        self.collect(named, 0, &|_| true, &mut HashSet::new(), &mut images)?;
        let has: Vec<_> = images.iter().map(|image| image.configuration.platform().to_string()).collect();
        let wanted = platform.unwrap_or(&default);
        Err(Error::layout(self.path(), format!("has no image for {wanted}; it has {}", has.join(", "))))
    }

    /// The entry of the index that has this tag (or full name), or the only one.
    fn entry(&self, tag: Option<&str>) -> Result<&Descriptor> {
        let named: Vec<&Descriptor> = self.index()?.manifests.iter().filter(|entry| has_name(entry, tag)).collect();
        let tags = || match &*self.tags().unwrap_or_default() {
            [] => "its images have no tags".to_owned(),
            tags => format!("it has {}", tags.join(", ")),
        };
        let mut digests: Vec<Digest> = named.iter().map(|entry| entry.digest).collect();
        digests.sort();
        digests.dedup();
        match (tag, digests.len()) {
            (_, 1) => Ok(named[0]),
            (Some(tag), 0) => Err(Error::layout(self.path(), format!("has no image with the tag {tag:?}: {}", tags()))),
            (None, 0) => Err(Error::layout(self.path(), "has no image")),
            (Some(tag), _) => Err(Error::layout(self.path(), format!("has several images with the tag {tag:?}"))),
            (None, _) => {
                Err(Error::layout(self.path(), format!("has several images: choose one by its tag; {}", tags())))
            }
        }
    }

    /// The images below a descriptor, each once; what is no image of a container (an artifact, an attestation) is
    /// passed over, and so is what an index says `may_be` not.
    fn collect(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        may_be: &dyn Fn(&Descriptor) -> bool,
        seen: &mut HashSet<Digest>,
        images: &mut Vec<LayoutImage>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::layout(self.path(), format!("has indexes more than {MAX_DEPTH} deep")));
        }
        if !may_be(descriptor) || !seen.insert(descriptor.digest) {
            return Ok(());
        }
        if descriptor.media_type.is_index() {
            for entry in &self.read::<Index>(descriptor)?.manifests {
                self.collect(entry, depth + 1, may_be, seen, images)?;
            }
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.read(descriptor)?;
            if manifest.config.media_type.to_oci() == MediaType::CONFIG {
                let image = LayoutImage::new(&self.files, descriptor, manifest)?;
                if !image.configuration.platform().is_unknown() {
                    images.push(image);
                }
            }
        }
        Ok(())
    }

    /// All that the index names, with every blob, to be put into another layout: manifests, indexes and artifacts.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`] and [`Error::BlobDamaged`] for a manifest or index, [`Error::Layout`] for an entry of an
    /// index that is neither.
    pub fn images(&self) -> Result<Vec<Image>> {
        self.known(self.index()?)?.iter().map(|entry| self.with_blobs(entry)).collect()
    }

    /// The image under this tag (or full name) with every blob, for all of its platforms. Without a tag, the layout must
    /// have one image only.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] as [`ImageLayout::image`], and the others as [`ImageLayout::images`].
    pub fn whole_image(&self, tag: Option<&str>) -> Result<Image> {
        let entry = self.entry(tag)?;
        match entry.media_type.names_others() {
            true => self.with_blobs(entry),
            false => Err(self.unknown(entry)),
        }
    }

    fn with_blobs(&self, entry: &Descriptor) -> Result<Image> {
        let mut blobs = Vec::new();
        self.collect_blobs(entry, 0, &mut HashSet::new(), &mut blobs)?;
        Ok(Image::new(entry.clone(), blobs))
    }

    fn collect_blobs(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        seen: &mut HashSet<(Digest, bool)>,
        blobs: &mut Vec<Arc<dyn Blob>>,
    ) -> Result<()> {
        if seen.insert((descriptor.digest, descriptor.media_type.names_others())) {
            for below in self.children(descriptor, depth)? {
                self.collect_blobs(&below, depth + 1, seen, blobs)?;
            }
            blobs.push(self.blob(descriptor));
        }
        Ok(())
    }

    /// What a manifest or an index names; nothing for any other blob.
    pub(super) fn children(&self, descriptor: &Descriptor, depth: usize) -> Result<Vec<Descriptor>> {
        if depth > MAX_DEPTH {
            return Err(Error::layout(self.path(), format!("has indexes more than {MAX_DEPTH} deep")));
        }
        if descriptor.media_type.is_index() {
            return Ok(self.known(&self.read(descriptor)?)?.to_vec());
        }
        if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.read(descriptor)?;
            return Ok(manifest.layers.into_iter().chain([manifest.config]).collect());
        }
        Ok(Vec::new())
    }

    /// The entries of an index, if it is known of all of them what they refer to.
    pub(super) fn known<'a>(&self, index: &'a Index) -> Result<&'a [Descriptor]> {
        match index.manifests.iter().find(|entry| !entry.media_type.names_others()) {
            None => Ok(&index.manifests),
            Some(entry) => Err(self.unknown(entry)),
        }
    }

    fn unknown(&self, Descriptor { digest, media_type, .. }: &Descriptor) -> Error {
        let reason = format!(
            "has an index that names {digest} of the media type {media_type}: what that refers to is not known here; \
             copy the other images by their tags, or remove it from the index"
        );
        Error::layout(self.path(), reason)
    }

    /// The artifacts in the index: what has an artifact type.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`] and [`Error::BlobDamaged`] for a manifest.
    pub fn artifacts(&self) -> Result<Vec<(Descriptor, Manifest)>> {
        let mut artifacts = Vec::new();
        for entry in self.index()?.manifests.iter().filter(|entry| entry.media_type.is_manifest()) {
            let manifest: Manifest = self.read(entry)?;
            if manifest.artifact_type.is_some() || manifest.config.media_type.to_oci() != MediaType::CONFIG {
                artifacts.push((entry.clone(), manifest));
            }
        }
        Ok(artifacts)
    }

    /// The artifacts in the index that say something of the manifest with this digest.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::artifacts`].
    pub fn referrers(&self, digest: Digest) -> Result<Vec<(Descriptor, Manifest)>> {
        let refers = |manifest: &Manifest| manifest.subject.as_ref().is_some_and(|subject| subject.digest == digest);
        Ok(self.artifacts()?.into_iter().filter(|(_, manifest)| refers(manifest)).collect())
    }

    /// A document that the layout holds: an [`Index`], a [`Manifest`], a [`Configuration`]. Its size and digest are
    /// checked against the descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`], [`Error::BlobDamaged`], and [`Error::Layout`] for what is no such document.
    pub fn read<T: serde::de::DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T> {
        parse(&self.files, descriptor)
    }

    /// A blob that one of the layout's documents names. Whether it is there, and what the descriptor says, shows when
    /// it is read.
    pub fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Blob> {
        Arc::new(LayoutBlob { files: Arc::clone(&self.files), descriptor: descriptor.clone() })
    }
}

/// The bytes of the layout's index as it is now.
pub(super) fn read_index(files: &LayoutFiles) -> Result<Vec<u8>> {
    if files.small_file(MARKER)?.is_none() {
        return Err(Error::layout(files.path(), "has no oci-layout file: it is no image layout"));
    }
    let bytes = files.small_file(INDEX)?;
    bytes.ok_or_else(|| Error::layout(files.path(), "has no index.json: its making did not end"))
}

pub(super) fn parse_index<'a, T: serde::Deserialize<'a>>(files: &LayoutFiles, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::layout(files.path().join(INDEX), format!("is no image index: {error}")))
}

fn parse<T: serde::de::DeserializeOwned>(files: &LayoutFiles, descriptor: &Descriptor) -> Result<T> {
    let bytes = files.document(descriptor)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let reason = format!("has a blob {} that is no {}: {error}", descriptor.digest, descriptor.media_type);
        Error::layout(files.path(), reason)
    })
}

/// Whether the entry of an index has this name, which may be written short; any has none.
pub(super) fn has_name(entry: &Descriptor, name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    let full = name.parse::<ImageName>().ok().and_then(|name| name.full);
    let is = |key: &str, name: &str| entry.annotations.get(key).is_some_and(|value| value == name);
    is(REF_NAME, name) || is(CONTAINERD_NAME, name) || full.is_some_and(|full| is(CONTAINERD_NAME, &full))
}

/// One image of a layout: manifest, configuration and layers, the bytes of all of them as they are.
#[derive(Clone)]
pub struct LayoutImage {
    files: Arc<LayoutFiles>,
    descriptor: Descriptor,
    manifest: Manifest,
    configuration: Configuration,
    layers: Vec<Arc<dyn Layer>>,
}

impl LayoutImage {
    fn new(files: &Arc<LayoutFiles>, descriptor: &Descriptor, manifest: Manifest) -> Result<Self> {
        let configuration: Configuration = parse(files, &manifest.config)?;
        let diff_ids = &configuration.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (layers, ids) = (manifest.layers.len(), diff_ids.len());
            let reason = format!("has an image {} with {layers} layers and {ids} diff IDs", descriptor.digest);
            return Err(Error::layout(files.path(), reason));
        }
        let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| {
            Arc::new(LayoutLayer { blob: LayoutBlob::new(files, descriptor), diff_id: *diff_id }) as Arc<dyn Layer>
        };
        let layers = manifest.layers.iter().zip(diff_ids).map(layer).collect();
        Ok(Self { files: Arc::clone(files), descriptor: descriptor.clone(), manifest, configuration, layers })
    }

    /// What the layout says of it.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The layers, lowest first. Docker's media types are named by their OCI equivalents; the bytes are the same.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }
}

impl std::fmt::Debug for LayoutImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LayoutImage");
        debug.field("layout", &self.files.path()).field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}

/// A layer of an image in a layout.
struct LayoutLayer {
    blob: LayoutBlob,
    diff_id: Digest,
}

impl Blob for LayoutLayer {
    fn descriptor(&self) -> &Descriptor {
        self.blob.descriptor()
    }

    fn open(&self) -> Result<Box<dyn std::io::Read + Send>> {
        self.blob.open()
    }

    fn recipe(&self) -> Option<Recipe> {
        self.blob.recipe().map(|recipe| recipe.of_layer(self.diff_id))
    }
}

impl Layer for LayoutLayer {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }
}

/// An image of a layout as it is, to be put into another: its manifest's bytes do not change.
impl From<LayoutImage> for Image {
    fn from(image: LayoutImage) -> Self {
        let blob = |descriptor: &Descriptor| {
            Arc::new(LayoutBlob { files: Arc::clone(&image.files), descriptor: descriptor.clone() }) as Arc<dyn Blob>
        };
        let below = image.manifest.layers.iter().chain([&image.manifest.config, &image.descriptor]);
        let mut descriptor = image.descriptor.clone();
        descriptor.platform.get_or_insert_with(|| image.configuration.platform());
        Self::new(descriptor, below.map(blob).collect()).without_names()
    }
}
