//! The Nix system of a platform.

use crate::document::descriptor::Platform;

/// Returns the Nix system whose programs run on a platform, such as `x86_64-linux`.
pub(crate) fn system(platform: &Platform) -> Option<&'static str> {
    let variant = platform.variant.as_deref();
    Some(match (&*platform.os, &*platform.architecture, variant) {
        ("linux", "amd64", _) => "x86_64-linux",
        ("linux", "arm64", _) => "aarch64-linux",
        ("linux", "arm", Some("v6")) => "armv6l-linux",
        ("linux", "arm", None | Some("v7")) => "armv7l-linux",
        ("linux", "386", _) => "i686-linux",
        ("linux", "loong64", _) => "loongarch64-linux",
        ("linux", "ppc64le", _) => "powerpc64le-linux",
        ("linux", "riscv64", _) => "riscv64-linux",
        ("linux", "s390x", _) => "s390x-linux",
        _ => return None,
    })
}
