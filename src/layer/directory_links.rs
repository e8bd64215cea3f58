//! Symbolic links of a layer that are kept if other mappings have directories at their paths.

use std::collections::{HashMap, HashSet};

use crate::{
    basics::{Error, Result},
    layer::{entry::Kind, tree::node::Node},
    tarfile::{LayerPath, follow},
};

/// Moves nodes below a link into the target of the link. A directory at the path of a link is
/// replaced by the link, and is created at the target if there is no other, as with `tar
/// --keep-directory-symlink` and `rsync --keep-dirlinks`.
///
/// # Errors
///
/// [`Error::Invalid`] for a path through broken links.
pub(crate) fn behind_links(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let target = |node: &Node| match &node.entry.kind {
        Kind::Symlink(target) => Some((node.entry.path.clone(), target.clone())),
        _ => None,
    };
    let links: HashMap<_, _> = nodes.iter().filter_map(target).collect();
    let target_of = |path: &LayerPath| Ok::<_, String>(links.get(path).cloned());
    let mut there = HashSet::new();
    let (mut placed, mut directories) = (Vec::with_capacity(nodes.len()), Vec::new());
    for mut node in nodes {
        let path = &node.entry.path;
        let refuse =
            |reason: &str| Error::invalid(format!("destination {:?}", path.to_path()), reason);
        let lead = |path: &LayerPath| {
            follow(path, &LayerPath::root(), target_of)
                .map_err(|reason| refuse(&format!("it {reason}")))
        };
        if path.is_root() {
            placed.push(node);
            continue;
        }
        if node.entry.kind == Kind::Directory {
            let at = lead(path)?;
            if at != *path {
                node.entry.path = at;
                directories.push(node);
                continue;
            }
        } else {
            let parent = path.parent();
            let at = lead(&parent)?;
            if at != parent {
                node.entry.path = path.moved_to(&at);
            }
        }
        there.insert(node.entry.path.clone());
        placed.push(node);
    }
    for node in directories {
        if there.insert(node.entry.path.clone()) {
            placed.push(node);
        }
    }
    Ok(placed)
}
