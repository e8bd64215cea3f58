//! Trees above a base: where entries land, and what of the base they keep or replace.

use crate::{
    basics::{Error, Result, Warning},
    layer::{
        base::{Places, Removal, Shape},
        entry::{Content, Entry, Kind},
        tree::node::{Node, Nodes, describe},
    },
    recipe::{Attribute, Attributes, BaseDirectory, FileMapping, Source},
    tarfile::{LayerPath, xattrs},
};

/// The result of moving a node above a base.
pub(crate) enum Landed {
    Placed,
    /// A whiteout without effect, which may be a mistake.
    LeftOut(Option<Warning>),
}

/// Moves a node to its final path above the base. A directory of the base keeps all attributes that
/// are not set.
pub(crate) fn land(node: &mut Node, places: &mut Places, mapping: &FileMapping) -> Result<Landed> {
    let entry = &mut node.entry;
    let shape = match entry.kind {
        Kind::Directory => Shape::Directory,
        Kind::Symlink(_) => Shape::Symlink,
        _ => Shape::File,
    };
    let place = match entry.kind {
        Kind::Whiteout => {
            let place = places.of_whiteout(&entry.path)?;
            match places.removal(&place) {
                Removal::Something => places.hide(&place),
                Removal::Covered => return Ok(Landed::LeftOut(None)),
                Removal::Nothing => {
                    let path = entry.path.removed().unwrap_or_default().to_path();
                    return Ok(Landed::LeftOut(Some(Warning::WhiteoutOfNothing { path })));
                }
            }
            place
        }
        _ => places.of(&entry.path, shape, &|| source_of(&entry.kind, mapping))?,
    };
    if place != entry.path {
        node.given = Some(std::mem::replace(&mut entry.path, place).into());
    }
    // The author of a tar sets the attributes of its directories.
    if shape == Shape::Directory
        && !matches!(mapping.source, Source::Tar(_))
        && let Some(base) = places.attributes(&entry.path)
    {
        take_over(entry, base, &mapping.attributes);
    }
    Ok(Landed::Placed)
}

/// The name in messages of what would replace something of the base.
fn source_of(kind: &Kind, mapping: &FileMapping) -> String {
    match kind {
        Kind::File(Content::File(file)) => format!("{:?}", file.path),
        kind => format!("a {} of {}", kind.describe(), mapping.describe()),
    }
}

/// Copies those attributes of the base's directory that a mapping does not set.
pub(crate) fn take_over(entry: &mut Entry, base: BaseDirectory, set: &Attributes) {
    fn keep<S: PartialEq, T>(set: &Attribute<S>, attribute: &mut T, base: T) {
        if *set == Attribute::Normal {
            *attribute = base;
        }
    }
    // A layer below may have extended attributes of the machine that made it.
    let mut xattrs = base.xattrs.into();
    xattrs::without_the_machine(&mut xattrs);
    keep(&set.mode, &mut entry.mode, base.mode);
    keep(&set.uid, &mut entry.uid, base.uid);
    keep(&set.gid, &mut entry.gid, base.gid);
    keep(&set.mtime, &mut entry.mtime, base.mtime);
    keep(&set.xattrs, &mut entry.xattrs, xattrs);
}

/// Turns the whiteout of a directory of the base into an opaque one if the layer also has a
/// directory there. Otherwise overlay storage would show the directory of the lower layers again,
/// because the new directory replaces the whiteout.
pub(crate) fn empty_replaced_directories(nodes: &mut Nodes, places: &mut Places) {
    let paths = nodes.iter().map(|node| &node.entry.path);
    let whiteouts = paths.filter_map(|path| Some((path.clone(), path.removed()?)));
    let mut is_replaced = |path: &LayerPath| {
        nodes.get(path).is_some_and(|node| node.entry.kind == Kind::Directory)
            && places.has_directory(path)
    };
    let replaced: Vec<_> = whiteouts.filter(|(_, removed)| is_replaced(removed)).collect();
    for (whiteout, directory) in replaced {
        if let Some(mut node) = nodes.remove(&whiteout) {
            node.entry.path = directory.opaque_whiteout();
            let _ = nodes.try_insert(node);
        }
    }
}

/// Checks that the layer replaces no link of the base through which its own files pass.
pub(crate) fn check_followed(nodes: &Nodes, places: &Places, files: &[FileMapping]) -> Result<()> {
    for (link, target) in places.followed() {
        // With `replace`, a directory that contains the link may also be replaced.
        let mut above = link.ancestors().filter_map(|above| nodes.get(&above));
        let replacing = above.find(|above| above.entry.kind != Kind::Directory).or_else(|| {
            let node = nodes.get(link)?;
            (node.entry.kind != Kind::Symlink(target.to_vec())).then_some(node)
        });
        if let Some(node) = replacing {
            let target = String::from_utf8_lossy(target);
            let first = format!(
                "the base (a symbolic link to {target:?}, through which other destinations pass)"
            );
            return Err(Error::Conflict {
                destination: link.to_path(),
                first,
                second: describe(files, node),
            });
        }
    }
    Ok(())
}
