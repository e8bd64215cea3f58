//! Layers on top of one another: what the topmost that says anything of a path says.

use std::{collections::HashMap, sync::Arc};

use crate::{
    recipe::{BaseDirectory, BaseEntry, BaseIndex},
    tarfile::LayerPath,
};

/// The indexes of layers, the topmost first.
#[derive(Debug)]
pub(crate) struct Stack(Vec<Arc<BaseIndex>>);

/// What lies at a path of the stack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lower {
    /// A directory; without attributes if no layer has an entry for it, only for what is in it.
    Directory(Option<BaseDirectory>),
    Symlink(Vec<u8>),
    File,
}

impl Stack {
    pub(crate) fn new(layers: Vec<Arc<BaseIndex>>) -> Self {
        Self(layers)
    }

    /// The indexes, the topmost first.
    pub(crate) fn indexes(&self) -> &[Arc<BaseIndex>] {
        &self.0
    }
}

/// Looks into a stack, and remembers which of the layers show through which directory.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// How many layers, from the top, have a say in what is in this directory; `None` for what is
    /// no directory.
    visible: HashMap<LayerPath, Option<usize>>,
}

impl Lookup {
    /// What lies at this path, symbolic links not followed.
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

/// What the topmost of these layers that says anything of the path says, and how many of them show
/// through it.
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
            // A directory above it took its place, and hides what this layer and those below had
            // there.
            Some(_) if is_directory => return Some((Lower::Directory(attributes), number)),
            Some(BaseEntry::Symlink(target)) => return Some((Lower::Symlink(target.clone()), 0)),
            Some(BaseEntry::File) => return Some((Lower::File, 0)),
            None => is_directory |= layer.has_below(path),
        }
        // A whiteout hides what the layers below have, and nothing of its own layer.
        if layer.get(&whiteout).is_some() || layer.get(&path.opaque_whiteout()).is_some() {
            let hidden = layer.get(&whiteout).is_some();
            // An opaque directory still is the directory of the layers below.
            if is_directory && !hidden && attributes.is_none() {
                attributes =
                    stack.0[number + 1..layers].iter().find_map(|layer| directory(layer.get(path)));
            }
            return is_directory.then_some((Lower::Directory(attributes), number + 1));
        }
    }
    is_directory.then_some((Lower::Directory(attributes), layers))
}

/// How many of these layers show through an opaque directory.
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
