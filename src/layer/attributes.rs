//! Mode, owner, time and extended attributes: combines those of the source, the mapping and the
//! layer.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt, path::Path};

use rustix::fs::Stat;

use crate::{
    basics::{Error, Result},
    layer::{
        entry::{Entry, Kind},
        glob::{Globs, Use},
        representable,
    },
    recipe::{Attribute, Attributes, FileMapping, LayerOptions, PermissionRule},
    tarfile::{LayerPath, Xattrs, xattrs},
};

/// The attributes of a source, as far as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: i64,
    pub(crate) xattrs: Xattrs,
    pub(crate) place: Place,
}

/// The kind of place of a source, which determines the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// The mapping itself, which has no attributes to keep.
    #[default]
    Mapping,
    /// A file system.
    Folder,
    /// A tar, whose author chose the attributes.
    Tar,
}

impl Found {
    /// The attributes in a file system. Extended attributes are only read if they are kept, because
    /// that takes two system calls for each file.
    #[allow(clippy::unnecessary_cast, reason = "these types are not the same on every system")]
    pub(crate) fn in_folder(
        path: &Path,
        stat: &Stat,
        mapping: &FileMapping,
        follow: bool,
    ) -> Result<Self> {
        let keep = mapping.attributes.xattrs == Attribute::Keep;
        let xattrs = if keep { xattrs::read(path, follow)? } else { Xattrs::default() };
        Ok(Self {
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid.into(),
            gid: stat.st_gid.into(),
            mtime: stat.st_mtime as i64,
            xattrs,
            place: Place::Folder,
        })
    }
}

/// The mode in Nix's archive format, which only records whether the owner can execute a file.
pub(crate) fn normal_mode(kind: &Kind, mode: u32) -> u32 {
    match kind {
        Kind::Directory => 0o755,
        Kind::Symlink(_) => 0o777,
        _ if mode & 0o100 != 0 => 0o755,
        _ => 0o644,
    }
}

/// Computes the attributes of the entry.
pub(crate) fn resolve(
    path: LayerPath,
    kind: Kind,
    wanted: &Attributes,
    found: Found,
    options: &LayerOptions,
) -> Result<Entry> {
    fn choose<T: Clone>(wanted: &Attribute<T>, normal: T, found: T, place: Place) -> T {
        match (wanted, place) {
            (Attribute::Set(value), _) => value.clone(),
            (Attribute::Keep, Place::Folder | Place::Tar) | (Attribute::Normal, Place::Tar) => {
                found
            }
            (Attribute::Keep, Place::Mapping) | (Attribute::Normal, _) => normal,
        }
    }
    let mode = match &wanted.mode {
        _ if matches!(kind, Kind::Symlink(_)) => 0o777,
        Attribute::Set(mode) if *mode > 0o7777 => {
            return Err(no_mode(*mode, format!("{:?}", path.to_path())));
        }
        // The mode is meant for files: everyone who can read a directory can also enter it.
        Attribute::Set(mode) if kind == Kind::Directory && found.place != Place::Mapping => {
            mode | (mode & 0o444) >> 2
        }
        mode => choose(mode, normal_mode(&kind, found.mode), found.mode, found.place),
    };
    let xattrs = match &wanted.xattrs {
        Attribute::Set(xattrs) => {
            let bytes =
                xattrs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone()));
            bytes.collect::<BTreeMap<_, _>>().into()
        }
        wanted => {
            // `wanted` is not a value here, so the type of the value does not matter.
            let wanted =
                if *wanted == Attribute::Keep { Attribute::Keep } else { Attribute::Normal };
            choose(&wanted, Xattrs::default(), found.xattrs, found.place)
        }
    };
    if let Err((name, reason)) = xattrs::check(&xattrs) {
        let what = format!("extended attribute {} of {:?}", xattrs::shown(name), path.to_path());
        return Err(Error::invalid(what, reason));
    }
    let entry = Entry {
        mode,
        uid: choose(&wanted.uid, options.owner.0, found.uid, found.place),
        gid: choose(&wanted.gid, options.owner.1, found.gid, found.place),
        mtime: choose(&wanted.mtime, options.mtime, found.mtime, found.place),
        xattrs,
        path,
        kind,
    };
    representable::check(&entry)?;
    Ok(entry)
}

fn no_mode(mode: u32, of: String) -> Error {
    Error::invalid(
        format!("mode {mode:o} of {of}"),
        "a mode has at most four octal digits, as in 0755 or 1777",
    )
}

/// Permission rules, in the order in which they apply.
pub(crate) struct Rules(Vec<(PermissionRule, Globs)>);

impl Rules {
    pub(crate) fn new(rules: &[PermissionRule]) -> Result<Self> {
        let globs = |rule: &PermissionRule| match rule.mode {
            Some(mode) if mode > 0o7777 => {
                Err(no_mode(mode, format!("the rule for {:?}", rule.glob)))
            }
            _ => Ok((rule.clone(), Globs::new([&rule.glob], Use::Rule)?)),
        };
        rules.iter().map(globs).collect::<Result<_>>().map(Self)
    }

    /// The rules with their globs, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(PermissionRule, Globs)> {
        self.0.iter()
    }

    /// Whether a rule sets the mode of this path.
    pub(crate) fn sets_mode(&self, path: &LayerPath) -> bool {
        let path = path.to_path();
        let path = path.strip_prefix("/").unwrap_or(&path);
        self.0.iter().any(|(rule, globs)| rule.mode.is_some() && globs.is_match(path))
    }

    /// Applies the rules to an entry whose path matches. If the base moved the entry, the given
    /// path counts. Links have no mode, and the attributes of whiteouts are never read.
    pub(crate) fn apply(&self, entry: &mut Entry, given: Option<&LayerPath>) {
        if self.0.is_empty() || entry.kind == Kind::Whiteout {
            return;
        }
        let paths = [Some(&entry.path), given].map(|path| path.map(|path| path.to_path()));
        let is_match = |globs: &Globs| {
            let mut paths =
                paths.iter().flatten().map(|path| path.strip_prefix("/").unwrap_or(path));
            paths.any(|path| globs.is_match(path))
        };
        for (rule, _) in self.0.iter().filter(|(_, globs)| is_match(globs)) {
            if let (Some(mode), false) = (rule.mode, matches!(entry.kind, Kind::Symlink(_))) {
                entry.mode = mode;
            }
            entry.uid = rule.uid.unwrap_or(entry.uid);
            entry.gid = rule.gid.unwrap_or(entry.gid);
        }
    }
}
