//! What one mapping brings to one path of a layer.

use walkdir::DirEntry;

use crate::{
    basics::{Error, Result},
    layer::{
        attributes::{Found, resolve},
        by_path::{ByPath, HasPath},
        entry::{Content, Entry, Kind},
        source_folder::{Folder, Looking},
    },
    recipe::{Attributes, FileMapping, HardLinks, LayerOptions, Source},
    tarfile::LayerPath,
};

/// What is at each path.
pub(crate) type Nodes = ByPath<Node>;

/// What one mapping brings to one path.
pub(crate) struct Node {
    pub(crate) entry: Entry,
    pub(crate) certainty: Certainty,
    /// It is there because something is in it, and the base has it too: it is the base's, whatever
    /// rules say.
    pub(crate) of_base: bool,
    /// The path as it was given, where the base moves it.
    pub(crate) given: Option<Box<LayerPath>>,
    /// The index of the mapping that brought it.
    pub(crate) mapping: usize,
    /// Which file of the mapping it is: names of one file are hard links of one another.
    pub(crate) linked: Option<Box<Linked>>,
}

impl HasPath for Node {
    fn path(&self) -> &LayerPath {
        &self.entry.path
    }
}

/// Of a folder's file its device and inode, of a tar's 0 and its place in the tar.
pub(crate) type Linked = (u64, u64);

/// How much is known of a directory's attributes; of two mappings that both bring it, the one that
/// knows more wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// It is there because something is in it.
    Implied,
    /// A source folder has it; its attributes are the normal ones.
    Found,
    /// Somebody said what it shall look like.
    Said,
}

/// What a folder brings to the places of what was found in it.
pub(crate) fn nodes_in(
    folder: &Folder,
    found: Vec<DirEntry>,
    options: &LayerOptions,
) -> Result<Vec<Node>> {
    let mut looking = Looking::new(folder);
    let node = |found| {
        let (path, kind, found) = looking.at(found)?;
        Node::new(folder.index, folder.mapping, options, path, kind, found)
    };
    found.into_iter().map(node).collect()
}

impl Node {
    /// What the mapping of this index brings to this path.
    pub(crate) fn new(
        index: usize,
        mapping: &FileMapping,
        options: &LayerOptions,
        path: LayerPath,
        kind: Kind,
        found: Found,
    ) -> Result<Self> {
        if path.is_root() && kind != Kind::Directory {
            return Err(Error::Destination {
                destination: mapping.destination.clone(),
                reason: "is the root, which is a directory: name a path in it",
            });
        }
        let in_folder = matches!(mapping.source, Source::Path(_));
        let certainty = if in_folder && mapping.attributes == Attributes::default() {
            Certainty::Found
        } else {
            Certainty::Said
        };
        let entry = resolve(path, kind, &mapping.attributes, found, options)?;
        let linked = match &entry.kind {
            Kind::File(Content::File(file)) if options.hard_links == Some(HardLinks::Keep) => {
                Some(file.inode().into())
            }
            _ => None,
        };
        Ok(Self { entry, certainty, of_base: false, given: None, mapping: index, linked })
    }

    /// The root is there in every image; only who says what it shall look like has an entry for it.
    pub(crate) fn is_in_layer(&self) -> bool {
        !self.entry.path.is_root() || self.certainty == Certainty::Said
    }
}

/// How a message names one side of a conflict.
pub(crate) fn describe(files: &[FileMapping], node: &Node) -> String {
    let mapping = files[node.mapping].describe();
    match &node.entry.kind {
        Kind::File(Content::File(file)) => format!("{:?}", file.path),
        Kind::File(Content::Bytes(_)) | Kind::Whiteout => mapping,
        kind if node.certainty == Certainty::Implied => {
            format!("a {} that holds {mapping}", kind.describe())
        }
        kind => {
            let Entry { mode, uid, gid, .. } = node.entry;
            format!("{mapping} (a {}, mode {mode:04o}, owner {uid}:{gid})", kind.describe())
        }
    }
}
