//! The layers of a base on top of each other.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use crate::{
    layer::merge::look::{At, Found, Hides, LayerAt, Looked, Wanted, look},
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

    /// What the topmost of these layers have at a path, and how many of them are visible there.
    fn look(&self, path: &LayerPath, layers: usize) -> Option<(Lower, usize)> {
        let layers = self.0[..layers].iter().map(|index| IndexAt(index));
        let Ok(found) = look(layers, path, Wanted::Contents);
        let Found { is, visible, .. } = found?;
        let lower = match is {
            Looked::Directory(attributes) => Lower::Directory(attributes.cloned()),
            Looked::File(Some(target)) => Lower::Symlink(target.to_vec()),
            Looked::File(None) => Lower::File,
        };
        Some((lower, visible))
    }
}

/// An index in which a path is looked up. No layer above it hides the parents of the path.
struct IndexAt<'a>(&'a BaseIndex);

impl<'a> LayerAt for IndexAt<'a> {
    type Directory = &'a BaseDirectory;
    /// The target of a symbolic link.
    type File = Option<&'a [u8]>;
    type Fault = Infallible;

    fn at(
        &mut self,
        path: &LayerPath,
        _: Wanted,
    ) -> Result<At<Self::Directory, Self::File>, Infallible> {
        let Self(index) = self;
        let is = match index.get(path) {
            Some(BaseEntry::Directory(found)) => Some(Looked::Directory(Some(found))),
            Some(BaseEntry::ImpliedDirectory) => Some(Looked::Directory(None)),
            Some(BaseEntry::Symlink(target)) => Some(Looked::File(Some(&target[..]))),
            Some(BaseEntry::File) => Some(Looked::File(None)),
            None => index.has_below(path).then_some(Looked::Directory(None)),
        };
        let hides = match path {
            path if !path.is_root() && index.get(&path.whiteout()).is_some() => Hides::All,
            path if index.get(&path.opaque_whiteout()).is_some() => Hides::Contents,
            _ => Hides::Nothing,
        };
        Ok(At { is, hides })
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
            let root = stack.look(path, stack.0.len()).map(|(lower, _)| lower);
            return root.or(Some(Lower::Directory(None)));
        }
        let layers = self.visible(stack, &path.parent())?;
        stack.look(path, layers).map(|(lower, _)| lower)
    }

    fn visible(&mut self, stack: &Stack, directory: &LayerPath) -> Option<usize> {
        if let Some(known) = self.visible.get(directory) {
            return *known;
        }
        let layers = match directory.is_root() {
            true => Some(stack.0.len()),
            false => self.visible(stack, &directory.parent()),
        };
        let visible = layers.and_then(|layers| match stack.look(directory, layers) {
            Some((Lower::Directory(_), visible)) => Some(visible),
            // A base without layers has a root.
            None if directory.is_root() => Some(0),
            _ => None,
        });
        self.visible.insert(directory.clone(), visible);
        visible
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        blob::MemoryBlob,
        document::MediaType,
        layer::{
            base::index,
            layer_files::{Kind, LayerFiles, ReadFiles},
            merge::Merge,
        },
        pool::Pool,
    };

    const NAMES: [&str; 8] = ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/a", "b/a/b"];
    const DIRECTORY: usize = 0;

    /// A layer with an entry at each name that has a kind, unless a file of the layer is above it,
    /// and with whiteouts of names and opaque whiteouts.
    fn layer(kinds: [usize; 8], whiteouts: [bool; 8], opaque: [bool; 8]) -> MemoryBlob {
        let kind_of = |path: &str| NAMES.iter().position(|name| *name == path).map(|at| kinds[at]);
        let is_dir = |path: &str| kind_of(path).is_none_or(|kind| kind == DIRECTORY || kind > 2);
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: usize| {
            let mut header = tar::Header::new_ustar();
            let types =
                [tar::EntryType::Directory, tar::EntryType::Symlink, tar::EntryType::Regular];
            header.set_entry_type(types[kind]);
            header.set_path(name).unwrap();
            header.set_mode(0o700);
            header.set_size(0);
            if kind == 1 {
                header.set_link_name(name.replace('/', "-")).unwrap();
            }
            header.set_cksum();
            tar.get_mut().write_all(header.as_bytes()).unwrap();
        };
        for (at, name) in NAMES.into_iter().enumerate() {
            if !name.match_indices('/').all(|(slash, _)| is_dir(&name[..slash])) {
                continue;
            }
            let (parent, last) = name.rsplit_once('/').unwrap_or((".", name));
            if whiteouts[at] {
                add(&format!("{parent}/.wh.{last}"), 2);
            }
            if opaque[at] && is_dir(name) {
                add(&format!("{name}/.wh..wh..opq"), 2);
            }
            if kinds[at] <= 2 {
                add(name, kinds[at]);
            }
        }
        MemoryBlob::new(MediaType::LAYER, tar.into_inner().unwrap())
    }

    proptest! {
        #[test]
        fn a_stack_has_what_a_merge_has(
            layers in proptest::collection::vec(
                (
                    proptest::array::uniform8(0..5_usize),
                    proptest::array::uniform8(proptest::bool::weighted(0.2)),
                    proptest::array::uniform8(proptest::bool::weighted(0.1)),
                ),
                0..5,
            ),
        ) {
            let layers: Vec<_> = layers.into_iter().map(|(a, b, c)| layer(a, b, c)).collect();
            let indexes = layers.iter().rev().map(|layer| Arc::new(index::read(layer).unwrap()));
            let (stack, mut lookup) = (Stack::new(indexes.collect()), Lookup::default());
            let mut merge = Merge::default();
            let files = LayerFiles::read(&layers, &Pool::new(1), ReadFiles::default()).unwrap();
            for (number, files) in files.into_iter().enumerate() {
                merge.begin(number);
                files.into_members().for_each(|member| drop(merge.apply(member).unwrap()));
            }
            for name in NAMES {
                let path = LayerPath::parse_member(name.as_bytes()).unwrap();
                let merged = merge.get(&path).map(|placed| match &placed.file.kind {
                    Kind::Directory => Lower::Directory(placed.file.offset().map(|_| BaseDirectory {
                        mode: placed.file.mode.into(),
                        uid: 0,
                        gid: 0,
                        mtime: 0,
                        xattrs: Default::default(),
                    })),
                    Kind::Symlink(target) => Lower::Symlink(target.to_vec()),
                    _ => Lower::File,
                });
                prop_assert_eq!(lookup.find(&stack, &path), merged, "{}", name);
            }
        }
    }
}
