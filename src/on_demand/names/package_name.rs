//! The names of packages, as operators and clients write them.

use crate::basics::error::{Error, Result};

/// The maximum number of parts between the dots of a name.
pub(crate) const DEPTH: usize = 4;

/// The maximum length of a name in bytes.
const LONGEST: usize = 255;

/// Whether this names a package: at most four attributes with dots between them. Whether the
/// package set has it is a question for Nix.
pub(crate) fn is_package(name: &str) -> bool {
    let is_attribute = |part: &str| {
        let mut bytes = part.bytes();
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        bytes.next().is_some_and(is_letter)
            && bytes.all(|b| is_letter(b) || matches!(b, b'+' | b'-' | b'\''))
    };
    name.len() <= LONGEST && name.split('.').count() <= DEPTH && name.split('.').all(is_attribute)
}

/// Splits a name of an operator into the package's name, and whether an image needs the package.
pub(crate) fn split_optional(name: &str) -> (&str, bool) {
    name.strip_suffix('?').map_or((name, true), |name| (name, false))
}

/// Checks a name that an operator wrote.
pub(crate) fn check(place: &str, name: &str) -> Result<()> {
    if is_package(split_optional(name).0) {
        return Ok(());
    }
    let reason = format!(
        "it is not the name of a package: write at most {DEPTH} attributes with dots between \
         them, as in perlPackages.DBI"
    );
    Err(Error::invalid(format!("{place}, {name:?}"), reason))
}
