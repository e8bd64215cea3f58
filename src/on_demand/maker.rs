//! Makes images of packages, and finds those that were made.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

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
    blob::traits::Blob,
    document::{descriptor::Descriptor, manifest::Manifest},
    image::{config::image_config, manifest::image_manifest},
    on_demand::{
        contents::ImageContents,
        image::{IMAGE_FORMAT, plan},
        layer_cache::LayerCache,
        layering::Layering,
        package_source::{PackageSource, Resolved},
        roots::{Roots, Uses},
        state::{ImageRecord, LayerPath, State},
        systems::nix_system,
        turns::Turns,
    },
    pool::Pool,
    recipe::origin::Recipe,
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

/// Makes images and finds the recipes of their layers.
pub(crate) struct Maker {
    pub(crate) state: State,
    pub(crate) source: Box<dyn PackageSource>,
    pub(crate) layering: Layering,
    pub(crate) layers: LayerCache,
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
        let made = self.build(key, contents, &resolved, stop).and_then(|(record, documents)| {
            self.remember(key, &record, &documents).map_err(failed)?;
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
    fn build(
        &self,
        key: Digest,
        contents: &ImageContents,
        resolved: &Resolved,
        stop: &Stop,
    ) -> Result<(ImageRecord, [Vec<u8>; 2]), NamedImageError> {
        let outputs = outputs(resolved);
        self.source.realise(resolved, &self.roots.path(key), stop)?;
        let closure = self.source.closure(&outputs, stop)?;
        let plan = plan(contents, resolved, &closure, &self.layering).map_err(failed)?;
        let made = self.pool.map(plan.layers, |layer| match stop.is_set() {
            true => Err(stopped()),
            false => self.layers.layer(layer).map_err(failed),
        });
        let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (keys, layers): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let config = image_config(&layers, plan.config).map_err(failed)?;
        let document = config.bytes().to_vec();
        let manifest = image_manifest(config, layers, json!({})).map_err(failed)?;
        let record = ImageRecord {
            contents: contents.clone(),
            resolved: resolved.clone(),
            manifest: manifest.digest(),
            layers: keys,
        };
        Ok((record, [document, manifest.bytes().to_vec()]))
    }

    /// Writes an image down. If another process was faster, its image counts, because clients may
    /// have seen it.
    fn remember(&self, key: Digest, record: &ImageRecord, documents: &[Vec<u8>]) -> Result<()> {
        documents.iter().try_for_each(|document| self.state.add_document(document))?;
        self.state.add_name(contents_key(&record.contents), key)?;
        self.uses.touch(key);
        if !self.state.create_image(key, record)? && self.find(key)?.is_none() {
            self.state.replace_image(key, record)?;
        }
        Ok(())
    }

    /// Finds the recipe of a layer, and makes sure that its store paths exist and are those that
    /// were hashed.
    pub(crate) fn recipe(
        &self,
        image: Digest,
        record: &ImageRecord,
        layer: Digest,
        descriptor: &Descriptor,
    ) -> Result<Recipe> {
        let _turn = self.turns.take(image);
        let unmade = |error: NamedImageError| {
            Error::blob(descriptor.digest, io::Error::other(with_detail(&error)))
        };
        let found = match self.layers.find(layer)? {
            Some(found) => Some(found),
            None => {
                // The entry is lost: the same image has the same layers.
                self.build(image, &record.contents, &record.resolved, &self.stop)
                    .map_err(unmade)?;
                self.layers.find(layer)?
            }
        };
        let found = found.filter(|(_, recipe)| recipe.descriptor().digest == descriptor.digest);
        let Some((layer, recipe)) = found else {
            let reason = "its recipe is lost, and its packages give another layer now";
            return Err(Error::blob(descriptor.digest, io::Error::other(reason)));
        };
        let exist = self.roots.exist(image)
            && layer.paths.iter().all(|path| fs::symlink_metadata(&path.path).is_ok());
        if !exist && !layer.paths.is_empty() {
            let closure = self.restore(image, &record.resolved).map_err(unmade)?;
            if let Some(path) = changed(&layer.paths, &closure) {
                let (digest, path) = (descriptor.digest, path.clone());
                return Err(Error::SourceOutdated { digest, path, change: "changed" });
            }
        }
        Ok(recipe)
    }

    /// Realises packages again, whose paths may have been collected. Returns the hash of each path
    /// of their closure.
    fn restore(
        &self,
        image: Digest,
        resolved: &Resolved,
    ) -> Result<BTreeMap<PathBuf, String>, NamedImageError> {
        self.source.realise(resolved, &self.roots.path(image), &self.stop)?;
        let closure = self.source.closure(&outputs(resolved), &self.stop)?;
        Ok(closure.into_iter().map(|path| (path.path, path.nar_hash)).collect())
    }
}

/// The key of contents, under which their images are found.
pub(crate) fn contents_key(contents: &ImageContents) -> Digest {
    let mut key = json::to_value(contents);
    key.sort_all_objects();
    Digest::of(json::to_bytes(&key))
}

/// The first path that has other contents than those that were hashed.
fn changed<'a>(paths: &'a [LayerPath], closure: &BTreeMap<PathBuf, String>) -> Option<&'a PathBuf> {
    let differs = |path: &&LayerPath| closure.get(&path.path) != Some(&path.nar_hash);
    paths.iter().find(differs).map(|path| &path.path)
}

fn outputs(resolved: &Resolved) -> Vec<PathBuf> {
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

fn with_detail(error: &NamedImageError) -> String {
    match &error.detail {
        Some(detail) => format!("{error}: {detail}"),
        None => error.to_string(),
    }
}
