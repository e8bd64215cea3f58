//! The units of layers: store paths, or several paths that a hint or a cycle of references keeps
//! together.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    closure::{
        graph::{ReferenceGraph, StorePath, subject},
        options::ClosureOptions,
    },
};

/// One or several paths that are never separated.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// Sorted by name.
    pub(crate) paths: Vec<&'a Path>,
    /// In bytes. A float, because a sum of untrusted sizes has no limit.
    pub(crate) size: f64,
    /// The units that this one refers to, without itself.
    pub(crate) references: Vec<usize>,
    /// Whether it gets a separate layer.
    pub(crate) is_alone: bool,
    /// Units that stand alone divide the others into levels: a unit above such a unit has a higher
    /// level than the units below it. Only units of the same level may share a layer. Thus every
    /// layer stays above those that it refers to, and no more layers are needed than the hints
    /// themselves require.
    pub(crate) level: usize,
}

impl Unit<'_> {
    /// Whether both may share a layer.
    pub(crate) fn may_join(&self, other: &Self) -> bool {
        !self.is_alone && !other.is_alone && self.level == other.level
    }
}

/// Returns the units of a graph, each after those that it refers to.
///
/// The order depends on names and references. The hash part of a path only decides between equal
/// names, because a change gives every path above it a new hash.
pub(crate) fn units<'a>(
    graph: &'a ReferenceGraph,
    options: &ClosureOptions,
) -> Result<Vec<Unit<'a>>> {
    let (paths, known): (Vec<&Path>, Vec<&StorePath>) = by_name(graph).into_iter().unzip();
    let index: HashMap<&Path, usize> =
        paths.iter().enumerate().map(|(index, path)| (*path, index)).collect();
    let indexes = |known: &&StorePath| {
        let mut indexes: Vec<_> =
            known.references.iter().map(|path| index[path.as_path()]).collect();
        indexes.sort_unstable();
        indexes
    };
    let references: Vec<_> = known.iter().map(indexes).collect();
    let links = with_hints(&references, graph, &options.together, &index)?;

    let components = components(&links);
    let mut unit_of = vec![0; paths.len()];
    for (unit, members) in components.iter().enumerate() {
        members.iter().for_each(|&path| unit_of[path] = unit);
    }
    let mut units: Vec<Unit> = Vec::with_capacity(components.len());
    for (unit, members) in components.into_iter().enumerate() {
        let mut below: Vec<_> =
            members.iter().flat_map(|&path| &references[path]).map(|&path| unit_of[path]).collect();
        below.sort_unstable();
        below.dedup();
        below.retain(|&reference| reference != unit);
        let size = members.iter().map(|&path| known[path].size as f64).sum();
        let members = members.into_iter().map(|path| paths[path]).collect();
        units.push(Unit { paths: members, size, references: below, is_alone: false, level: 1 });
    }
    stand_alone(&mut units, graph, &options.alone, |path| unit_of[index[path]])?;
    Ok(units)
}

fn by_name(graph: &ReferenceGraph) -> Vec<(&Path, &StorePath)> {
    let mut paths: Vec<_> =
        graph.paths.iter().map(|(path, known)| (path.as_path(), known)).collect();
    paths.sort_by_cached_key(|(path, _)| (name(path), *path));
    paths
}

/// Returns the name of a store path: its base name without the hash part, which is 32 characters
/// and a dash. The name of any other path is its base name.
pub(crate) fn name(path: &Path) -> &[u8] {
    let base = path.file_name().unwrap_or_default().as_encoded_bytes();
    match base.split_at_checked(32) {
        Some((hash, [b'-', name @ ..])) if hash.iter().all(|byte| byte.is_ascii_alphanumeric()) => {
            name
        }
        _ => base,
    }
}

/// Returns the references, plus a cycle through each list of paths that stay together. The paths
/// between them are then in the cycle too.
fn with_hints(
    references: &[Vec<usize>],
    graph: &ReferenceGraph,
    together: &[Vec<PathBuf>],
    index: &HashMap<&Path, usize>,
) -> Result<Vec<Vec<usize>>> {
    let mut links = references.to_vec();
    for list in together {
        list.iter().try_for_each(|path| graph.references(path).map(|_| ()))?;
        for (path, next) in list.iter().zip(list.iter().cycle().skip(1)) {
            links[index[path.as_path()]].push(index[next.as_path()]);
        }
    }
    Ok(links)
}

/// Marks the units that stand alone, and sets the level of every unit.
fn stand_alone(
    units: &mut [Unit],
    graph: &ReferenceGraph,
    alone: &[PathBuf],
    unit_of: impl Fn(&Path) -> usize,
) -> Result<()> {
    for path in alone {
        graph.references(path)?;
        let unit = &mut units[unit_of(path)];
        if let Some(other) = unit.paths.iter().find(|other| *other != path) {
            let reason = format!(
                "it cannot stand alone: a hint or a cycle of references puts {other:?} into its \
                 layer; remove one of the hints"
            );
            return Err(Error::invalid(subject(path), reason));
        }
        unit.is_alone = true;
    }
    for index in 0..units.len() {
        let (below, rest) = units.split_at_mut(index);
        let unit = &mut rest[0];
        let level_above = |&reference: &usize| {
            let below: &Unit = &below[reference];
            below.level + usize::from(below.is_alone && !unit.is_alone)
        };
        let least = usize::from(!unit.is_alone);
        unit.level = unit.references.iter().map(level_above).max().unwrap_or(least).max(least);
    }
    Ok(())
}

/// Returns the strongly connected components of a graph, each after those that it refers to, with
/// members in ascending order. This is Tarjan's algorithm with a list instead of recursion, because
/// a chain of references can have any length.
fn components(links: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NOT_SEEN: usize = usize::MAX;
    // The number of a node is the number of its visit. Its root is the lowest number on the stack
    // that it is known to reach.
    let (mut number, mut root) = (vec![NOT_SEEN; links.len()], vec![NOT_SEEN; links.len()]);
    let mut is_done = vec![false; links.len()];
    let (mut visits, mut stack, mut components) = (0, Vec::new(), Vec::new());
    for start in 0..links.len() {
        // The nodes being visited, and how many of their links were followed.
        let mut visiting = if number[start] == NOT_SEEN { vec![(start, 0)] } else { Vec::new() };
        while let Some((node, followed)) = visiting.pop() {
            if followed == 0 {
                (number[node], root[node]) = (visits, visits);
                visits += 1;
                stack.push(node);
            } else {
                let reached = links[node][followed - 1];
                if !is_done[reached] {
                    root[node] = root[node].min(root[reached]);
                }
            }
            if let Some(&next) = links[node].get(followed) {
                visiting.push((node, followed + 1));
                if number[next] == NOT_SEEN {
                    visiting.push((next, 0));
                }
            } else if root[node] == number[node] {
                let first = stack
                    .iter()
                    .rposition(|&member| member == node)
                    .expect("a visited node is on the stack");
                let mut component = stack.split_off(first);
                component.iter().for_each(|&member| is_done[member] = true);
                component.sort_unstable();
                components.push(component);
            }
        }
    }
    components
}
