//! The words of platforms: the names that images use, other names for the same things, and the
//! default variants of architectures.
//!
//! Images use the names of Go's `GOOS` and `GOARCH`, as the
//! [specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions)
//! requires. Engines also read the other names in containerd's package `platforms`. This module
//! also knows the names that `uname`, Debian and Docker Hub use.

/// Other names of architectures, with the name that images use and the variant that the other name
/// implies.
const OTHER_ARCHITECTURES: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("x86-64", "amd64", None),
    ("x64", "amd64", None),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("x86", "386", None),
    ("aarch64", "arm64", None),
    ("arm64v8", "arm64", Some("v8")),
    ("armel", "arm", Some("v6")),
    ("armhf", "arm", Some("v7")),
    ("arm32v5", "arm", Some("v5")),
    ("arm32v6", "arm", Some("v6")),
    ("arm32v7", "arm", Some("v7")),
    ("armv5", "arm", Some("v5")),
    ("armv5tel", "arm", Some("v5")),
    ("armv6", "arm", Some("v6")),
    ("armv6l", "arm", Some("v6")),
    ("armv7", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("loongarch64", "loong64", None),
    ("mipsel", "mipsle", None),
    ("mips64el", "mips64le", None),
    ("powerpc64", "ppc64", None),
    ("powerpc64le", "ppc64le", None),
    ("ppc64el", "ppc64le", None),
];

/// The values of `GOARCH`.
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "sparc64", "wasm",
];

/// The values of `GOOS`.
const OPERATING_SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];

/// The name that images use for an operating system.
pub(crate) fn os(name: &str) -> String {
    match name.to_ascii_lowercase() {
        name if name == "macos" => "darwin".to_owned(),
        name => name,
    }
}

/// The names that images use for an architecture and its variant.
pub(crate) fn architecture(name: &str, variant: Option<&str>) -> (String, Option<String>) {
    let name = name.to_ascii_lowercase();
    let other = OTHER_ARCHITECTURES.iter().find(|(other, ..)| *other == name);
    let (name, part) = other.map_or((name.as_str(), None), |&(_, name, part)| (name, part));
    // The variant that a name such as armhf implies takes precedence, as in containerd.
    let variant = part.or(variant).filter(|variant| !variant.is_empty());
    (name.to_owned(), variant.map(|variant| variant_of(name, variant)))
}

/// Reads `7` as `v7`, and `v8.0` of 64-bit ARM as `v8`.
fn variant_of(architecture: &str, variant: &str) -> String {
    let variant = variant.to_ascii_lowercase();
    let has_levels = ["amd64", "arm", "arm64"].contains(&architecture);
    let number = variant.strip_prefix('v').unwrap_or(&variant);
    let number =
        if architecture == "arm64" { number.strip_suffix(".0").unwrap_or(number) } else { number };
    let is_level = number.starts_with(|first: char| first.is_ascii_digit());
    if has_levels && is_level { format!("v{number}") } else { variant }
}

/// The default variant of an architecture.
pub(crate) fn default_variant(architecture: &str) -> Option<&'static str> {
    match architecture {
        "amd64" => Some("v1"),
        "arm" => Some("v7"),
        "arm64" => Some("v8"),
        _ => None,
    }
}

/// Whether this is a name that images use, including `unknown` for content that does not run, such
/// as attestations.
pub(crate) fn is_architecture(name: &str) -> bool {
    name == "unknown" || ARCHITECTURES.contains(&name)
}

/// Whether this is a name that images use, including `unknown` for content that does not run, such
/// as attestations.
pub(crate) fn is_os(name: &str) -> bool {
    name == "unknown" || OPERATING_SYSTEMS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in containerd's `platforms.Normalize`, but with the variants that it omits as defaults.
    #[test]
    fn architectures_have_the_names_that_containerd_gives_them() {
        for (given, used) in [
            (("x86_64", None), ("amd64", None)),
            (("x86-64", None), ("amd64", None)),
            (("X86_64", None), ("amd64", None)),
            (("amd64", Some("v1")), ("amd64", Some("v1"))),
            (("amd64", Some("")), ("amd64", None)),
            (("i386", None), ("386", None)),
            (("aarch64", None), ("arm64", None)),
            (("aarch64", Some("8")), ("arm64", Some("v8"))),
            (("arm64", Some("v8.0")), ("arm64", Some("v8"))),
            (("arm64", Some("9")), ("arm64", Some("v9"))),
            (("armhf", None), ("arm", Some("v7"))),
            (("armel", None), ("arm", Some("v6"))),
            (("arm", Some("7")), ("arm", Some("v7"))),
            (("arm", Some("V6")), ("arm", Some("v6"))),
            (("arm", None), ("arm", None)),
            (("s390x", None), ("s390x", None)),
            (("ppc64le", Some("power8")), ("ppc64le", Some("power8"))),
        ] {
            let (name, variant) = architecture(given.0, given.1);
            assert_eq!((name.as_str(), variant.as_deref()), used, "{given:?}");
        }
        assert_eq!(
            (os("macos"), os("Linux"), os("windows")),
            ("darwin".into(), "linux".into(), "windows".into())
        );
    }

    #[test]
    fn other_names_mean_known_ones() {
        for (other, name, _) in OTHER_ARCHITECTURES {
            assert!(is_architecture(name) && !is_architecture(other), "{other}");
        }
        assert!(!is_os("macos") && is_os("darwin"));
    }
}
