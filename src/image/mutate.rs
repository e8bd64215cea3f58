//! `mutate` changes an existing image without reading its layers.

mod layers;
mod options;

use std::sync::Arc;

use serde_json::Value;

use self::layers::Stack;
pub use self::options::MutateOptions;
use crate::{
    basics::{Error, Result, Warning, json},
    blob::{Blob, Layer, MemoryBlob},
    document::{Configuration, Descriptor, Manifest, MediaType, configuration, manifest},
    image::{
        config_changes::ConfigChanges, each_platform::with_each_platform, graph::Image,
        manifest::many_layers, platform_image::PlatformImage,
    },
};

/// The source of unchanged values in messages.
const IMAGE: &str = "the image";

/// The annotations that name the base of an image: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

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
    let mut mutation = Mutation { options, warnings: Vec::new() };
    let mut changed =
        with_each_platform(image, options.only.as_ref(), |image| mutation.of_platform(&image))?;
    Error::refuse_warnings(&mutation.warnings, options.config.strict)?;
    // The same mistake for each platform is one mistake.
    for warning in mutation.warnings {
        if !changed.warnings.contains(&warning) {
            changed.warnings.push(warning);
        }
    }
    Ok(changed)
}

/// A change in progress.
struct Mutation<'a> {
    options: &'a MutateOptions,
    warnings: Vec<Warning>,
}

impl Mutation<'_> {
    /// Changes the image for one platform. Returns its new descriptor and blobs.
    fn of_platform(&mut self, image: &PlatformImage) -> Result<(Descriptor, Vec<Arc<dyn Blob>>)> {
        let mut stack = Stack::of(image);
        if let Some((old, new)) = &self.options.rebase {
            let platform = image.configuration().platform();
            let base = |base| PlatformImage::of(base, Some(&platform));
            let old = base(old)?;
            image.layers_above(&old)?;
            stack.rebase(&old, &base(new)?);
        }
        stack.drop(self.options.drop_layers)?;
        let configuration = self.configuration(image, &mut stack)?;
        let layers = stack.layers;
        let config = MemoryBlob::new(MediaType::CONFIG, json::to_bytes(&configuration));
        let manifest = self.manifest(image, config.descriptor(), &layers)?;
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
}
