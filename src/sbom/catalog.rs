//! Which files of an image describe packages.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    basics::Result,
    layer::{layer_files::Kind, merge::Placed},
    rootfs::{FileKind, ImageFiles, contents::copy_contents},
    sbom::{
        apk, cargo, dpkg, nix_store, npm, os_release,
        package::{Description, MOST_PACKAGES, OperatingSystem, Package},
        python, rpm,
    },
};

/// The packages of an image.
pub(crate) struct Catalog {
    pub(crate) operating_system: Option<OperatingSystem>,
    pub(crate) packages: Vec<Package>,
    pub(crate) unread: Vec<(PathBuf, String)>,
}

/// What all descriptions together may have.
const MOST_BYTES: u64 = 256 << 20;

/// What a file describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Dpkg,
    Apk,
    Python,
    Npm,
    CargoLock,
    Rpm,
    /// A program, in which only ELF files can have a list.
    Program,
    NixDatabase,
}

impl Source {
    fn of(placed: &Placed) -> Option<Self> {
        Self::named(&placed.path.to_path())
            .or_else(|| (placed.file.mode & 0o111 != 0).then_some(Self::Program))
    }

    fn named(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        let name = path.file_name()?.to_str()?;
        if name == "Cargo.lock" {
            return Some(Self::CargoLock);
        }
        let parent = path.parent()?;
        let parent_name = parent.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match text {
            "/var/lib/dpkg/status" => return Some(Self::Dpkg),
            "/lib/apk/db/installed" | "/usr/lib/apk/db/installed" => return Some(Self::Apk),
            "/var/lib/rpm/rpmdb.sqlite"
            | "/usr/lib/sysimage/rpm/rpmdb.sqlite"
            | "/usr/share/rpm/rpmdb.sqlite" => return Some(Self::Rpm),
            "/nix/var/nix/db/db.sqlite" => return Some(Self::NixDatabase),
            _ => {}
        }
        if parent == Path::new("/var/lib/dpkg/status.d") {
            return (!name.ends_with(".md5sums")).then_some(Self::Dpkg);
        }
        let is_python = (name == "METADATA" && parent_name.ends_with(".dist-info"))
            || (name == "PKG-INFO" && parent_name.ends_with(".egg-info"))
            || (name.ends_with(".egg-info") && parent_name.ends_with("-packages"));
        if is_python {
            return Some(Self::Python);
        }
        // `node_modules/NAME` and `node_modules/@SCOPE/NAME`.
        let above = parent.parent().and_then(Path::file_name)?;
        let is_scope = above.to_str()?.starts_with('@');
        let above = if is_scope { parent.parent()?.parent()?.file_name()? } else { above };
        (name == "package.json" && above == "node_modules").then_some(Self::Npm)
    }

    /// The packages that the file describes. The error is a message.
    fn packages(
        self,
        bytes: &[u8],
        file: Description<'_>,
        system: Option<&OperatingSystem>,
    ) -> Result<Vec<Package>, String> {
        match self {
            Self::Dpkg => Ok(dpkg::packages(file, system)),
            Self::Apk => Ok(apk::packages(file, system)),
            Self::Python => match python::package(file) {
                Some(package) => Ok(vec![package]),
                None => Err("it has no name and version".to_owned()),
            },
            Self::Npm => Ok(npm::package(file)?.into_iter().collect()),
            Self::CargoLock => cargo::locked(file),
            Self::Rpm => rpm::packages(bytes, (file.path, file.layer), system),
            Self::Program => cargo::of_program(bytes, file),
            // It adds to other packages.
            Self::NixDatabase => Ok(Vec::new()),
        }
    }

    /// Whether the file is text.
    fn is_text(self) -> bool {
        !matches!(self, Self::Rpm | Self::Program | Self::NixDatabase)
    }

    /// The largest file of this kind that is read.
    fn limit(self) -> u64 {
        match self {
            Self::Dpkg | Self::Apk => 64 << 20,
            Self::Python | Self::Npm => 4 << 20,
            Self::CargoLock => 4 << 20,
            Self::Rpm | Self::NixDatabase | Self::Program => 256 << 20,
        }
    }
}

impl Catalog {
    pub(crate) fn read(files: &ImageFiles, store: &Path) -> Result<Self> {
        let mut unread = Vec::new();
        let operating_system = operating_system(files)?;
        let system = operating_system.as_ref();
        let mut packages = store_paths(files, store);
        let mut database = None;
        let mut unreadable = Vec::new();
        let is_wanted = |placed: &Placed| {
            let Kind::File(size) = placed.file.kind else { return false };
            if size > 0 && is_log(placed) {
                let reason = "it has changes of a database, of which only the main file is read";
                unreadable.push((placed.path.to_path(), reason.to_owned()));
            }
            let Some(source) = Source::of(placed) else { return false };
            let is_small = size <= source.limit();
            if !is_small && source != Source::Program {
                let path = placed.path.to_path();
                unreadable.push((path, format!("it has more than {} bytes", source.limit())));
            }
            is_small
        };
        let mut read = 0;
        files.each_entry(is_wanted, |names, tar, entry| {
            let sources: Vec<_> = names.iter().filter_map(|placed| Source::of(placed)).collect();
            let mut contents = Contents {
                bytes: Vec::new(),
                is_program: sources.iter().all(|source| *source == Source::Program),
            };
            copy_contents(tar, entry, &mut contents)?;
            let bytes = contents.bytes;
            let text = match sources.iter().any(|source| source.is_text()) {
                true => String::from_utf8_lossy(&bytes),
                false => "".into(),
            };
            for (placed, source) in names.iter().zip(sources) {
                let path = placed.path.to_path();
                let Some((layer, _)) = placed.place() else { continue };
                if source == Source::NixDatabase {
                    database = Some((path, bytes.clone()));
                    continue;
                }
                // A file with many names counts for each of them. What it describes counts too.
                read += if source == Source::Program { 0 } else { entry.size };
                if read > MOST_BYTES || packages.len() > MOST_PACKAGES {
                    let reason = "the descriptions before it are as many as a bill may have";
                    unread.push((path, reason.to_owned()));
                    continue;
                }
                let file = Description { path: &path, layer, text: &text };
                match source.packages(&bytes, file, system) {
                    Ok(found) => {
                        read += found.iter().map(Package::size).sum::<u64>();
                        packages.extend(found);
                    }
                    Err(reason) => unread.push((path, reason)),
                }
            }
            Ok(())
        })?;
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

/// Whether a file is the log of a database that describes packages
/// ([write-ahead log](https://www.sqlite.org/wal.html)).
fn is_log(placed: &Placed) -> bool {
    let path = placed.path.to_path();
    let database = path.to_str().and_then(|path| path.strip_suffix("-wal"));
    let source = database.and_then(|path| Source::named(Path::new(path)));
    matches!(source, Some(Source::Rpm | Source::NixDatabase))
}

/// The bytes of a file; none of a program that is no ELF file.
struct Contents {
    bytes: Vec<u8>,
    is_program: bool,
}

impl Write for Contents {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const ELF: &[u8] = b"\x7fELF";
        let begins = !self.bytes.is_empty() || bytes.starts_with(ELF);
        if begins || !self.is_program {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The store paths, which are directories or files. The name of each says what it is.
fn store_paths(files: &ImageFiles, store: &Path) -> Vec<Package> {
    files
        .iter()
        .filter(|(path, _)| path.parent() == Some(store))
        .filter_map(|(path, file)| nix_store::package(&path, file.layer))
        .collect()
}

fn operating_system(files: &ImageFiles) -> Result<Option<OperatingSystem>> {
    /// More than any distribution needs.
    const LIMIT: u64 = 1 << 16;
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let Ok(file) = files.get(path) else { continue };
        if matches!(file.kind, FileKind::File { .. }) && file.size() <= LIMIT {
            let mut bytes = Vec::new();
            files.copy(path, &mut bytes)?;
            return Ok(os_release::operating_system(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(None)
}
