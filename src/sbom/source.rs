//! Which files describe packages.

use std::path::Path;

use crate::sbom::{
    apk, cargo, dpkg, npm,
    package::{Description, OperatingSystem, Package},
    python, rpm,
};

/// What all descriptions together may have.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// What a file describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
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
    /// What a regular file of this path and mode may describe.
    pub(crate) fn of(path: &Path, mode: u32) -> Option<Self> {
        Self::named(path).or_else(|| (mode & 0o111 != 0).then_some(Self::Program))
    }

    pub(crate) fn named(path: &Path) -> Option<Self> {
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
    pub(crate) fn packages(
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
    pub(crate) fn is_text(self) -> bool {
        !matches!(self, Self::Rpm | Self::Program | Self::NixDatabase)
    }

    /// The largest file of this kind that is read.
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Dpkg | Self::Apk => 64 << 20,
            Self::Python | Self::Npm => 4 << 20,
            Self::CargoLock => 4 << 20,
            Self::Rpm | Self::NixDatabase | Self::Program => 256 << 20,
        }
    }
}
