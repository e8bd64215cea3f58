//! The files of layers that were just made, and of the base below them.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{
    basics::Result,
    layer::{
        base::stack::{Lookup, Lower, Stack},
        entry::{Content, Kind},
        layer_tar::TarLayer,
        stream::EntryAt,
    },
    pool::{Pool, lock},
    recipe::BaseFiles,
    tarfile::{LayerPath, LinkFault, follow},
};

/// The files of an image by their paths.
pub(crate) struct Files<'a> {
    /// Topmost first.
    layers: Vec<&'a TarLayer>,
    base: Stack,
    lookup: Mutex<Lookup>,
}

/// A file of the image.
enum Found {
    Layer(EntryAt),
    Base(Lower),
}

/// Why there is no file at a path.
pub(crate) enum Broken {
    Missing,
    /// A link leads to a path without a file.
    Link(PathBuf),
}

impl Broken {
    /// The target of the link.
    pub(crate) fn target(self) -> Option<PathBuf> {
        match self {
            Self::Missing => None,
            Self::Link(target) => Some(target),
        }
    }
}

impl<'a> Files<'a> {
    pub(crate) fn new(
        layers: &'a [TarLayer],
        base: Option<&BaseFiles>,
        pool: &Pool,
    ) -> Result<Self> {
        let base = match base {
            Some(base) => base.stack(pool)?,
            None => Stack::new(Vec::new()),
        };
        Ok(Self { layers: layers.iter().rev().collect(), base, lookup: Mutex::default() })
    }

    /// The path of the file that this path leads to through symbolic links.
    pub(crate) fn resolve(&self, path: &Path) -> Result<LayerPath, Broken> {
        let start = LayerPath::parse(path).map_err(|_| Broken::Missing)?;
        let mut last_target = None;
        let followed = follow(&start, &LayerPath::root(), |path| {
            let target = self.link(path);
            if let Some(target) = &target {
                last_target = Some(path.parent().to_path().join(OsStr::from_bytes(target)));
            }
            Ok::<_, LinkFault>(target)
        });
        let broken = || last_target.clone().map_or(Broken::Missing, Broken::Link);
        let end = followed.map_err(|_| broken())?;
        match self.find(&end) {
            Some(found) if !found.is_directory() => Ok(self.target_of_hard_link(end)),
            _ => Err(broken()),
        }
    }

    /// The contents of a regular file of the layers.
    pub(crate) fn content(&self, path: &LayerPath) -> Option<Content> {
        match self.find(path)? {
            Found::Layer(at) => match &at.entry().kind {
                Kind::File(content) => Some(content.clone()),
                _ => None,
            },
            Found::Base(_) => None,
        }
    }

    /// The mode of a file of the layers.
    pub(crate) fn mode(&self, path: &LayerPath) -> Option<u32> {
        match self.find(path)? {
            Found::Layer(at) => Some(at.entry().mode),
            Found::Base(_) => None,
        }
    }

    /// Whether the file of a layer is not hidden by a layer above.
    pub(crate) fn is_visible(&self, path: &LayerPath) -> bool {
        matches!(self.find(path), Some(Found::Layer(_)))
    }

    fn link(&self, path: &LayerPath) -> Option<Vec<u8>> {
        match self.find(path)? {
            Found::Layer(at) => match &at.entry().kind {
                Kind::Symlink(target) => Some(target.clone()),
                _ => None,
            },
            Found::Base(Lower::Symlink(target)) => Some(target),
            Found::Base(_) => None,
        }
    }

    fn target_of_hard_link(&self, path: LayerPath) -> LayerPath {
        match self.find(&path) {
            Some(Found::Layer(at)) => match &at.entry().kind {
                Kind::HardLink(target) => target.clone(),
                _ => path,
            },
            _ => path,
        }
    }

    fn find(&self, path: &LayerPath) -> Option<Found> {
        for layer in &self.layers {
            if let Some(at) = layer.stream().find(path) {
                return Some(Found::Layer(at));
            }
            // A whiteout, or something that is not a directory, hides what is below.
            let is_hidden = |above: &LayerPath| {
                layer.stream().find(&above.whiteout()).is_some()
                    || layer.stream().find(&above.parent().opaque_whiteout()).is_some()
                    || (above != path
                        && layer
                            .stream()
                            .find(above)
                            .is_some_and(|at| at.entry().kind != Kind::Directory))
            };
            let mut above = path.ancestors().filter(|above| !above.is_root());
            if !path.is_root() && (is_hidden(path) || above.any(|above| is_hidden(&above))) {
                return None;
            }
        }
        lock(&self.lookup).find(&self.base, path).map(Found::Base)
    }
}

impl Found {
    fn is_directory(&self) -> bool {
        match self {
            Self::Layer(at) => at.entry().kind == Kind::Directory,
            Self::Base(lower) => matches!(lower, Lower::Directory(_)),
        }
    }
}

/// The executable files of these layers.
pub(crate) fn executables(layers: &[TarLayer]) -> BTreeSet<LayerPath> {
    let mut paths = BTreeSet::new();
    for layer in layers {
        layer.stream().first_with(|entry| {
            if matches!(entry.kind, Kind::File(_)) && entry.mode & 0o111 != 0 {
                paths.insert(entry.path.clone());
            }
            None::<()>
        });
    }
    paths
}
