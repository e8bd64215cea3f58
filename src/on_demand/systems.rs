//! The platforms for which images are made, with Nix's names for them.

use crate::document::descriptor::Platform;

/// The first component of an image's name, Nix's name, the architecture, and its variant.
const SYSTEMS: &[(&str, &str, &str, Option<&str>)] = &[
    ("amd64", "x86_64-linux", "amd64", None),
    ("arm64", "aarch64-linux", "arm64", None),
    ("386", "i686-linux", "386", None),
    ("armv7", "armv7l-linux", "arm", Some("v7")),
    ("armv6", "armv6l-linux", "arm", Some("v6")),
    ("loong64", "loongarch64-linux", "loong64", None),
    ("ppc64le", "powerpc64le-linux", "ppc64le", None),
    ("riscv64", "riscv64-linux", "riscv64", None),
    ("s390x", "s390x-linux", "s390x", None),
];

/// The platform that a component of an image's name selects.
pub(crate) fn of_prefix(component: &str) -> Option<Platform> {
    let (.., architecture, variant) = SYSTEMS.iter().find(|(prefix, ..)| *prefix == component)?;
    let variant = variant.map(str::to_owned);
    Some(Platform { variant, ..Platform::new("linux", *architecture) })
}

/// Returns Nix's name for a platform, such as `x86_64-linux`, if images can be made for it.
pub fn nix_system(platform: &Platform) -> Option<&'static str> {
    let is_it = |architecture: &str, variant: Option<&str>| {
        let mut offered = Platform::new("linux", architecture);
        offered.variant = variant.map(str::to_owned);
        platform.accepts(&offered)
    };
    let found = SYSTEMS.iter().find(|(.., architecture, variant)| is_it(architecture, *variant));
    found.map(|(_, system, ..)| *system)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of `nix/internal/platformOf.nix`.
    #[test]
    fn platforms_have_the_systems_of_the_nix_functions() {
        for (platform, system) in [
            ("linux/amd64", Some("x86_64-linux")),
            ("linux/arm64", Some("aarch64-linux")),
            ("linux/arm64/v8", Some("aarch64-linux")),
            ("linux/386", Some("i686-linux")),
            ("linux/arm/v7", Some("armv7l-linux")),
            ("linux/arm/v6", Some("armv6l-linux")),
            ("linux/ppc64le", Some("powerpc64le-linux")),
            ("linux/riscv64", Some("riscv64-linux")),
            ("linux/s390x", Some("s390x-linux")),
            ("linux/loong64", Some("loongarch64-linux")),
            ("darwin/arm64", None),
            ("linux/arm/v5", None),
            ("linux/sparc64", None),
        ] {
            let platform: Platform = platform.parse().unwrap();
            assert_eq!(nix_system(&platform), system, "{platform}");
        }
    }

    #[test]
    fn every_prefix_selects_the_platform_of_its_system() {
        for (prefix, system, ..) in SYSTEMS {
            assert_eq!(nix_system(&of_prefix(prefix).unwrap()), Some(*system));
        }
    }
}
