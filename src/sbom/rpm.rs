//! The database of rpm, where it is an SQLite database:
//! [headers](https://rpm-software-management.github.io/rpm/manual/format_header.html) of packages.

use std::path::Path;

use rusqlite::limits::Limit;

use crate::sbom::{
    database,
    package::{MOST_PACKAGES, OperatingSystem, Package, PackageKind, purl},
};

/// The numbers of the tags that are read.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const LICENSE: u32 = 1014;
const ARCH: u32 = 1022;
const SOURCERPM: u32 = 1044;

/// The installed packages. The error is a message.
pub(crate) fn packages(
    bytes: &[u8],
    place: (&Path, usize),
    system: Option<&OperatingSystem>,
) -> Result<Vec<Package>, String> {
    let connection = database::open(bytes, &["Packages"])?;
    let read = || -> rusqlite::Result<Vec<Package>> {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 16 << 20)?;
        let mut headers = connection.prepare("select blob from Packages")?;
        let mut rows = headers.query([])?;
        let mut packages = Vec::new();
        // Many rows may have the same pages.
        let mut left = bytes.len();
        while let Some(row) = rows.next()? {
            let header = row.get_ref(0)?.as_blob()?;
            left = left.checked_sub(header.len()).ok_or(rusqlite::Error::InvalidQuery)?;
            packages.extend(package(header, place, system));
            if packages.len() > MOST_PACKAGES {
                break;
            }
        }
        Ok(packages)
    };
    read().map_err(|error| error.to_string())
}

/// The package of a header; `None` if it lacks a name or a version, and for keys, which rpm keeps
/// among its packages.
fn package(
    header: &[u8],
    place: (&Path, usize),
    system: Option<&OperatingSystem>,
) -> Option<Package> {
    let header = Header::parse(header)?;
    let (name, version) = (header.text(NAME)?, header.text(VERSION)?);
    if name == "gpg-pubkey" {
        return None;
    }
    let version = match header.text(RELEASE) {
        Some(release) => format!("{version}-{release}"),
        None => version.to_owned(),
    };
    let epoch = header.number(EPOCH).map(|epoch| epoch.to_string());
    let distro = system.map(OperatingSystem::distro);
    let qualifiers = [
        ("arch", header.text(ARCH)),
        ("distro", distro.as_deref()),
        ("epoch", epoch.as_deref()),
        ("upstream", header.text(SOURCERPM)),
    ];
    let vendor = system.map_or("redhat", |system| &system.id);
    let purl = purl(PackageKind::Rpm, Some(vendor), name, &version, &qualifiers)?;
    let package = Package::new(PackageKind::Rpm, purl, (name, &version), place);
    Some(package.licensed(header.text(LICENSE)))
}

/// The index and the data of a header.
struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Two numbers, the entries of the index with 16 bytes each, and the data.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (entries, size) = (number(bytes, 0)?, number(bytes, 4)?);
        let end = 8usize.checked_add((entries as usize).checked_mul(16)?)?;
        let index = bytes.get(8..end)?;
        let data = bytes.get(end..end.checked_add(size as usize)?)?;
        Some(Self { index, data })
    }

    /// The data from the place of a tag on, if it has one of these types.
    fn data(&self, tag: u32, types: &[u32]) -> Option<&'a [u8]> {
        let entry = self.index.chunks_exact(16).find(|entry| number(entry, 0) == Some(tag))?;
        let has_type = types.contains(&number(entry, 4)?);
        self.data.get(number(entry, 8)? as usize..).filter(|_| has_type)
    }

    fn text(&self, tag: u32) -> Option<&'a str> {
        // A string, an array of strings, or a string in several languages.
        let data = self.data(tag, &[6, 8, 9])?;
        let text = data.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty() && *text != "(none)")
    }

    fn number(&self, tag: u32) -> Option<u32> {
        number(self.data(tag, &[4])?, 0)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
