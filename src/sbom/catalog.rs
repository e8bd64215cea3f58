//! Which files of an image describe packages.

use std::path::{Path, PathBuf};

use crate::{
    basics::Result,
    layer::{layer_files::Kind, merge::Placed},
    rootfs::{FileKind, ImageFiles, contents::copy_contents},
    sbom::{
        apk, dpkg, nix_store, npm, os_release,
        package::{Description, MOST_PACKAGES, OperatingSystem, Package},
        python,
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
    NixDatabase,
}

impl Source {
    fn of(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        let name = path.file_name()?.to_str()?;
        let parent = path.parent()?;
        let parent_name = parent.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match text {
            "/var/lib/dpkg/status" => return Some(Self::Dpkg),
            "/lib/apk/db/installed" | "/usr/lib/apk/db/installed" => return Some(Self::Apk),
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
            // It adds to other packages.
            Self::NixDatabase => Ok(Vec::new()),
        }
    }

    /// The largest file of this kind that is read.
    fn limit(self) -> u64 {
        match self {
            Self::Dpkg | Self::Apk => 64 << 20,
            Self::Python | Self::Npm => 4 << 20,
            Self::NixDatabase => 256 << 20,
        }
    }
}

impl Catalog {
    pub(crate) fn read(files: &ImageFiles) -> Result<Self> {
        let mut unread = Vec::new();
        let operating_system = operating_system(files)?;
        let system = operating_system.as_ref();
        let mut packages = store_paths(files);
        let mut database = None;
        let mut too_large = Vec::new();
        let is_wanted = |placed: &Placed| {
            let Kind::File(size) = placed.file.kind else { return false };
            let path = placed.path.to_path();
            let Some(source) = Source::of(&path) else { return false };
            let is_small = size <= source.limit();
            if !is_small {
                too_large.push((path, format!("it has more than {} bytes", source.limit())));
            }
            is_small
        };
        let mut read = 0;
        files.each_entry(is_wanted, |names, tar, entry| {
            let mut bytes = Vec::new();
            copy_contents(tar, entry, &mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            for placed in names {
                let path = placed.path.to_path();
                let Some((source, (layer, _))) = Source::of(&path).zip(placed.place()) else {
                    continue;
                };
                if source == Source::NixDatabase {
                    database = Some((path, bytes.clone()));
                    continue;
                }
                // A file with many names counts for each of them.
                read += entry.size;
                if read > MOST_BYTES || packages.len() > MOST_PACKAGES {
                    let reason = "the descriptions before it are as many as a bill may have";
                    unread.push((path, reason.to_owned()));
                    continue;
                }
                let file = Description { path: &path, layer, text: &text };
                match source.packages(file, system) {
                    Ok(found) => packages.extend(found),
                    Err(reason) => unread.push((path, reason)),
                }
            }
            Ok(())
        })?;
        unread.append(&mut too_large);
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

/// The store paths, which are directories or files. The name of each says what it is.
fn store_paths(files: &ImageFiles) -> Vec<Package> {
    let store = Path::new("/nix/store");
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
