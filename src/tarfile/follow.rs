//! Resolves paths through symbolic links.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use crate::tarfile::path::LayerPath;

/// The number of links that Linux follows in one path:
/// <https://man7.org/linux/man-pages/man7/path_resolution.7.html>.
const MAX_LINKS: usize = 40;

/// Why a link cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkFault {
    TooMany,
    /// It leads above the root.
    Escapes,
    /// It has an absolute target outside of the root.
    Outside(Vec<u8>),
    /// Its target has a name that a layer cannot contain.
    Name(&'static str),
}

/// Resolves all symbolic links in a path, including the last component.
///
/// `target_of` returns the target of a link, or an error, which ends the walk. Absolute targets
/// start at the root of the image. Paths are relative to `root`, a directory of the image.
///
/// # Errors
///
/// If a link cannot be followed, or if `target_of` returns an error.
pub(crate) fn follow<E: From<LinkFault>>(
    path: &LayerPath,
    root: &LayerPath,
    mut target_of: impl FnMut(&LayerPath) -> Result<Option<Vec<u8>>, E>,
) -> Result<LayerPath, E> {
    // In reverse order.
    let mut names = names(&path.to_bytes());
    let mut at = LayerPath::root();
    let mut followed = 0;
    while let Some(name) = names.pop() {
        if name == b".." {
            if at.is_root() {
                return Err(LinkFault::Escapes.into());
            }
            at = at.parent();
            continue;
        }
        let next = at.join(OsStr::from_bytes(&name)).map_err(LinkFault::Name)?;
        let Some(target) = target_of(&next)? else {
            at = next;
            continue;
        };
        followed += 1;
        if followed > MAX_LINKS {
            return Err(LinkFault::TooMany.into());
        }
        let mut target_names = self::names(&target);
        if target.starts_with(b"/") {
            at = LayerPath::root();
            for expected in self::names(&root.to_bytes()).iter().rev() {
                if target_names.pop().as_ref() != Some(expected) {
                    return Err(LinkFault::Outside(target).into());
                }
            }
        }
        names.append(&mut target_names);
    }
    Ok(at)
}

/// Sentences that follow the name of the path.
impl From<LinkFault> for String {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::TooMany => {
                "passes through a loop of symbolic links, or through too many".into()
            }
            LinkFault::Escapes => {
                "passes through a symbolic link that leads out of the root".into()
            }
            LinkFault::Outside(target) => format!(
                "passes through a symbolic link to {:?}, which is outside of the destination",
                OsStr::from_bytes(&target)
            ),
            LinkFault::Name(reason) => reason.into(),
        }
    }
}

/// The components of a path without empty ones and `.`, in reverse order.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results of `realpath -m` in a chroot, with links as in the kernel's documentation.
    #[test]
    fn links_are_followed_as_the_system_does() {
        let links: &[(&str, &str)] = &[
            ("lib", "usr/lib"),
            ("lib64", "lib"),
            ("abs", "/usr/./lib/"),
            ("usr/up", "../opt/x"),
            ("deep/down", "../lib/../share"),
            ("a", "b"),
            ("b", "a"),
            ("out", "../x"),
            ("here", "."),
        ];
        let place = |path: &str| LayerPath::parse_member(path.as_bytes()).unwrap();
        let target = |path: &LayerPath| {
            Ok::<_, String>(
                links
                    .iter()
                    .find(|(link, _)| place(link) == *path)
                    .map(|(_, target)| target.as_bytes().to_vec()),
            )
        };
        let led = |path: &str, root: &str| {
            follow(&place(path), &place(root), target)
                .map(|path| String::from_utf8(path.to_bytes()).unwrap())
        };
        for (path, to) in [
            ("lib/x", "usr/lib/x"),
            ("lib64", "usr/lib"),
            ("abs/x/y", "usr/lib/x/y"),
            ("usr/up/z", "opt/x/z"),
            ("deep/down", "usr/share"),
            ("here/here/x", "x"),
            ("other/lib", "other/lib"),
        ] {
            assert_eq!(led(path, "/").as_deref(), Ok(to), "{path}");
        }
        for path in ["a", "b/x", "out/x"] {
            led(path, "/").unwrap_err();
        }
        // Relative to `/usr` of the image, the path is `lib`.
        assert_eq!(led("abs/x", "/usr").as_deref(), Ok("usr/lib/x"));
        assert!(led("abs/x", "/opt").unwrap_err().ends_with("which is outside of the destination"));
    }
}
