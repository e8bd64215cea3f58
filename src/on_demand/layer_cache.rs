//! Layers that are hashed once, whichever images have them.

use std::{io::Read, path::Path, sync::Arc};

use serde_json::json;

use crate::{
    basics::{
        byte_format::BYTE_FORMAT,
        digest::Digest,
        error::{Error, Result},
        json,
        stop::Stop,
    },
    blob::traits::{Blob, Layer},
    document::descriptor::Descriptor,
    layer::layer_tar::layer_tar,
    on_demand::{
        image::LayerPlan,
        package_source::ClosurePath,
        state::{LayerPath, LayerRecord, State},
        turns::Turns,
    },
    pool::Pool,
    recipe::{origin::Recipe, trust::RecipeTrust},
};

/// The layers in a state. A layer that the state has is not hashed again.
pub(crate) struct LayerCache {
    state: State,
    trust: RecipeTrust,
    pool: Pool,
    hashing: Turns,
}

impl LayerCache {
    /// Recipes may read what this trust covers.
    pub(crate) fn new(state: State, trust: RecipeTrust, pool: Pool) -> Self {
        Self { state, trust, pool, hashing: Turns::default() }
    }

    /// Returns a layer and its key. Hashes it if it is not known. `keeps` decides whether it is
    /// stored too, from its store paths and whether it is known; one that was stored stays stored.
    pub(crate) fn layer(
        &self,
        plan: LayerPlan,
        keeps: impl Fn(&[ClosurePath], bool) -> bool,
        stop: &Stop,
    ) -> Result<(Digest, CachedLayer)> {
        let key = key(&plan)?;
        let _turn = self.hashing.take(key);
        let found = self.find(key)?;
        let is_known = found.is_some();
        let (mut record, recipe) = found.map_or_else(|| self.hash(&plan), Ok)?;
        let diff_id = diff_id(&recipe)?;
        let is_stored = record.is_stored || keeps(&plan.paths, is_known);
        let layer = CachedLayer { recipe, diff_id, created_by: plan.created_by, is_stored };
        if is_stored {
            self.state.add_blob(&layer, stop)?;
        }
        if !is_known || is_stored != record.is_stored {
            // Last, so that an entry tells what exists, whenever a process is killed.
            record.is_stored = is_stored;
            self.state.add_layer(key, &record)?;
        }
        Ok((key, layer))
    }

    /// Returns the recipe of a layer that was hashed, and the store paths that it reads.
    pub(crate) fn find(&self, key: Digest) -> Result<Option<(LayerRecord, Recipe)>> {
        let Some(record) = self.state.layer(key)? else { return Ok(None) };
        let Ok(recipe) = Recipe::from_bytes(&json::to_bytes(&record.recipe)) else {
            return Ok(None);
        };
        // Another process may have written the entry, and may only make this one read the store.
        self.trust.check(&recipe, Path::new(&format!("layers/{}", key.hex())))?;
        Ok(recipe.diff_id().is_some().then(|| (record, recipe.pool(&self.pool))))
    }

    fn hash(&self, plan: &LayerPlan) -> Result<(LayerRecord, Recipe)> {
        let options = plan.spec.options.clone().recipe(true).pool(&self.pool);
        let layer = layer_tar(plan.spec.files.clone(), options)?;
        let Some(recipe) = layer.recipe() else {
            return Err(Error::invalid("layer", "a pipe in the store cannot be read twice"));
        };
        let recipe = recipe.made_by(String::new());
        let paths = plan.paths.iter().map(|path| LayerPath {
            path: path.path.clone(),
            nar_hash: path.nar_hash.clone(),
            nar_size: path.nar_size,
        });
        let value = json::value(&recipe.to_bytes()?);
        let value = value.map_err(|reason| Error::invalid("recipe", reason))?;
        Ok((LayerRecord { paths: paths.collect(), recipe: value, is_stored: false }, recipe))
    }
}

/// What the bytes of a layer depend on: the byte format, the files and options, and the contents of
/// the store paths.
fn key(plan: &LayerPlan) -> Result<Digest> {
    let contents: Vec<_> = plan.paths.iter().map(|path| (&path.path, &path.nar_hash)).collect();
    let mut key = json!([BYTE_FORMAT, plan.spec.to_value()?, contents]);
    key.sort_all_objects();
    Ok(Digest::of(json::to_bytes(&key)))
}

fn diff_id(recipe: &Recipe) -> Result<Digest> {
    recipe.diff_id().ok_or_else(|| Error::invalid("recipe", "it has no diff ID"))
}

/// A layer whose digests are known.
#[derive(Clone, Debug)]
pub(crate) struct CachedLayer {
    recipe: Recipe,
    diff_id: Digest,
    created_by: String,
    /// Whether its bytes are in the state.
    pub(crate) is_stored: bool,
}

impl Blob for CachedLayer {
    fn descriptor(&self) -> &Descriptor {
        self.recipe.descriptor()
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.recipe.open()
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(self.recipe.clone())
    }
}

impl Layer for CachedLayer {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn created_by(&self) -> String {
        self.created_by.clone()
    }
}

impl From<CachedLayer> for Arc<dyn Layer> {
    fn from(layer: CachedLayer) -> Self {
        Arc::new(layer)
    }
}
