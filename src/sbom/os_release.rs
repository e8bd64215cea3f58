//! The name of the distribution: [os-release](https://www.freedesktop.org/software/systemd/man/os-release.html).

use crate::sbom::package::OperatingSystem;

/// Where it is.
pub(crate) const PATHS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// More bytes than any distribution needs.
pub(crate) const LIMIT: u64 = 1 << 16;

/// `None` if the file does not name the distribution.
pub(crate) fn operating_system(text: &str) -> Option<OperatingSystem> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        let value = line.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(OperatingSystem {
        id: value("ID")?,
        version: value("VERSION_ID"),
        name: value("PRETTY_NAME"),
    })
}
