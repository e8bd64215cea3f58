//! Packages of Rust: the list in a program that [cargo
//! auditable](https://github.com/rust-secure-code/cargo-auditable) built, and `Cargo.lock`.

use std::{collections::BTreeSet, io::Read};

use flate2::read::ZlibDecoder;
use object::{Object, ObjectSection};
use serde::Deserialize;

use crate::sbom::package::{Description, MOST_PACKAGES, Package, PackageKind, purl};

/// The largest list in a program, decompressed.
const MOST_BYTES: u64 = 8 << 20;

/// The list in a program: [its
/// format](https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md).
#[derive(Deserialize)]
struct Audited {
    packages: Vec<AuditedPackage>,
}

#[derive(Deserialize)]
struct AuditedPackage {
    name: String,
    version: String,
    source: String,
    kind: Option<String>,
    #[serde(default)]
    dependencies: BTreeSet<usize>,
}

/// The section of the list.
const SECTION: &str = ".dep-v0";

/// Whether an ELF file has a list.
pub(crate) fn is_audited(bytes: &[u8]) -> bool {
    object::File::parse(bytes).is_ok_and(|program| program.section_by_name(SECTION).is_some())
}

/// The packages in an ELF file, without those that only its build needs. None for other files. The
/// error is a message.
pub(crate) fn of_program(bytes: &[u8], file: Description<'_>) -> Result<Vec<Package>, String> {
    let Ok(program) = object::File::parse(bytes) else { return Ok(Vec::new()) };
    let Some(section) = program.section_by_name(SECTION) else { return Ok(Vec::new()) };
    let compressed = section.data().map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut list = ZlibDecoder::new(compressed).take(MOST_BYTES + 1);
    list.read_to_string(&mut text).map_err(|error| format!("its list of packages: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("its list of packages has more than {MOST_BYTES} bytes"));
    }
    let Audited { packages } =
        serde_json::from_str(&text).map_err(|error| format!("its list of packages: {error}"))?;
    let purls: Vec<Option<String>> = packages
        .iter()
        .take(MOST_PACKAGES)
        .map(|package| match package.kind.as_deref() {
            None | Some("runtime") => purl_of(&package.name, &package.version, &package.source),
            Some(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    let mut size = 0;
    for (package, purl) in packages.iter().zip(&purls) {
        let Some(purl) = purl else { continue };
        let references = package.dependencies.iter().filter_map(|at| purls.get(*at)?.as_ref());
        // Each of many packages may refer to all others.
        size += references.clone().map(|purl| purl.len() as u64).sum::<u64>();
        if size > MOST_BYTES {
            return Err(format!("the references in its list have more than {MOST_BYTES} bytes"));
        }
        let names = (&*package.name, &*package.version);
        let place = (file.path, file.layer);
        let mut package = Package::new(PackageKind::Cargo, purl.clone(), names, place);
        package.references = references.cloned().collect();
        package.references.sort();
        found.push(package);
    }
    Ok(found)
}

/// The file of a workspace: [its
/// format](https://doc.rust-lang.org/cargo/reference/manifest.html).
#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    source: Option<String>,
}

/// The index of crates.io, as Git repository and as files.
const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

/// The packages of a file `Cargo.lock`. The error is a message.
pub(crate) fn locked(file: Description<'_>) -> Result<Vec<Package>, String> {
    let Lock { package } = toml::from_str(file.text).map_err(|error| error.message().to_owned())?;
    let packages = package.iter().take(MOST_PACKAGES).filter_map(|package| {
        let source = match &package.source {
            None => "local",
            Some(source) if source.starts_with("git+") => "git",
            Some(source) if CRATES_IO.contains(&source.as_str()) => "crates.io",
            Some(_) => "registry",
        };
        let purl = purl_of(&package.name, &package.version, source)?;
        let names = (&*package.name, &*package.version);
        Some(Package::new(PackageKind::Cargo, purl, names, (file.path, file.layer)))
    });
    Ok(packages.collect())
}

/// Only packages of crates.io are known to others by this name. The source of others is a
/// qualifier.
fn purl_of(name: &str, version: &str, source: &str) -> Option<String> {
    let source = Some(source).filter(|source| *source != "crates.io");
    purl(PackageKind::Cargo, None, name, version, &[("source", source)])
}
