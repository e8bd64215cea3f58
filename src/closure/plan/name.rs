//! The name by which a plan knows a store path in every version.

use std::path::Path;

use crate::closure::unit::name;

/// Returns the name of a store path without its hash and its version.
///
/// A version is a part between dashes that begins with a digit. Parts after the version stay,
/// because the outputs of a package, as in `openssl-3.0.12-dev`, are different things.
pub(crate) fn name_in_all_versions(path: &Path) -> String {
    let name = String::from_utf8_lossy(name(path));
    let mut parts = name.split('-');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts.filter(|part| !part.starts_with(|first: char| first.is_ascii_digit())) {
        kept.push('-');
        kept.push_str(part);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_versions_are_no_part_of_a_name() {
        for (path, expected) in [
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-openssl-3.0.12", "openssl"),
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-openssl-3.0.12-dev", "openssl-dev"),
            (
                "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-libssl3-3.0.17-1-deb12u3",
                "libssl3-deb12u3",
            ),
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-7zip", "7zip"),
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-python3.11-six-1.16.0", "python3.11-six"),
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nginx.conf", "nginx.conf"),
            ("/elsewhere/a-1", "a"),
        ] {
            assert_eq!(name_in_all_versions(Path::new(path)), expected, "{path}");
        }
    }
}
