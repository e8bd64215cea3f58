//! Paths of a Nix store, and the database that knows their references.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, limits::Limit};

use crate::sbom::package::{Package, PackageKind, purl};

/// The package of a store path: `/nix/store/HASH-NAME-VERSION`.
pub(crate) fn package(path: &Path, layer: usize) -> Option<Package> {
    let (hash, whole) = path.file_name()?.to_str()?.split_once('-')?;
    if hash.len() != 32 || whole.ends_with(".drv") {
        return None;
    }
    let (name, version) = name_and_version(whole);
    Some(Package {
        purl: purl(PackageKind::Nix, None, name, version, &[("hash", Some(hash))])?,
        kind: PackageKind::Nix,
        name: name.to_owned(),
        version: version.to_owned(),
        licence: None,
        path: path.to_owned(),
        layer,
        references: Vec::new(),
        nar_hash: None,
    })
}

/// As Nix splits a name: the version begins after the first dash that no letter follows.
fn name_and_version(whole: &str) -> (&str, &str) {
    let begins =
        |&(at, _): &(usize, &str)| whole[at + 1..].starts_with(|c: char| !c.is_ascii_alphabetic());
    match whole.match_indices('-').find(begins) {
        Some((at, _)) => (&whole[..at], &whole[at + 1..]),
        None => (whole, ""),
    }
}

/// Adds what a database says to the packages. It may come from a stranger: values have at most a
/// megabyte, and the number of steps is limited, whatever its tables compute. The error is a
/// message.
pub(crate) fn add_database(bytes: &[u8], packages: &mut [Package]) -> Result<(), String> {
    let (paths, references) = rows(bytes).map_err(|error| error.to_string())?;
    let at: BTreeMap<PathBuf, usize> =
        packages.iter().enumerate().map(|(at, package)| (package.path.clone(), at)).collect();
    let mut by_id = BTreeMap::new();
    for (id, path, hash) in paths {
        if let Some(&at) = at.get(Path::new(&path)) {
            packages[at].nar_hash = hash.strip_prefix("sha256:").map(str::to_owned);
            by_id.insert(id, at);
        }
    }
    for (from, to) in references {
        if let (Some(&from), Some(&to)) = (by_id.get(&from), by_id.get(&to))
            && from != to
        {
            let purl = packages[to].purl.clone();
            packages[from].references.push(purl);
        }
    }
    for package in packages {
        package.references.sort();
        package.references.dedup();
    }
    Ok(())
}

type Rows = (Vec<(i64, String, String)>, Vec<(i64, i64)>);

fn rows(bytes: &[u8]) -> rusqlite::Result<Rows> {
    /// Far more than a million paths take.
    const MOST_STEPS: u32 = 200_000;
    let mut connection = Connection::open_in_memory()?;
    connection.deserialize_read_exact("main", bytes, bytes.len(), true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20)?;
    let mut steps = 0;
    let ends = move || {
        steps += 1;
        steps > MOST_STEPS
    };
    connection.progress_handler(1000, Some(ends))?;
    let mut paths = connection.prepare("select id, path, hash from ValidPaths")?;
    let paths = paths
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>();
    let mut references = connection.prepare("select referrer, reference from Refs")?;
    let references = references
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>();
    Ok((paths?, references?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `builtins.parseDrvName` of Nix 2.8 splits them.
    #[test]
    fn versions_begin_where_nix_says() {
        for (whole, name, version) in [
            ("hello-2.12", "hello", "2.12"),
            ("nix-js-3.0", "nix-js", "3.0"),
            ("glibc-2.38-44", "glibc", "2.38-44"),
            ("bash", "bash", ""),
            ("openssl-3.0.12-dev", "openssl", "3.0.12-dev"),
            ("a-", "a-", ""),
        ] {
            assert_eq!(name_and_version(whole), (name, version), "{whole}");
        }
    }
}
