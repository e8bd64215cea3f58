//! The steps for configurations, images and layouts, and the verification of a layout.

use std::{fs, path::PathBuf, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    blob::MemoryBlob,
    document::{Descriptor, MediaType, descriptor::Platform},
    folder::{self, LayerFolder},
    image::{
        self, artifact::artifact_manifest, attestation::attestation_manifest, config::ImageConfig,
        config_options::ConfigOptions, graph::Image, inherit::Inherit, manifest::ManifestOptions,
        platform_image::PlatformImage,
    },
    layout::{self, image_layout::LayoutOptions, read::ImageLayout},
    nix::{
        attributes::Attributes,
        output::{WRITE, say},
    },
    pool::Pool,
    verify::{
        defect::Severity,
        verify_layout::{self, VerifyOptions},
    },
};

/// Builds a configuration.
///
/// # Errors
///
/// As [`image_config`](crate::image_config()), and [`Error::Invalid`] for an invalid attribute.
pub fn image_config(attributes: &Attributes) -> Result<()> {
    let config = config(attributes, &layers(attributes)?)?;
    folder::write_config(attributes.output(), &config, WRITE)
}

/// Builds an image: its documents, links to its layers, and the recipes of layers that have one.
///
/// # Errors
///
/// As [`image_config`] and [`image_manifest`](crate::image_manifest()).
pub fn image_manifest(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let layers = layers(attributes)?;
    let mut options =
        ManifestOptions::new(attributes.get("extraManifest")?).strict(strict(attributes)?);
    let config = match attributes.get::<Option<PathBuf>>("config")? {
        None => config(attributes, &layers)?,
        Some(dir) => {
            let config = folder::open_config(dir, &attributes.trust())?;
            options.base = base(attributes, &config.document().platform())?;
            config
        }
    };
    let image = image::manifest::image_manifest(config, layers, options)?;
    say(image.warnings());
    folder::link_image(attributes.output(), image, pool, WRITE)
}

/// A document about an image: an artifact, or with a `predicateType` an attestation of BuildKit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attached {
    file: PathBuf,
    #[serde(rename = "type")]
    artifact_type: String,
    predicate_type: Option<String>,
}

/// Builds a self-contained layout. With the attribute `sparse`, it holds documents and recipes; the
/// recipes name the files of the layers or describe how to build them.
///
/// With the attribute `hashTagged`, a name without a tag, all images get this name, and the hash
/// part of the layout's own store path as their tag.
///
/// # Errors
///
/// As [`image_layout`](crate::image_layout()), and [`Error::Invalid`] for an invalid attribute.
pub fn image_layout(attributes: &Attributes, pool: &Pool) -> Result<()> {
    #[derive(Deserialize)]
    struct Named {
        names: Vec<String>,
        image: PathBuf,
        #[serde(default)]
        attached: Vec<Attached>,
    }
    let hash_tag = attributes.get::<Option<String>>("hashTagged")?.map(|name| {
        let output = attributes.output().file_name().unwrap_or_default().to_string_lossy();
        format!("{name}:{}", output.split('-').next().unwrap_or_default())
    });
    let mut images = Vec::new();
    for Named { names, image, attached } in attributes.list("images")? {
        let image = folder::open_image(image, &attributes.trust())?;
        let names: Vec<_> = names.into_iter().chain(hash_tag.clone()).collect();
        let named = |image| names.iter().fold(image, Image::tagged);
        let Descriptor { media_type, digest, size, .. } = image.descriptor();
        let subject = Descriptor::new(media_type.clone(), *digest, *size);
        images.push(named(image));
        for Attached { file, artifact_type, predicate_type } in attached {
            let bytes = fs::read(&file).map_err(Error::read(&file))?;
            images.push(match predicate_type {
                None => {
                    let blob = MemoryBlob::new(MediaType::new(&artifact_type), bytes);
                    let blobs = [Arc::new(blob) as _];
                    artifact_manifest(&artifact_type, blobs, Some(&subject), Value::Null)?
                }
                Some(predicate_type) => {
                    let predicate = json::from_slice(&bytes)
                        .map_err(|reason| Error::invalid(format!("file {file:?}"), reason))?;
                    named(attestation_manifest(&subject, [(&*predicate_type, predicate)])?)
                }
            });
        }
    }
    let sparse = attributes.get::<Option<bool>>("sparse")?.unwrap_or_default();
    let options =
        LayoutOptions::new(attributes.get("extraIndex")?).sparse(sparse).pool(pool).write(WRITE);
    layout::image_layout::image_layout(attributes.output(), images, options).map(|_| ())
}

/// Verifies a layout, and writes an empty file if it has no error. With the attribute `deep`, also
/// builds and verifies the blobs of its recipes. Warnings are printed; with the attribute `strict`,
/// they are errors.
///
/// # Errors
///
/// [`Error::Unsound`] with all defects, and as [`verify`](crate::verify::verify()).
pub fn verify(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let layout: PathBuf = attributes.get("layout")?;
    let deep = attributes.get::<Option<bool>>("deep")?.unwrap_or_default();
    let options =
        VerifyOptions::default().pool(pool).deep(deep).scratch(SCRATCH).trust(attributes.trust());
    let findings = verify_layout::verify(&layout, &options)?;
    let strict = strict(attributes)?;
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| strict || finding.severity() == Severity::Error);
    warnings.iter().for_each(|warning| eprintln!("oci-layout: {warning}"));
    if errors.is_empty() {
        return fs::write(attributes.output(), "").map_err(Error::write(attributes.output()));
    }
    Err(Error::Unsound { path: layout, defects: errors.iter().map(ToString::to_string).collect() })
}

pub(crate) fn layers(attributes: &Attributes) -> Result<Vec<LayerFolder>> {
    folder::open_layers(&attributes.list::<PathBuf>("layers")?, &attributes.trust())
}

fn config(attributes: &Attributes, layers: &[LayerFolder]) -> Result<ImageConfig> {
    let platform = attributes.platform()?.unwrap_or_default();
    let options = ConfigOptions {
        base: base(attributes, &platform)?,
        platform: Some(platform),
        inherit: inherit(attributes)?,
        unset_env: attributes.list("unsetEnv")?,
        strict: strict(attributes)?,
        ..ConfigOptions::default()
    };
    let options = options
        .merge_json_from("extraConfig, or config of ociBuildImage", attributes.get("extraConfig")?);
    let config = image::config::image_config(layers, options)?;
    say(config.warnings());
    Ok(config)
}

/// Whether warnings are errors.
pub(crate) fn strict(attributes: &Attributes) -> Result<bool> {
    Ok(attributes.get::<Option<bool>>("strict")?.unwrap_or_default())
}

/// Parses which parts of the base configuration are inherited: all, none, or all except those that
/// are `false`.
fn inherit(attributes: &Attributes) -> Result<Inherit> {
    match attributes.get::<Value>("inheritConfig")? {
        Value::Null | Value::Bool(true) => Ok(Inherit::EVERYTHING),
        Value::Bool(false) => Ok(Inherit::NOTHING),
        _ => attributes.get("inheritConfig"),
    }
}

/// Where a compressed archive is unpacked. Nix starts each builder in its own temporary folder.
pub(crate) const SCRATCH: &str = ".";

/// Returns the base image of layers, a configuration or a manifest, if there is one.
pub(crate) fn base(attributes: &Attributes, platform: &Platform) -> Result<Option<PlatformImage>> {
    #[derive(Deserialize)]
    struct Base {
        layout: PathBuf,
        tag: Option<String>,
    }
    let Some(Base { layout, tag }) = attributes.get("base")? else { return Ok(None) };
    ImageLayout::open_in(layout, SCRATCH)?
        .trust(attributes.trust())
        .image(tag.as_deref(), Some(platform))
        .map(Some)
}
