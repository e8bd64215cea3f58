//! The layers of an image with their history, which change together.

use std::sync::Arc;

use crate::{
    basics::{Error, Result},
    blob::Layer,
    document::{Configuration, History},
    image::platform_image::PlatformImage,
};

/// Layers, lowest first, and the entries of `history`. Entries without a layer describe a change of
/// the configuration.
pub(super) struct Stack {
    pub(super) layers: Vec<Arc<dyn Layer>>,
    pub(super) history: Vec<History>,
    pub(super) is_changed: bool,
}

impl Stack {
    pub(super) fn of(image: &PlatformImage) -> Self {
        let history = image.configuration().history.clone();
        Self { layers: image.layers().to_vec(), history, is_changed: false }
    }

    /// Replaces the layers of the old base, which are the lowest ones, by those of the new base.
    pub(super) fn rebase(&mut self, old: &PlatformImage, new: &PlatformImage) {
        let below = old.layers().len();
        self.change();
        let old_history = consistent(old.configuration());
        let above = match self.history.starts_with(&old_history) {
            true => old_history.len(),
            false => after_layer(&self.history, below),
        };
        self.history.splice(..above, consistent(new.configuration()));
        self.layers.splice(..below, new.layers().iter().cloned());
    }

    /// Drops the highest layers. Entries of the history without a layer stay, because the
    /// configuration stays.
    pub(super) fn drop(&mut self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let Some(left) = self.layers.len().checked_sub(count) else {
            let reason = format!("the image has fewer: {}", self.layers.len());
            return Err(Error::invalid(format!("number of layers to drop, {count}"), reason));
        };
        self.change();
        self.layers.truncate(left);
        let mut layer = 0;
        self.history.retain(|entry| {
            layer += usize::from(has_layer(entry));
            !has_layer(entry) || layer <= left
        });
        Ok(())
    }

    /// Appends layers that were created at this time.
    pub(super) fn append(&mut self, layers: &[Arc<dyn Layer>], created: Option<&str>) {
        if layers.is_empty() {
            return;
        }
        self.change();
        self.history.extend(layers.iter().map(|layer| History {
            created: created.map(str::to_owned),
            created_by: Some(layer.created_by()).filter(|by| !by.is_empty()),
            ..History::default()
        }));
        self.layers.extend(layers.iter().cloned());
    }

    /// Makes the history match the layers before both change.
    fn change(&mut self) {
        if !self.is_changed {
            self.history = matching(&self.history, self.layers.len());
            self.is_changed = true;
        }
    }
}

fn has_layer(entry: &History) -> bool {
    entry.empty_layer != Some(true)
}

/// The number of entries up to that of the last of these layers.
fn after_layer(history: &[History], layers: usize) -> usize {
    let mut with_layer = history.iter().enumerate().filter(|(_, entry)| has_layer(entry));
    layers.checked_sub(1).and_then(|last| with_layer.nth(last)).map_or(0, |(at, _)| at + 1)
}

fn consistent(configuration: &Configuration) -> Vec<History> {
    matching(&configuration.history, configuration.rootfs.diff_ids.len())
}

/// The history if it has an entry for each layer, or else one without details.
fn matching(history: &[History], layers: usize) -> Vec<History> {
    if history.iter().filter(|entry| has_layer(entry)).count() == layers {
        return history.to_vec();
    }
    let comment = Some("layer without history".to_owned());
    vec![History { comment, ..History::default() }; layers]
}
