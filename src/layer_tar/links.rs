//! Hard links: those of a source, and those between files that are the same.

use std::collections::{BTreeMap, HashMap};

use crate::{
    digest::{Digest, Hasher},
    error::Result,
    layer_tar::{
        entry::{Content, Entry, Kind, same_attributes},
        tree::node::{Linked, Node},
    },
};

/// The nodes' entries, where of files that are one, all but the first in the layer's order are hard links to it:
/// readers want a link's target before the link.
pub(crate) fn link(nodes: impl Iterator<Item = Node>, identical: bool) -> Result<Vec<Entry>> {
    let mut firsts_of: HashMap<Linked, Vec<usize>> = HashMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for Node { mut entry, linked, .. } in nodes {
        if let (Some(linked), Kind::File(_)) = (linked, &entry.kind) {
            let firsts = firsts_of.entry(linked).or_default();
            // One inode has one set of attributes; a rule or a mapping may have set the names apart.
            match firsts.iter().find(|&&first| same_attributes(&entries[first], &entry)) {
                Some(&first) => entry.kind = Kind::HardLink(entries[first].path.clone()),
                None => firsts.push(entries.len()),
            }
        }
        entries.push(entry);
    }
    if identical {
        link_identical(&mut entries)?;
    }
    Ok(entries)
}

/// The one place where files are read twice: those that have another one's size.
fn link_identical(entries: &mut [Entry]) -> Result<()> {
    let mut by_size: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Kind::File(content) = &entry.kind
            && content.size() > 0
        {
            by_size.entry(content.size()).or_default().push(index);
        }
    }
    for group in by_size.into_values().filter(|group| group.len() > 1) {
        let mut firsts: HashMap<Digest, Vec<usize>> = HashMap::new();
        for index in group {
            let Kind::File(content) = &entries[index].kind else { continue };
            let firsts = firsts.entry(digest(content)?).or_default();
            match firsts.iter().find(|&&first| same_attributes(&entries[first], &entries[index])) {
                Some(&first) => entries[index].kind = Kind::HardLink(entries[first].path.clone()),
                None => firsts.push(index),
            }
        }
    }
    Ok(())
}

fn digest(content: &Content) -> Result<Digest> {
    let mut hasher = Hasher::default();
    content.for_each_part(|part| {
        hasher.update(part);
        true
    })?;
    Ok(hasher.finish().0)
}
