//! One path of merged layers, found from the top layer down, without merging all others.
//!
//! The rules are those of [`Merge`](crate::layer::merge::Merge), which applies whole layers from the
//! lowest one up: for each path, the topmost layer with an entry decides.

use crate::tarfile::path::LayerPath;

/// A layer in which paths are looked up.
pub(crate) trait LayerAt {
    /// The attributes of a directory.
    type Directory;
    /// Anything else.
    type File;
    type Fault;

    /// What the layer has at a path, and hides there of the layers below it.
    fn at(
        &mut self,
        path: &LayerPath,
        wanted: Wanted,
    ) -> Result<At<Self::Directory, Self::File>, Self::Fault>;
}

/// What has to be known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whether it is a directory. If it is, its attributes do not matter.
    Kind,
    /// Its entry.
    Entry,
    /// Its entry, and if it is a directory, which layers are visible in it.
    Contents,
}

/// What a layer has at a path.
pub(crate) struct At<D, F> {
    pub(crate) is: Option<Looked<D, F>>,
    pub(crate) hides: Hides,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Looked<D, F> {
    /// A directory. Without attributes if no layer has an entry for it, but only files below it.
    Directory(Option<D>),
    File(F),
}

/// What a layer hides of lower layers, but not of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hides {
    Nothing,
    /// What is below the path: it is an opaque directory.
    Contents,
    /// What is at the path and below it.
    All,
}

/// What layers have at a path. The number of a layer is that of the layers above it.
pub(crate) struct Found<D, F> {
    pub(crate) is: Looked<D, F>,
    /// The layer with the entry. If a directory has none, the lowest with something below it.
    pub(crate) layer: usize,
    /// How many layers are visible in a directory.
    pub(crate) visible: usize,
}

/// The result of [`look`] in such layers.
type Search<L> =
    Result<Option<Found<<L as LayerAt>::Directory, <L as LayerAt>::File>>, <L as LayerAt>::Fault>;

/// Looks up a path in layers, topmost first.
pub(crate) fn look<L: LayerAt>(
    layers: impl IntoIterator<Item = L>,
    path: &LayerPath,
    wanted: Wanted,
) -> Search<L> {
    let mut directory: Option<(Option<L::Directory>, usize)> = None;
    let (mut visible, mut count) = (None, 0);
    for mut layer in layers {
        let At { is, hides } = layer.at(path, wanted)?;
        match is {
            Some(Looked::Directory(attributes)) => match &mut directory {
                Some((Some(_), _)) => {}
                known => *known = Some((attributes, count)),
            },
            // A directory of a higher layer replaces it, and hides the entries of lower layers.
            Some(Looked::File(_)) if directory.is_some() => {
                visible.get_or_insert(count);
                break;
            }
            Some(is @ Looked::File(_)) => {
                return Ok(Some(Found { is, layer: count, visible: 0 }));
            }
            None => {}
        }
        count += 1;
        if hides != Hides::Nothing {
            visible.get_or_insert(count);
        }
        // An opaque directory is still the directory of the lower layers.
        if hides == Hides::All {
            break;
        }
        let is_known = match (&directory, wanted) {
            (None, _) => false,
            (Some(_), Wanted::Kind) => true,
            (Some((attributes, _)), Wanted::Entry) => attributes.is_some(),
            (Some((attributes, _)), Wanted::Contents) => attributes.is_some() && visible.is_some(),
        };
        if is_known {
            break;
        }
    }
    let visible = visible.unwrap_or(count);
    Ok(directory.map(|(attributes, layer)| {
        let is = Looked::Directory(attributes);
        Found { is, layer, visible }
    }))
}
