//! The packages that the files of an image describe.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
};

use crate::{
    basics::Result,
    image::PlatformImage,
    layer::{
        layer_files::{Kind, LayerFiles, LayerTar, ReadFiles},
        merge::Placed,
    },
    pool::Pool,
    rootfs::{FileKind, ImageFiles, contents::copy_contents},
    sbom::{
        nix_store, os_release,
        package::{Description, MOST_PACKAGES, OperatingSystem, Package},
        preview::{self, Contents, Preview},
        source::{MOST_BYTES, Source},
    },
    tarfile::reader::TarEntry,
};

/// The packages of an image.
pub(crate) struct Catalog {
    pub(crate) operating_system: Option<OperatingSystem>,
    pub(crate) packages: Vec<Package>,
    pub(crate) unread: Vec<(PathBuf, String)>,
}

impl Catalog {
    pub(crate) fn read(image: &PlatformImage, store: &Path, pool: &Pool) -> Result<Self> {
        let left = AtomicU64::new(MOST_BYTES);
        let look = |preview: &mut Preview, tar: &mut LayerTar<'_>, entry: &TarEntry| {
            preview::look(preview, &left, tar, entry)
        };
        let read = LayerFiles::read_with(image.layers(), pool, ReadFiles::default(), look)?;
        let (files, previews): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let files = ImageFiles::of_files(image, files);

        let operating_system = operating_system(&files, &previews)?;
        let mut unreadable = Vec::new();
        let is_wanted = |placed: &Placed| {
            let Kind::File(size) = placed.file.kind else { return false };
            if size > 0 && is_log(placed) {
                let reason = "it has changes of a database, of which only the main file is read";
                unreadable.push((placed.path.to_path(), reason.to_owned()));
            }
            let Some(source) = source_of(placed) else { return false };
            let is_small = size <= source.limit();
            if !is_small && source != Source::Program {
                let path = placed.path.to_path();
                unreadable.push((path, format!("it has more than {} bytes", source.limit())));
            }
            is_small
        };
        let mut described = Described {
            packages: store_paths(&files, store),
            unread: Vec::new(),
            database: None,
            read: 0,
        };
        let system = operating_system.as_ref();
        for (number, entries) in files.entries(is_wanted).into_iter().enumerate() {
            let bytes_of = |entry: &[(u64, &Placed)]| {
                let seen = previews[number].get(&entry[0].0)?;
                let names = entry.iter().map(|(_, placed)| *placed);
                (!seen.is_program || is_program(names)).then_some(&*seen.bytes)
            };
            let by_entry = || entries.chunk_by(|(one, _), (other, _)| one == other);
            let all: Option<Vec<&[u8]>> = by_entry().map(bytes_of).collect();
            if let Some(all) = all {
                for (entry, bytes) in by_entry().zip(all) {
                    let names: Vec<_> = entry.iter().map(|(_, placed)| *placed).collect();
                    described.add(&names, bytes, system);
                }
                continue;
            }
            files.read_entries(number, &entries, |names, tar, entry| {
                let is_program = is_program(names.iter().copied());
                let mut contents = Contents::new(is_program);
                copy_contents(tar, entry, &mut contents)?;
                described.add(names, &contents.bytes, system);
                Ok(())
            })?;
        }
        let Described { mut packages, mut unread, database, .. } = described;
        unread.append(&mut unreadable);
        if let Some((path, bytes)) = database
            && let Err(reason) = nix_store::add_database(&bytes, &mut packages)
        {
            unread.push((path, reason));
        }
        packages.sort();
        packages.dedup_by(|one, other| one.purl == other.purl);
        unread.sort();
        Ok(Self { operating_system, packages, unread })
    }
}

/// What the files describe so far.
struct Described {
    packages: Vec<Package>,
    unread: Vec<(PathBuf, String)>,
    database: Option<(PathBuf, Vec<u8>)>,
    /// The size of the descriptions, and of what they describe.
    read: u64,
}

impl Described {
    /// Adds what a file describes.
    fn add(&mut self, names: &[&Placed], bytes: &[u8], system: Option<&OperatingSystem>) {
        let sources: Vec<_> = names.iter().filter_map(|placed| source_of(placed)).collect();
        let text = match sources.iter().any(|source| source.is_text()) {
            true => String::from_utf8_lossy(bytes),
            false => "".into(),
        };
        for (placed, source) in names.iter().zip(sources) {
            let path = placed.path.to_path();
            let Some((layer, _)) = placed.place() else { continue };
            if source == Source::NixDatabase {
                self.database = Some((path, bytes.to_owned()));
                continue;
            }
            // A file with many names counts for each of them. What it describes counts too.
            self.read += if source == Source::Program { 0 } else { bytes.len() as u64 };
            if self.read > MOST_BYTES || self.packages.len() > MOST_PACKAGES {
                let reason = "the descriptions before it are as many as a bill may have";
                self.unread.push((path, reason.to_owned()));
                continue;
            }
            let file = Description { path: &path, layer, text: &text };
            match source.packages(bytes, file, system) {
                Ok(found) => {
                    self.read += found.iter().map(Package::size).sum::<u64>();
                    self.packages.extend(found);
                }
                Err(reason) => self.unread.push((path, reason)),
            }
        }
    }
}

fn source_of(placed: &Placed) -> Option<Source> {
    Source::of(&placed.path.to_path(), placed.file.mode.into())
}

/// Whether the file is at most a program under all of its names.
fn is_program<'a>(mut names: impl Iterator<Item = &'a Placed>) -> bool {
    names.all(|placed| source_of(placed) == Some(Source::Program))
}

/// Whether a file is the log of a database that describes packages
/// ([write-ahead log](https://www.sqlite.org/wal.html)).
fn is_log(placed: &Placed) -> bool {
    let path = placed.path.to_path();
    let database = path.to_str().and_then(|path| path.strip_suffix("-wal"));
    let source = database.and_then(|path| Source::named(Path::new(path)));
    matches!(source, Some(Source::Rpm | Source::NixDatabase))
}

/// The store paths, which are directories or files. The name of each says what it is.
fn store_paths(files: &ImageFiles, store: &Path) -> Vec<Package> {
    files
        .iter()
        .filter(|(path, _)| path.parent() == Some(store))
        .filter_map(|(path, file)| nix_store::package(&path, file.layer))
        .collect()
}

fn operating_system(files: &ImageFiles, previews: &[Preview]) -> Result<Option<OperatingSystem>> {
    for path in os_release::PATHS {
        let Ok(file) = files.get(path) else { continue };
        if matches!(file.kind, FileKind::File { .. }) && file.size() <= os_release::LIMIT {
            let seen = file.offset.and_then(|offset| previews[file.layer].get(&offset));
            let bytes = match seen.filter(|seen| !seen.is_program) {
                Some(seen) => seen.bytes.clone(),
                None => {
                    let mut bytes = Vec::new();
                    files.copy(path, &mut bytes)?;
                    bytes
                }
            };
            return Ok(os_release::operating_system(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(None)
}
