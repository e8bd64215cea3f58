//! Writes the database of the Nix store in an image.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};

use crate::{
    basics::error::{Error, Result},
    closure::graph::{ReferenceGraph, subject},
    nix::{attributes::Attributes, contents, path_info::PathInfo},
};

/// The number of the schema below. Nix has not changed it since 2015.
const SCHEMA: &str = "10";

/// The tables of Nix, with the names and types that its queries expect.
const TABLES: &str = "
    create table ValidPaths (
        id integer primary key autoincrement not null, path text unique not null,
        hash text not null, registrationTime integer not null, deriver text, narSize integer,
        ultimate integer, sigs text, ca text
    );
    create table Refs (
        referrer integer not null, reference integer not null,
        primary key (referrer, reference),
        foreign key (referrer) references ValidPaths(id) on delete cascade,
        foreign key (reference) references ValidPaths(id) on delete restrict
    );
    create index IndexReferrer on Refs(referrer);
    create index IndexReference on Refs(reference);
    create trigger DeleteSelfRefs before delete on ValidPaths begin
        delete from Refs where referrer = old.id and reference = old.id;
    end;
    create table DerivationOutputs (
        drv integer not null, id text not null, path text not null,
        primary key (drv, id),
        foreign key (drv) references ValidPaths(id) on delete cascade
    );
    create index IndexDerivationOutputs on DerivationOutputs(path);
";

/// Writes a folder that belongs at `/nix/var/nix` of an image: the database, in which the store
/// paths of its layers are valid, and roots that keep all of them in a garbage collection.
///
/// The bytes depend on the paths alone. SQLite is part of this program, all rows are inserted in
/// the order of the paths, and the time of registration is 1.
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid attribute, and for a path that refers to another one that no
/// layer holds; [`Error::Write`].
pub fn database(attributes: &Attributes) -> Result<()> {
    let list = attributes.graph()?;
    let mut registered = PathInfo::list(&list)?;
    let graph = ReferenceGraph::from_value(list)?;
    let held = contents::of_layers(attributes, &graph)?;
    check_closed(&graph, &held)?;
    registered.retain(|info| held.contains(&info.path));
    registered.sort_by(|one, other| one.path.cmp(&other.path));

    let output = attributes.output();
    for directory in ["db", "gcroots/image", "profiles", "temproots"] {
        let directory = output.join(directory);
        fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
    }
    let bytes = tables(&registered)?;
    for (file, bytes) in [("db/db.sqlite", &bytes[..]), ("db/schema", SCHEMA.as_bytes())] {
        let file = output.join(file);
        fs::write(&file, bytes).map_err(Error::write(&file))?;
    }
    for path in roots(&graph, &held) {
        // A store path has a name, without which it would not be in the graph of Nix.
        let link = output.join("gcroots/image").join(path.file_name().unwrap_or_default());
        symlink(path, &link).map_err(Error::write(&link))?;
    }
    Ok(())
}

/// Nix takes the references of a valid path for valid.
fn check_closed(graph: &ReferenceGraph, held: &BTreeSet<PathBuf>) -> Result<()> {
    for path in held {
        if let Some(missing) = graph.references(path)?.difference(held).next() {
            let reason = format!(
                "it refers to {missing:?}, which no layer of the image holds, so that the database \
                 of the store cannot contain it: add that path to a layer"
            );
            return Err(Error::invalid(subject(path), reason));
        }
    }
    Ok(())
}

/// The paths that no other path refers to.
fn roots<'a>(graph: &ReferenceGraph, held: &'a BTreeSet<PathBuf>) -> Vec<&'a Path> {
    let referred: BTreeSet<&PathBuf> = held
        .iter()
        .flat_map(|path| graph.references(path).into_iter().flatten().filter(move |to| *to != path))
        .collect();
    held.iter().filter(|path| !referred.contains(path)).map(PathBuf::as_path).collect()
}

/// The bytes of the database.
fn tables(registered: &[PathInfo]) -> Result<Vec<u8>> {
    let failed = |error: rusqlite::Error| Error::invalid("database", error.to_string());
    let mut connection = Connection::open_in_memory().map_err(failed)?;
    connection.execute_batch(TABLES).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    for (id, info) in (1..).zip(registered) {
        let hash = format!("sha256:{}", info.nar_hash()?);
        transaction
            .execute(
                "insert into ValidPaths (id, path, hash, registrationTime, narSize, ca) \
                 values (?, ?, ?, 1, ?, ?)",
                params![id, utf8(&info.path)?, hash, info.nar_size as i64, info.ca],
            )
            .map_err(failed)?;
    }
    for info in registered {
        for reference in &info.references {
            transaction
                .execute(
                    "insert into Refs select one.id, other.id from ValidPaths one, ValidPaths other \
                     where one.path = ? and other.path = ?",
                    params![utf8(&info.path)?, utf8(reference)?],
                )
                .map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)?;
    Ok(connection.serialize("main").map_err(failed)?.to_vec())
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::invalid(subject(path), "its name is not UTF-8"))
}
