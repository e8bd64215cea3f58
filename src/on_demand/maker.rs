//! Makes images of packages, and finds those that were made.

use std::{collections::BTreeSet, path::PathBuf, sync::OnceLock};

use serde_json::json;

use crate::{
    basics::{
        byte_format::BYTE_FORMAT,
        digest::Digest,
        error::{Error, Result},
        json,
        report::Report,
        stop::Stop,
    },
    document::manifest::Manifest,
    image::{config::image_config, manifest::image_manifest},
    on_demand::{
        contents::ImageContents,
        image::{IMAGE_FORMAT, plan},
        layer_cache::{CachedLayer, LayerCache},
        layering::Layering,
        package_source::{ClosurePath, PackageSource, Resolved},
        roots::{Roots, Uses},
        state::{ImageRecord, State},
        stored_layers::StoredLayers,
        systems::nix_system,
        turns::Turns,
    },
    pool::Pool,
    registry::{NamedImageError, NamedImageErrorKind},
};

/// An image that was made.
pub(crate) struct MadeImage {
    pub(crate) record: ImageRecord,
    /// The bytes of the manifest.
    pub(crate) manifest: Vec<u8>,
    /// The bytes of the configuration.
    pub(crate) config: Vec<u8>,
}

/// What a build of an image gives.
pub(crate) struct Built {
    record: ImageRecord,
    /// The configuration and the manifest.
    documents: [Vec<u8>; 2],
    /// The layers that are stored.
    stored: Vec<CachedLayer>,
}

/// Makes images, and finds those that were made.
pub(crate) struct Maker {
    pub(crate) state: State,
    pub(crate) source: Box<dyn PackageSource>,
    pub(crate) layering: Layering,
    pub(crate) layers: LayerCache,
    pub(crate) stored: StoredLayers,
    pub(crate) roots: Roots,
    pub(crate) uses: Uses,
    pub(crate) pool: Pool,
    /// Held while the store paths of an image are restored, or its links removed.
    pub(crate) turns: Turns,
    /// Set when nobody can pull any more.
    pub(crate) stop: Stop,
}

impl Maker {
    /// The key of the image that contents give at a revision.
    pub(crate) fn key(&self, contents: &ImageContents, revision: &str) -> Digest {
        let format = [BYTE_FORMAT, IMAGE_FORMAT];
        let mut key = json!([format, self.layering.identity(), contents, revision]);
        key.sort_all_objects();
        Digest::of(json::to_bytes(&key))
    }

    /// Finds an image that was made. Returns `None` too if an entry is damaged that it needs.
    pub(crate) fn find(&self, key: Digest) -> Result<Option<MadeImage>> {
        let Some(record) = self.state.image(key)? else { return Ok(None) };
        let Some(manifest) = self.state.document(record.manifest)? else { return Ok(None) };
        let Ok(document) = json::from_slice::<Manifest>(&manifest) else { return Ok(None) };
        let Some(config) = self.state.document(document.config.digest)? else { return Ok(None) };
        let is_whole = document.layers.len() == record.layers.len();
        Ok(is_whole.then_some(MadeImage { record, manifest, config }))
    }

    /// Makes an image, and remembers it.
    ///
    /// # Errors
    ///
    /// Those of the source. [`NamedImageErrorKind::NameUnknown`] for a platform without packages.
    pub(crate) fn make(
        &self,
        contents: &ImageContents,
        revision: &str,
        stop: &Stop,
    ) -> Result<MadeImage, NamedImageError> {
        let key = self.key(contents, revision);
        let system = nix_system(&contents.platform).ok_or_else(|| unsupported(contents))?;
        let resolved = self.source.resolve(revision, system, &contents.packages, stop)?;
        let made = self.build(key, contents, &resolved, stop).and_then(|built| {
            self.remember(key, &built).map_err(failed)?;
            let found = self.find(key).map_err(failed)?;
            found.ok_or_else(|| {
                let kind = NamedImageErrorKind::Internal;
                NamedImageError::new(kind, "the state of this registry is damaged")
            })
        });
        if made.is_err() && matches!(self.state.image(key), Ok(None)) {
            // They would stay until an eviction.
            let _ = self.roots.remove(key);
        }
        made
    }

    /// Builds an image of resolved packages: its record, and its documents.
    pub(crate) fn build(
        &self,
        key: Digest,
        contents: &ImageContents,
        resolved: &Resolved,
        stop: &Stop,
    ) -> Result<Built, NamedImageError> {
        let outputs = outputs(resolved);
        self.source.realise(resolved, &self.roots.path(key), stop)?;
        let closure = self.source.closure(&outputs, stop)?;
        let plan = plan(contents, resolved, &closure, &self.layering).map_err(failed)?;
        let built = OnceLock::new();
        let keeps = |paths: &[ClosurePath], is_known: bool| match (self.stored, is_known) {
            (StoredLayers::Never, _) | (StoredLayers::Built, true) => false,
            (StoredLayers::Always, _) => true,
            // Nix is not asked for the layer of files.
            (StoredLayers::Built, false) if paths.is_empty() => false,
            (StoredLayers::Built, false) => {
                let built = built.get_or_init(|| self.built(&closure, stop));
                paths.iter().any(|path| built.contains(&path.path))
            }
        };
        let made = self.pool.map(plan.layers, |layer| match stop.is_set() {
            true => Err(stopped()),
            false => self.layers.layer(layer, keeps, stop).map_err(|error| match stop.is_set() {
                true => stopped(),
                false => failed(error),
            }),
        });
        let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (keys, layers): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let stored = layers.iter().filter(|layer| layer.is_stored).cloned().collect();
        let config = image_config(&layers, plan.config).map_err(failed)?;
        let document = config.bytes().to_vec();
        let manifest = image_manifest(config, layers, json!({})).map_err(failed)?;
        let record = ImageRecord {
            contents: contents.clone(),
            resolved: resolved.clone(),
            manifest: manifest.digest(),
            layers: keys,
        };
        Ok(Built { record, documents: [document, manifest.bytes().to_vec()], stored })
    }

    /// The store paths that were built on this machine. If nobody knows, all were.
    fn built(&self, closure: &[ClosurePath], stop: &Stop) -> BTreeSet<PathBuf> {
        let paths: Vec<PathBuf> = closure.iter().map(|path| path.path.clone()).collect();
        let built = self.source.built(&paths, stop);
        built.unwrap_or_else(|_| paths.into_iter().collect())
    }

    /// Writes an image down. If another process was faster, its image counts, because clients may
    /// have seen it.
    fn remember(&self, key: Digest, built: &Built) -> Result<()> {
        let Built { record, documents, stored } = built;
        documents.iter().try_for_each(|document| self.state.add_document(document))?;
        self.state.add_name(contents_key(&record.contents), key)?;
        self.uses.touch(key);
        if !self.state.create_image(key, record)? && self.find(key)?.is_none() {
            self.state.replace_image(key, record)?;
        }
        // An eviction that did not see this image may have removed a layer that another one left.
        stored.iter().try_for_each(|layer| self.state.add_blob(layer, &self.stop))
    }
}

/// The key of contents, under which their images are found.
pub(crate) fn contents_key(contents: &ImageContents) -> Digest {
    let mut key = json::to_value(contents);
    key.sort_all_objects();
    Digest::of(json::to_bytes(&key))
}

pub(crate) fn outputs(resolved: &Resolved) -> Vec<PathBuf> {
    let outputs = resolved.packages.iter().flat_map(|package| &package.outputs);
    outputs.map(|(_, path)| path.clone()).collect()
}

/// The error for a platform that no Nix system has.
pub(crate) fn unsupported(contents: &ImageContents) -> NamedImageError {
    let message = format!("there are no packages for {}", contents.platform);
    NamedImageError::new(NamedImageErrorKind::NameUnknown, message)
}

/// What a client is told of an error: paths of this machine are for the operator.
fn failed(error: Error) -> NamedImageError {
    let kind = match error {
        Error::Write { .. } | Error::Read { .. } => NamedImageErrorKind::Internal,
        _ => NamedImageErrorKind::Failed,
    };
    NamedImageError::new(kind, "the image cannot be made: see the log of this registry")
        .detail(Report(&error).to_string())
}

fn stopped() -> NamedImageError {
    NamedImageError::new(NamedImageErrorKind::Stopped, "the image is not needed any more")
}
