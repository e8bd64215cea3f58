//! A package, and its package URL.

use std::path::{Path, PathBuf};

use packageurl::PackageUrl;

/// How many packages a bill may have. Those of an attacker are as short as a line.
pub(crate) const MOST_PACKAGES: usize = 500_000;

/// How many bytes the name, the version and other texts of a package may have.
const LONGEST_TEXT: usize = 1 << 10;

/// A package of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Package {
    /// The [package URL](https://github.com/package-url/purl-spec), which names it for all tools.
    pub purl: String,
    /// What manages it.
    pub kind: PackageKind,
    /// The name, as its manager writes it.
    pub name: String,
    /// The version, as its manager writes it.
    pub version: String,
    /// The licence, as the package states it.
    pub licence: Option<String>,
    /// The name in the Common Platform Enumeration, by which feeds of advisories know it.
    pub cpe: Option<String>,
    /// The file or the folder that says so.
    pub path: PathBuf,
    /// The layer with that file; the lowest is 0.
    pub layer: usize,
    /// The package URLs of what it refers to, where that is known.
    pub references: Vec<String>,
    /// The SHA-256 of its Nix archive, in base 16, where that is known.
    pub nar_hash: Option<String>,
}

/// A file that describes packages.
#[derive(Clone, Copy)]
pub(crate) struct Description<'a> {
    pub(crate) path: &'a Path,
    /// The layer of the file; the lowest is 0.
    pub(crate) layer: usize,
    pub(crate) text: &'a str,
}

impl Package {
    /// A package of which nothing else is known.
    pub(crate) fn new(
        kind: PackageKind,
        purl: String,
        (name, version): (&str, &str),
        (path, layer): (&Path, usize),
    ) -> Self {
        Self {
            purl,
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
            licence: None,
            cpe: None,
            path: path.to_owned(),
            layer,
            references: Vec::new(),
            nar_hash: None,
        }
    }

    /// The package with the licence that it states.
    pub(crate) fn licensed(mut self, licence: Option<&str>) -> Self {
        let is_kept = |licence: &&str| !licence.is_empty() && licence.len() <= LONGEST_TEXT;
        self.licence = licence.filter(is_kept).map(str::to_owned);
        self
    }
}

/// What manages a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PackageKind {
    /// dpkg, of Debian and its relatives.
    Deb,
    /// apk, of Alpine and its relatives.
    Apk,
    /// pip and others: Python.
    PyPi,
    /// npm and others: JavaScript.
    Npm,
    /// Cargo: Rust.
    Cargo,
    /// rpm, of Fedora, SUSE and their relatives.
    Rpm,
    /// Nix.
    Nix,
}

impl Package {
    /// The licence, if it is an expression of SPDX with identifiers of its list.
    pub(crate) fn licence_expression(&self) -> Option<&str> {
        let licence = self.licence.as_deref()?;
        let expression = spdx::Expression::parse(licence).ok()?;
        // Others, `LicenseRef-…`, would need their texts.
        let are_known = expression.requirements().all(|it| it.req.license.id().is_some());
        are_known.then_some(licence)
    }

    /// How many bytes its texts have in memory.
    pub(crate) fn size(&self) -> u64 {
        let texts = [&self.purl, &self.name, &self.version].into_iter();
        let texts = texts.chain(&self.licence).chain(&self.references);
        texts.map(|text| text.len() as u64).sum()
    }
}

impl PackageKind {
    /// The type of its package URLs.
    pub fn purl_type(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::PyPi => "pypi",
            Self::Npm => "npm",
            Self::Cargo => "cargo",
            Self::Rpm => "rpm",
            Self::Nix => "nix",
        }
    }
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatingSystem {
    /// `ID`, for example `debian`.
    pub id: String,
    /// `VERSION_ID`, for example `12`.
    pub version: Option<String>,
    /// `PRETTY_NAME`.
    pub name: Option<String>,
}

impl OperatingSystem {
    /// The qualifier `distro` of package URLs.
    pub(crate) fn distro(&self) -> String {
        match &self.version {
            Some(version) => format!("{}-{version}", self.id),
            None => self.id.clone(),
        }
    }
}

/// Makes a package URL. A name that is not valid in one gives `None`, and so do long texts.
pub(crate) fn purl(
    kind: PackageKind,
    namespace: Option<&str>,
    name: &str,
    version: &str,
    qualifiers: &[(&'static str, Option<&str>)],
) -> Option<String> {
    let given = qualifiers.iter().filter_map(|(_, value)| *value);
    let mut texts = [name, version].into_iter().chain(namespace).chain(given);
    if texts.any(|text| text.len() > LONGEST_TEXT) {
        return None;
    }
    let mut purl = PackageUrl::new(kind.purl_type(), name.to_owned()).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace.to_owned()).ok()?;
    }
    if !version.is_empty() {
        purl.with_version(version.to_owned()).ok()?;
    }
    for (key, value) in qualifiers {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            purl.add_qualifier(*key, value.to_owned()).ok()?;
        }
    }
    Some(purl.to_string())
}
