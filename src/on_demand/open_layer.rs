//! Opens the layers of images that were made: from the state, or made again from store paths.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::PathBuf,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::Blob,
    document::descriptor::Descriptor,
    on_demand::{
        maker::{Maker, outputs},
        package_source::Resolved,
        state::{ImageRecord, LayerPath},
    },
    recipe::origin::Recipe,
    registry::NamedImageError,
};

impl Maker {
    /// Opens a layer. If it is not stored, makes sure that its store paths exist and are those that
    /// were hashed.
    pub(crate) fn open_layer(
        &self,
        image: Digest,
        record: &ImageRecord,
        layer: Digest,
        descriptor: &Descriptor,
    ) -> Result<Box<dyn Read + Send>> {
        let known = self.layers.find(layer)?;
        // If the entry is lost, the bytes may still be there.
        if known.as_ref().is_none_or(|(layer, _)| layer.is_stored)
            && let Some(stored) = self.state.blob(descriptor)?
        {
            return Ok(Box::new(stored));
        }
        self.recipe(image, record, layer, descriptor)?.open()
    }

    /// Finds the recipe of a layer, whose store paths exist then.
    fn recipe(
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

/// The first path that has other contents than those that were hashed.
fn changed<'a>(paths: &'a [LayerPath], closure: &BTreeMap<PathBuf, String>) -> Option<&'a PathBuf> {
    let differs = |path: &&LayerPath| closure.get(&path.path) != Some(&path.nar_hash);
    paths.iter().find(differs).map(|path| &path.path)
}

fn with_detail(error: &NamedImageError) -> String {
    match &error.detail {
        Some(detail) => format!("{error}: {detail}"),
        None => error.to_string(),
    }
}
