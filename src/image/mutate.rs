//! `mutate` changes an existing image without reading its layers.

mod layers;
mod options;

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;

use self::layers::Stack;
pub use self::options::MutateOptions;
use crate::{
    basics::{Digest, Error, Result, Warning, json},
    blob::{Blob, Layer, MemoryBlob},
    document::{
        Configuration, Descriptor, Index, Manifest, MediaType, Platform, configuration, manifest,
    },
    image::{
        config_changes::ConfigChanges,
        containers::{Container, Graph, no_platform},
        graph::Image,
        manifest::many_layers,
        platform_image::PlatformImage,
    },
};

/// The source of unchanged values in messages.
const IMAGE: &str = "the image";

/// The annotations that name the base of an image: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// The annotation by which BuildKit's attestations name the manifest that they describe:
/// <https://docs.docker.com/build/metadata/attestations/attestation-storage/>
const DESCRIBES: &str = "vnd.docker.reference.digest";

/// Changes an image: its configuration, its annotations, and the list of its layers. Reads no
/// layer. Unknown members of all documents stay, and so do the names of the image.
///
/// An image for several platforms is changed for all of them, or for the one in
/// [`MutateOptions::only`]. Attestations of a changed image are removed from its index. Docker's
/// media types become those of OCI, for the same bytes.
///
/// ```
/// # use oci_layout::{FileMapping, Image, LayerOptions, image_config, image_manifest, layer_tar};
/// use oci_layout::{ConfigOptions, MutateOptions, mutate};
/// # let app = layer_tar([FileMapping::text("", "/bin/app")], LayerOptions::default())?;
/// # let config = image_config([&app], serde_json::json!({}))?;
/// # let image = Image::from(image_manifest(config, [app], serde_json::json!({}))?);
/// let options = MutateOptions::new(ConfigOptions::default().env("PORT", "80").label("tier", "web"));
/// let changed = mutate(&image, &options)?;
/// assert_ne!(changed.digest(), image.digest());
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// The warnings of the changes are in [`Image::warnings`].
///
/// # Errors
///
/// [`Error::Invalid`] for the options, as in [`image_config`](crate::image_config()); for more
/// layers to drop than there are; if the image is not built on the old base; and for an artifact.
/// [`Error::PlatformNotFound`] if the image or a base is not for the platform. Errors of reading
/// the documents. [`Error::Warning`] if `strict` is set in the options of the configuration and
/// there is a [`Warning`].
pub fn mutate(image: &Image, options: &MutateOptions) -> Result<Image> {
    let containers = Container::all(image)?;
    let is_wanted =
        |platform: &Platform| options.only.as_ref().is_none_or(|only| only.accepts(platform));
    if !containers.iter().any(|container| is_wanted(&container.platform)) {
        let of = format!("image {}", image.digest());
        let wanted = options.only.clone().unwrap_or_default();
        return Err(no_platform(of, &wanted, containers.iter().map(|it| &it.platform)));
    }
    let mut mutation = Mutation { image, options, warnings: Vec::new(), changed: Vec::new() };
    for container in containers.into_iter().filter(|it| is_wanted(&it.platform)) {
        let old = container.descriptor.clone();
        let (new, blobs) = mutation.of_platform(container)?;
        mutation.changed.push(Changed { old: old.digest, new, blobs });
    }
    Error::refuse_warnings(&mutation.warnings, options.config.strict)?;
    let mut warnings = image.warnings().to_vec();
    // The same mistake for each platform is one mistake.
    for warning in std::mem::take(&mut mutation.warnings) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let (descriptor, mut blobs) = mutation.below(image.descriptor())?;
    let mut seen = HashSet::new();
    blobs.retain(|blob| seen.insert(blob.descriptor().digest));
    Ok(Image { descriptor, blobs, names: image.names().to_vec(), warnings })
}

/// A change in progress.
struct Mutation<'a> {
    image: &'a Image,
    options: &'a MutateOptions,
    warnings: Vec<Warning>,
    changed: Vec<Changed>,
}

/// An image that was changed.
struct Changed {
    old: Digest,
    new: Descriptor,
    blobs: Vec<Arc<dyn Blob>>,
}

impl Mutation<'_> {
    /// Changes the image for one platform. Returns its new descriptor and blobs.
    fn of_platform(&mut self, container: Container) -> Result<(Descriptor, Vec<Arc<dyn Blob>>)> {
        let Container { descriptor, manifest, .. } = container;
        let configuration: Configuration = self.image.read(&manifest.config)?;
        let image = PlatformImage::new(descriptor, manifest, configuration, |blob| {
            self.image.blob(blob).map(Arc::clone)
        })?;
        let mut stack = Stack::of(&image);
        if let Some((old, new)) = &self.options.rebase {
            let platform = image.configuration().platform();
            let base = |base| PlatformImage::of(base, Some(&platform));
            stack.rebase(&base(old)?, &base(new)?)?;
        }
        stack.drop(self.options.drop_layers)?;
        let configuration = self.configuration(&image, &mut stack)?;
        let layers = stack.layers;
        let config = MemoryBlob::new(MediaType::CONFIG, json::to_bytes(&configuration));
        let manifest = self.manifest(&image, config.descriptor(), &layers)?;
        let bytes = MemoryBlob::new(manifest.media_type()?, json::to_bytes(&manifest));
        let said = image.descriptor().clone();
        let descriptor = Descriptor {
            annotations: said.annotations,
            platform: Some(configuration.platform()),
            artifact_type: manifest.artifact_type,
            extra: said.extra,
            ..bytes.descriptor().clone()
        };
        let mut blobs: Vec<_> = layers.into_iter().map(|layer| layer as Arc<dyn Blob>).collect();
        blobs.push(Arc::new(config));
        blobs.push(Arc::new(bytes));
        Ok((descriptor, blobs))
    }

    fn configuration(&mut self, image: &PlatformImage, stack: &mut Stack) -> Result<Configuration> {
        let changes = ConfigChanges::new(&self.options.config)?;
        let mut value = json::to_value(image.configuration());
        let members = ["os", "architecture", "variant", "os.version", "os.features"];
        if let Value::Object(value) = &mut value {
            members.iter().chain(&["rootfs", "history"]).for_each(|name| drop(value.remove(*name)));
        }
        if changes.of_config("Entrypoint").any(|value| !value.is_null())
            && let Some(Value::Object(config)) = value.get_mut("config")
        {
            config.remove("Cmd");
        }
        let platform = Some(image.configuration().platform()).filter(|it| !it.is_not_said());
        let sets_history = changes.set_history();
        changes.apply(&mut value, IMAGE, platform.as_ref(), &[], &mut self.warnings)?;
        let created = value.get("created").and_then(Value::as_str).map(str::to_owned);
        stack.append(&self.options.layers, created.as_deref());
        if !sets_history && !stack.history.is_empty() {
            value["history"] = stack.history.iter().map(json::to_value).collect();
        }
        let mut rootfs = image.configuration().rootfs.clone();
        rootfs.diff_ids = stack.layers.iter().map(|layer| layer.diff_id()).collect();
        value["rootfs"] = json::to_value(&rootfs);
        let changed: Configuration = json::from_value("image configuration", value)?;
        if stack.is_changed || sets_history {
            configuration::check(&changed)?;
        }
        Ok(changed)
    }

    fn manifest(
        &mut self,
        image: &PlatformImage,
        config: &Descriptor,
        layers: &[Arc<dyn Layer>],
    ) -> Result<Manifest> {
        let mut old = image.manifest().clone();
        old.media_type = Some(MediaType::MANIFEST);
        if let Some((_, base)) = &self.options.rebase {
            old.annotations.insert(BASE_DIGEST.to_owned(), base.digest().to_string());
            // It is not known here.
            old.annotations.remove(BASE_NAME);
        }
        let extra = self.options.manifest.clone();
        let mut value = manifest::with_defaults(
            "image manifest",
            json::to_value(&old),
            extra,
            Manifest::MEMBERS,
        )?;
        let said = old.config;
        let config =
            Descriptor { annotations: said.annotations, extra: said.extra, ..config.clone() };
        value["config"] = json::to_value(&config);
        value["layers"] = layers.iter().map(|layer| json::to_value(layer.descriptor())).collect();
        self.warnings.extend(many_layers(layers.len()));
        json::from_value("image manifest", value)
    }

    /// Returns what the image has in place of this manifest or index, with its blobs.
    fn below(&self, old: &Descriptor) -> Result<(Descriptor, Vec<Arc<dyn Blob>>)> {
        if let Some(changed) = self.changed.iter().find(|changed| changed.old == old.digest) {
            // One image may have several entries with different annotations.
            let mut new = changed.new.clone();
            new.annotations.clone_from(&old.annotations);
            return Ok((new, changed.blobs.clone()));
        }
        if !old.media_type.is_index() {
            return Ok((old.clone(), self.unchanged(old)?));
        }
        let mut index: Index = self.image.read(old)?;
        let mut blobs = Vec::new();
        let mut entries = Vec::new();
        for entry in &index.manifests {
            let described = entry.annotations.get(DESCRIBES);
            let is_changed = |it: &Changed| {
                described.is_some_and(|digest| *digest == it.old.to_string())
                    && it.new.digest != it.old
            };
            if self.changed.iter().any(is_changed) {
                continue;
            }
            if self.image.blob(entry).is_err() {
                // An index may name an image that is stored elsewhere.
                entries.push(entry.clone());
                continue;
            }
            let (entry, below) = self.below(entry)?;
            entries.push(entry);
            blobs.extend(below);
        }
        index.manifests = entries;
        index.media_type = Some(MediaType::INDEX);
        let bytes = MemoryBlob::new(MediaType::INDEX, json::to_bytes(&index));
        let descriptor = Descriptor {
            annotations: old.annotations.clone(),
            artifact_type: index.artifact_type,
            extra: old.extra.clone(),
            ..bytes.descriptor().clone()
        };
        blobs.push(Arc::new(bytes));
        Ok((descriptor, blobs))
    }

    /// Returns the blobs of a manifest that is not changed.
    fn unchanged(&self, descriptor: &Descriptor) -> Result<Vec<Arc<dyn Blob>>> {
        let mut named = vec![descriptor.clone()];
        if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.image.read(descriptor)?;
            named = manifest.layers.into_iter().chain([manifest.config]).chain(named).collect();
        }
        // A layer may be stored elsewhere.
        Ok(named.iter().filter_map(|blob| self.image.blob(blob).ok().cloned()).collect())
    }
}
