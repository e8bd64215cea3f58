//! Paths of a Nix store, and the database that knows their references.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::sbom::{
    database,
    package::{Package, PackageKind, purl},
};

/// The package of a store path: `/nix/store/HASH-NAME-VERSION`.
pub(crate) fn package(path: &Path, layer: usize) -> Option<Package> {
    let (hash, whole) = path.file_name()?.to_str()?.split_once('-')?;
    if hash.len() != 32 || whole.ends_with(".drv") {
        return None;
    }
    let (name, version) = name_and_version(whole);
    let purl = purl(PackageKind::Nix, None, name, version, &[("hash", Some(hash))])?;
    Some(Package::new(PackageKind::Nix, purl, (name, version), (path, layer)))
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

/// Adds what a database says to the packages. It may come from a stranger: only what belongs to a
/// package is kept. The error is a message.
pub(crate) fn add_database(bytes: &[u8], packages: &mut [Package]) -> Result<(), String> {
    let at: BTreeMap<&Path, usize> =
        packages.iter().enumerate().map(|(at, package)| (&*package.path, at)).collect();
    let connection = database::open(bytes, &["ValidPaths", "Refs"])?;
    let (hashes, references) = rows(&connection, &at).map_err(|error| error.to_string())?;
    let hashes = hashes
        .into_iter()
        .filter_map(|(at, hash)| hash.strip_prefix("sha256:").map(|hash| (at, hash.to_owned())));
    add(packages, hashes.collect(), references);
    Ok(())
}

/// What Nix knows of a store path.
pub(crate) struct StorePath {
    pub(crate) path: PathBuf,
    /// The SHA-256 of its Nix archive, in base 16.
    pub(crate) nar_hash: String,
    pub(crate) references: BTreeSet<PathBuf>,
}

/// Adds what a graph says to the packages, which may be in any order.
pub(crate) fn add_graph(graph: &[StorePath], packages: &mut [Package]) {
    let at: BTreeMap<PathBuf, usize> =
        packages.iter().enumerate().map(|(at, package)| (package.path.clone(), at)).collect();
    let (mut hashes, mut references) = (BTreeMap::new(), BTreeSet::new());
    for (info, from) in graph.iter().filter_map(|info| Some((info, *at.get(&info.path)?))) {
        hashes.insert(from, info.nar_hash.clone());
        references.extend(info.references.iter().filter_map(|to| Some((from, *at.get(to)?))));
    }
    add(packages, hashes, references);
}

fn add(
    packages: &mut [Package],
    hashes: BTreeMap<usize, String>,
    references: BTreeSet<(usize, usize)>,
) {
    let purls: Vec<String> = packages.iter().map(|package| package.purl.clone()).collect();
    for (at, hash) in hashes {
        packages[at].nar_hash = Some(hash);
        packages[at].references.clear();
    }
    for (from, to) in references.into_iter().filter(|(from, to)| from != to) {
        packages[from].references.push(purls[to].clone());
    }
    packages.iter_mut().for_each(|package| package.references.sort());
}

/// The hashes of packages and the references between them, by the numbers of the packages.
type Rows = (BTreeMap<usize, String>, BTreeSet<(usize, usize)>);

/// What all paths together may have.
const MOST_BYTES: usize = 1 << 30;

fn rows(connection: &Connection, at: &BTreeMap<&Path, usize>) -> rusqlite::Result<Rows> {
    let (mut ids, mut hashes) = (BTreeMap::new(), BTreeMap::new());
    let mut paths = connection.prepare("select id, path, hash from ValidPaths")?;
    let mut rows = paths.query([])?;
    // Many rows may have the same pages.
    let mut left = MOST_BYTES;
    while let Some(row) = rows.next()? {
        let path = row.get_ref(1)?.as_str()?;
        left = left.checked_sub(path.len()).ok_or(rusqlite::Error::InvalidQuery)?;
        if let Some(&at) = at.get(Path::new(path)) {
            hashes.insert(at, row.get(2)?);
            ids.insert(row.get::<_, i64>(0)?, at);
            // A path has one row.
            if ids.len() > hashes.len() {
                return Err(rusqlite::Error::InvalidQuery);
            }
        }
    }
    let mut references = BTreeSet::new();
    let mut pairs = connection.prepare("select referrer, reference from Refs")?;
    let mut rows = pairs.query([])?;
    while let Some(row) = rows.next()? {
        let (from, to) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
        if let (Some(&from), Some(&to)) = (ids.get(&from), ids.get(&to)) {
            references.insert((from, to));
        }
    }
    Ok((hashes, references))
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

    /// Tables that compute their rows for ever or make large ones, and tables of another form.
    #[test]
    fn a_hostile_database_is_given_up() {
        let path = Path::new("/nix/store/3n58xw4373jp0ljirf06d8077j15pc4j-a-1");
        let computed = "no table ValidPaths whose values are stored";
        for (table, expected) in [
            ("view ValidPaths as select 1 id, 'x' path, hex(zeroblob(5)) hash", computed),
            ("table ValidPaths (id, path, hash as (hex(zeroblob(5))))", computed),
            ("table ValidPaths (id, path, hash as (hex(zeroblob(5))) stored)", computed),
            ("virtual table ValidPaths using fts5(id, path, hash)", computed),
            ("table Others (id)", computed),
            ("table ValidPaths (id)", "no such column"),
            ("table ValidPaths as select 1 id, 2 path, 3 hash", "Invalid"),
            ("table ValidPaths as select 1 id, zeroblob(2000000) path, 'h' hash", "too big"),
        ] {
            let mut connection = Connection::open_in_memory().unwrap();
            let tables = format!("create {table}; create table Refs (referrer, reference);");
            connection.execute_batch(&tables).unwrap();
            let bytes = connection.serialize("main").unwrap().to_vec();
            let mut packages = [package(path, 0).unwrap()];
            let error = add_database(&bytes, &mut packages).unwrap_err();
            assert!(error.contains(expected), "{table}: {error}");
        }
    }
}
