//! Stacked layers: for each path, the topmost layer with an entry decides.

use std::{collections::HashMap, sync::Arc};

use crate::{
    recipe::{BaseDirectory, BaseEntry, BaseIndex},
    tarfile::LayerPath,
};

/// The indexes of layers, topmost first.
#[derive(Debug)]
pub(crate) struct Stack(Vec<Arc<BaseIndex>>);

/// An entry in the stack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lower {
    /// A directory. Without attributes if no layer has an entry for it, but only entries below it.
    Directory(Option<BaseDirectory>),
    Symlink(Vec<u8>),
    File,
}

impl Stack {
    pub(crate) fn new(layers: Vec<Arc<BaseIndex>>) -> Self {
        Self(layers)
    }

    /// The indexes, topmost first.
    pub(crate) fn indexes(&self) -> &[Arc<BaseIndex>] {
        &self.0
    }
}

/// Looks up paths in a stack, and remembers which layers are visible in each directory.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The number of topmost layers that are visible in this directory. `None` if it is not a
    /// directory.
    visible: HashMap<LayerPath, Option<usize>>,
}

impl Lookup {
    /// The entry at this path. Does not follow symbolic links.
    pub(crate) fn find(&mut self, stack: &Stack, path: &LayerPath) -> Option<Lower> {
        if path.is_root() {
            return Some(Lower::Directory(
                stack.0.iter().find_map(|layer| directory(layer.get(path))),
            ));
        }
        let layers = self.visible(stack, &path.parent())?;
        look(stack, path, layers).map(|(lower, _)| lower)
    }

    fn visible(&mut self, stack: &Stack, directory: &LayerPath) -> Option<usize> {
        if let Some(known) = self.visible.get(directory) {
            return *known;
        }
        let visible = match directory.is_root() {
            true => Some(until_opaque(stack, directory, stack.0.len())),
            false => self.visible(stack, &directory.parent()).and_then(|layers| {
                match look(stack, directory, layers)? {
                    (Lower::Directory(_), visible) => Some(visible),
                    _ => None,
                }
            }),
        };
        self.visible.insert(directory.clone(), visible);
        visible
    }
}

/// The entry of the topmost of these layers that has one for the path, and the number of layers
/// that are visible through it.
fn look(stack: &Stack, path: &LayerPath, layers: usize) -> Option<(Lower, usize)> {
    let whiteout = path.whiteout();
    let mut is_directory = false;
    let mut attributes = None;
    for (number, layer) in stack.0[..layers].iter().enumerate() {
        match layer.get(path) {
            Some(BaseEntry::Directory(found)) => {
                is_directory = true;
                attributes.get_or_insert_with(|| found.clone());
            }
            Some(BaseEntry::ImpliedDirectory) => is_directory = true,
            // A directory of a higher layer replaces it, and hides the entries of this and lower
            // layers.
            Some(_) if is_directory => return Some((Lower::Directory(attributes), number)),
            Some(BaseEntry::Symlink(target)) => return Some((Lower::Symlink(target.clone()), 0)),
            Some(BaseEntry::File) => return Some((Lower::File, 0)),
            None => is_directory |= layer.has_below(path),
        }
        // A whiteout hides entries of lower layers, but not those of its own layer.
        if layer.get(&whiteout).is_some() || layer.get(&path.opaque_whiteout()).is_some() {
            let hidden = layer.get(&whiteout).is_some();
            // An opaque directory is still the directory of the lower layers.
            if is_directory && !hidden && attributes.is_none() {
                attributes =
                    stack.0[number + 1..layers].iter().find_map(|layer| directory(layer.get(path)));
            }
            return is_directory.then_some((Lower::Directory(attributes), number + 1));
        }
    }
    is_directory.then_some((Lower::Directory(attributes), layers))
}

/// The number of layers that are visible through an opaque directory.
fn until_opaque(stack: &Stack, directory: &LayerPath, layers: usize) -> usize {
    let opaque = directory.opaque_whiteout();
    stack.0[..layers]
        .iter()
        .position(|layer| layer.get(&opaque).is_some())
        .map_or(layers, |number| number + 1)
}

fn directory(entry: Option<&BaseEntry>) -> Option<BaseDirectory> {
    match entry {
        Some(BaseEntry::Directory(directory)) => Some(directory.clone()),
        _ => None,
    }
}
