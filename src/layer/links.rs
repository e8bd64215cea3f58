//! Hard links: those of a source, and those between equal files.

use std::collections::{BTreeMap, HashMap};

use crate::{
    basics::{Digest, Hasher, Result},
    layer::{
        entry::{Content, Entry, Kind, same_attributes},
        tree::node::{Linked, Node},
    },
};

/// Converts nodes to entries, in the same parts. The first name of a file, in layer order, becomes
/// the file; its other names become hard links to it, because readers need the target of a link
/// before the link.
pub(crate) fn link(
    nodes: impl Iterator<Item = impl Iterator<Item = Node>>,
    identical: bool,
) -> Result<Vec<Vec<Entry>>> {
    // By the index of the mapping, and the file.
    let mut firsts_of: HashMap<(usize, Linked), Vec<At>> = HashMap::new();
    let mut entries: Vec<Vec<Entry>> = Vec::new();
    for (part, nodes) in nodes.enumerate() {
        entries.push(Vec::with_capacity(nodes.size_hint().1.unwrap_or_default()));
        for Node { mut entry, linked, mapping, .. } in nodes {
            if let (Some(linked), Kind::File(_)) = (linked, &entry.kind) {
                let firsts = firsts_of.entry((mapping, *linked)).or_default();
                // A file has one set of attributes, but a rule or a mapping may have set different
                // ones for its names.
                let mut first_entries = firsts.iter().map(|&(part, index)| &entries[part][index]);
                match first_entries.find(|first| same_attributes(first, &entry)) {
                    Some(first) => entry.kind = Kind::HardLink(first.path.clone()),
                    None => firsts.push((part, entries[part].len())),
                }
            }
            entries[part].push(entry);
        }
    }
    if identical {
        link_identical(&mut entries)?;
    }
    Ok(entries)
}

/// The index of a part, and the index of an entry in it.
type At = (usize, usize);

/// Links equal files. Files of equal size are read twice, which happens only here.
fn link_identical(entries: &mut [Vec<Entry>]) -> Result<()> {
    let mut by_size: BTreeMap<u64, Vec<At>> = BTreeMap::new();
    for (part, entries) in entries.iter().enumerate() {
        for (index, entry) in entries.iter().enumerate() {
            if let Kind::File(content) = &entry.kind
                && content.size() > 0
            {
                by_size.entry(content.size()).or_default().push((part, index));
            }
        }
    }
    for group in by_size.into_values().filter(|group| group.len() > 1) {
        let mut firsts: HashMap<Digest, Vec<At>> = HashMap::new();
        for at in group {
            let entry = &entries[at.0][at.1];
            let Kind::File(content) = &entry.kind else { continue };
            let firsts = firsts.entry(digest(content)?).or_default();
            let mut first_entries = firsts.iter().map(|&(part, index)| &entries[part][index]);
            match first_entries.find(|first| same_attributes(first, entry)) {
                Some(first) => entries[at.0][at.1].kind = Kind::HardLink(first.path.clone()),
                None => firsts.push(at),
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
