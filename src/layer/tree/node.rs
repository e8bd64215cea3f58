//! Nodes: what one mapping provides at one path of a layer.

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

/// The node at each path.
pub(crate) type Nodes = ByPath<Node>;

/// What one mapping provides at one path.
pub(crate) struct Node {
    pub(crate) entry: Entry,
    pub(crate) certainty: Certainty,
    /// Whether it is a directory that exists because something is in it, and that the base also
    /// has. It belongs to the base, so permission rules do not apply.
    pub(crate) of_base: bool,
    /// The path as given, if the base moves it.
    pub(crate) given: Option<Box<LayerPath>>,
    /// The index of the mapping that brought it.
    pub(crate) mapping: usize,
    /// Identifies the file of the mapping. Names of the same file are hard links of each other.
    pub(crate) linked: Option<Box<Linked>>,
}

impl HasPath for Node {
    fn path(&self) -> &LayerPath {
        &self.entry.path
    }
}

/// For a file of a folder, its device and inode. For a file of a tar, 0 and its offset in the tar.
pub(crate) type Linked = (u64, u64);

/// How much is known of a directory's attributes. If two mappings provide the same directory, the
/// one that knows more takes precedence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// It exists because something is in it.
    Implied,
    /// It is in a source folder, and has the default attributes.
    Found,
    /// A mapping or a tar sets its attributes.
    Said,
}

/// The nodes for the files that were found in a folder.
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
    /// What the mapping with this index provides at this path.
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
                reason: "is the root, which is a directory: use a path in it",
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

    /// The root exists in every image. It only has an entry if its attributes are set.
    pub(crate) fn is_in_layer(&self) -> bool {
        !self.entry.path.is_root() || self.certainty == Certainty::Said
    }
}

/// The name of one side of a conflict in messages.
pub(crate) fn describe(files: &[FileMapping], node: &Node) -> String {
    let mapping = files[node.mapping].describe();
    match &node.entry.kind {
        Kind::File(Content::File(file)) => format!("{:?}", file.path),
        Kind::File(Content::Bytes(_)) | Kind::Whiteout => mapping,
        kind if node.certainty == Certainty::Implied => {
            format!("a {} that contains {mapping}", kind.describe())
        }
        kind => {
            let Entry { mode, uid, gid, .. } = node.entry;
            format!("{mapping} (a {}, mode {mode:04o}, owner {uid}:{gid})", kind.describe())
        }
    }
}
