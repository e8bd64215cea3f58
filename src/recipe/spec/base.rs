//! The part of a recipe about the layers below: their digests, and those of their entries on which
//! the layer depends.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    basics::{Digest, ParseDigestError, Result},
    recipe::{
        base_files::BaseFiles,
        base_index::{BaseDirectory, BaseEntry, BaseIndex},
        spec::{
            members::{Members, each, object},
            values,
        },
    },
    tarfile::LayerPath,
};

const ENTRY_MEMBERS: &[&str] =
    &["path", "file", "symlink", "mode", "uid", "gid", "mtime", "xattrs"];

pub(crate) fn read(value: Value) -> Result<BaseFiles> {
    let mut base = Members::new("base".to_owned(), value, &[&["layers", "entries"]])?;
    let layers = base.take("layers", digests)?.unwrap_or_default();
    let entries = each(base.take("entries", values::list)?, entry)?;
    Ok(BaseFiles::recorded(layers, BaseIndex::from_entries(entries.into_iter().collect())))
}

fn digests(value: Value) -> Result<Vec<Digest>, String> {
    let digest = |text: String| text.parse().map_err(|error: ParseDigestError| error.to_string());
    values::strings(value)?.into_iter().map(digest).collect()
}

fn entry(index: usize, value: Value) -> Result<(LayerPath, BaseEntry)> {
    let mut entry = Members::new(format!("base, entries[{index}]"), value, &[ENTRY_MEMBERS])?;
    let Some(path) = entry.take("path", values::path)? else {
        return Err(entry.refuse("it has no path: add one"));
    };
    let path = LayerPath::parse(&path)?;
    if let Some(target) = entry.take("symlink", values::path)? {
        return Ok((path, BaseEntry::Symlink(target.into_os_string().into_encoded_bytes())));
    }
    if entry.take("file", values::boolean)? == Some(true) {
        return Ok((path, BaseEntry::File));
    }
    let Some(mode) = entry.take("mode", values::mode)? else {
        return Ok((path, BaseEntry::ImpliedDirectory));
    };
    let xattrs = entry.take("xattrs", values::xattrs)?.unwrap_or_default();
    let directory = BaseDirectory {
        mode,
        uid: entry.take("uid", values::number)?.unwrap_or(0),
        gid: entry.take("gid", values::number)?.unwrap_or(0),
        mtime: entry.take("mtime", values::seconds)?.unwrap_or(0),
        xattrs: xattrs
            .into_iter()
            .map(|(name, value)| (name.into_encoded_bytes(), value))
            .collect(),
    };
    Ok((path, BaseEntry::Directory(directory)))
}

/// # Errors
///
/// A sentence, for layers that are not recorded for a recipe.
pub(crate) fn write(base: &BaseFiles) -> Result<Value, String> {
    let Some((layers, entries)) = base.record() else {
        return Err(
            "a specification cannot contain the layers of a base: pass them as the base".to_owned()
        );
    };
    let layers: Vec<_> = layers.iter().map(Digest::to_string).collect();
    let entries = entries.entries().iter().map(|(path, entry)| write_entry(&path.to_path(), entry));
    Ok(json!({ "layers": layers, "entries": entries.collect::<Result<Vec<_>, _>>()? }))
}

fn write_entry(path: &Path, entry: &BaseEntry) -> Result<Value, String> {
    let path = values::from_path(path);
    Ok(match entry {
        BaseEntry::Symlink(target) => {
            json!({ "path": path, "symlink": values::from_path(&values::os_path(target)) })
        }
        BaseEntry::File => json!({ "path": path, "file": true }),
        BaseEntry::ImpliedDirectory => json!({ "path": path }),
        BaseEntry::Directory(BaseDirectory { mode, uid, gid, mtime, xattrs }) => {
            let named = |(name, value): (&Vec<u8>, &Vec<u8>)| {
                (values::os_path(name).into_os_string(), value.clone())
            };
            let xattrs: BTreeMap<_, _> = xattrs.iter().map(named).collect();
            object([
                ("path", path),
                ("mode", values::from_mode(*mode)),
                ("uid", (*uid).into()),
                ("gid", (*gid).into()),
                ("mtime", (*mtime).into()),
                (
                    "xattrs",
                    if xattrs.is_empty() { Value::Null } else { values::from_xattrs(&xattrs)? },
                ),
            ])
        }
    })
}
