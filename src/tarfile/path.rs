//! Paths in a layer: relative and normalised, in the order of entries in the byte format.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::basics::error::{Error, Result};

/// A path in a layer. The root is empty.
///
/// NUL separates components, because no name can contain it and it sorts before all other bytes.
/// The derived order is therefore that of the components, with a directory immediately before its
/// contents. The name of a whiteout starts with a NUL (that of an opaque whiteout with two), which
/// sorts it before its siblings.
///
/// Clones share their bytes: there may be a hundred thousand paths, each of which may also be a
/// key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerPath(Arc<[u8]>);

/// The prefix of whiteout names:
/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts>.
pub(crate) const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name of an opaque whiteout:
/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#opaque-whiteout>.
pub(crate) const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";

/// The longest path, and the longest target of a symbolic link, in Linux (`PATH_MAX` without its
/// NUL byte): <https://man7.org/linux/man-pages/man7/path_resolution.7.html>.
pub(crate) const MAX_PATH: usize = 4095;

impl LayerPath {
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// Parses the destination of a mapping.
    pub(crate) fn parse(destination: &Path) -> Result<Self> {
        let refuse = |reason| Error::Destination { destination: destination.to_owned(), reason };
        if destination.as_os_str().is_empty() {
            return Err(refuse("is empty: write a path in the image, for example /bin/app"));
        }
        Self::from_components(destination).map_err(refuse)
    }

    /// Parses the name of a member of a tar. As in all unpackers, a leading slash is ignored. A
    /// name that starts with `.wh.` is a whiteout.
    pub(crate) fn parse_member(name: &[u8]) -> Result<Self, &'static str> {
        // Also because a path takes as much memory as all of its ancestors.
        if name.len() > MAX_PATH {
            return Err("is longer than the 4095 bytes that a path can have: exclude it");
        }
        let path = Path::new(OsStr::from_bytes(name));
        if path.components().any(|component| component == Component::ParentDir) {
            return Err("has `..`: pack the tar again without it, or exclude it");
        }
        let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
        let Some(removed) = name.strip_prefix(WHITEOUT_PREFIX) else {
            return Self::from_components(path);
        };
        let parent = Self::from_components(path.parent().unwrap_or(Path::new("")))?;
        match removed {
            _ if name == OPAQUE_WHITEOUT => Ok(parent.opaque_whiteout()),
            b"" | b"." | b".." => Err("is a whiteout without a name: exclude it"),
            _ if removed.starts_with(WHITEOUT_PREFIX) => {
                Err("belongs to AUFS and is not a whiteout: exclude it")
            }
            _ => Ok(parent.join(OsStr::from_bytes(removed))?.whiteout()),
        }
    }

    fn from_components(path: &Path) -> Result<Self, &'static str> {
        let mut place = Self::root();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => place = place.join(name)?,
                Component::ParentDir => {
                    return Err("has `..`: write the path in the image without it");
                }
                Component::Prefix(_) => {
                    return Err("has a drive: write a path from the image's root");
                }
            }
        }
        Ok(place)
    }

    /// The path of a name in this directory.
    pub(crate) fn join(&self, name: &OsStr) -> Result<Self, &'static str> {
        self.join_all(Path::new(name))
    }

    /// The path of a relative path below this directory.
    pub(crate) fn join_all(&self, below: &Path) -> Result<Self, &'static str> {
        let mut path = Vec::with_capacity(self.0.len() + 1 + below.as_os_str().len());
        path.extend_from_slice(&self.0);
        for name in
            below.as_os_str().as_bytes().split(|&byte| byte == b'/').filter(|name| !name.is_empty())
        {
            if name.contains(&0) {
                return Err("has a NUL byte, which a path cannot contain: remove it");
            }
            if name.starts_with(WHITEOUT_PREFIX) {
                return Err("starts with `.wh.`, which would remove a file of the layers below: \
                            rename or exclude it, or use a whiteout mapping");
            }
            if !path.is_empty() {
                path.push(0);
            }
            path.extend_from_slice(name);
        }
        Ok(Self(path.into()))
    }

    /// Appends a path, as seen from this directory as its root.
    pub(crate) fn append(&self, path: &Self) -> Self {
        if path.is_root() { self.clone() } else { self.child(&path.0) }
    }

    /// The path as seen from a directory that contains it, or that it is; `None` if it is elsewhere.
    pub(crate) fn below(&self, directory: &Self) -> Option<Self> {
        if self == directory {
            return Some(Self::root());
        }
        match &directory.0[..] {
            [] => Some(self.clone()),
            above => self.0.strip_prefix(above)?.strip_prefix(b"\0").map(|rest| Self(rest.into())),
        }
    }

    fn child(&self, name: &[u8]) -> Self {
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(0);
        }
        path.extend_from_slice(name);
        Self(path.into())
    }

    /// The path of the whiteout that removes this path from the layers below.
    pub(crate) fn whiteout(&self) -> Self {
        let (parent, name) = self.split();
        parent.child(&[b"\0", WHITEOUT_PREFIX, name].concat())
    }

    /// The path of the opaque whiteout of this directory.
    pub(crate) fn opaque_whiteout(&self) -> Self {
        self.child(&[b"\0\0", OPAQUE_WHITEOUT].concat())
    }

    /// The path with the same name in another directory. A whiteout stays a whiteout.
    pub(crate) fn moved_to(&self, directory: &Self) -> Self {
        let parent = self.parent();
        let name = if parent.is_root() { &self.0[..] } else { &self.0[parent.0.len() + 1..] };
        directory.child(name)
    }

    /// The path that this whiteout removes. `None` for anything else, including an opaque whiteout.
    pub(crate) fn removed(&self) -> Option<Self> {
        let (parent, name) = self.split();
        let removed = name
            .strip_prefix(WHITEOUT_PREFIX)
            .filter(|_| self.is_whiteout() && name != OPAQUE_WHITEOUT)?;
        Some(parent.child(removed))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the path of a whiteout, opaque or not.
    pub(crate) fn is_whiteout(&self) -> bool {
        let nul = self.0.iter().rposition(|&byte| byte == 0);
        nul.is_some_and(|nul| nul == 0 || self.0[nul - 1] == 0)
    }

    /// The parent directory. The root is its own parent.
    pub(crate) fn parent(&self) -> Self {
        self.split().0
    }

    /// The ancestors, nearest first, without the root.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.parent()), |path| Some(path.parent()))
            .take_while(|path| !path.is_root())
    }

    /// Whether this is a direct child of `directory`, and not a whiteout.
    pub(crate) fn is_in(&self, directory: &Self) -> bool {
        let name = match &directory.0[..] {
            [] => Some(&self.0[..]),
            path => self.0.strip_prefix(path).and_then(|rest| rest.strip_prefix(b"\0")),
        };
        name.is_some_and(|name| !name.is_empty() && !name.contains(&0))
    }

    /// Whether this is anywhere below `directory`.
    pub(crate) fn is_below(&self, directory: &Self) -> bool {
        directory.is_root()
            || self.0.strip_prefix(&directory.0[..]).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The directory and the name, without the leading NULs of a whiteout.
    fn split(&self) -> (Self, &[u8]) {
        let Some(nul) = self.0.iter().rposition(|&byte| byte == 0) else {
            return (Self::root(), &self.0);
        };
        let parent = self.0[..nul].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        (Self(self.0[..parent].into()), &self.0[nul + 1..])
    }

    /// The path in a tar: components separated by slashes, without a leading slash.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let slashes =
            |path: &[u8]| path.iter().map(|&byte| if byte == 0 { b'/' } else { byte }).collect();
        if !self.is_whiteout() {
            return slashes(&self.0);
        }
        let (parent, name) = self.split();
        slashes(&parent.child(name).0)
    }

    /// An upper bound for the length of [`LayerPath::to_bytes`], which is exact except for
    /// whiteouts.
    pub(crate) fn len_at_most(&self) -> usize {
        self.0.len()
    }

    /// The path as people and globs write it, starting at the root.
    pub(crate) fn to_path(&self) -> PathBuf {
        Path::new("/").join(OsStr::from_bytes(&self.to_bytes()))
    }
}

impl Serialize for LayerPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for LayerPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(|bytes: Vec<u8>| Self(bytes.into()))
    }
}

/// Serializes byte strings as such instead of as lists of numbers.
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> LayerPath {
        LayerPath::parse(Path::new(text)).unwrap()
    }

    #[test]
    fn components_order_before_bytes() {
        let mut paths = ["/a-b", "/a/z", "/a", "/a/b", "/a.txt", "/"].map(path);
        paths.sort();
        assert_eq!(
            paths.map(|p| p.to_path().display().to_string()),
            ["/", "/a", "/a/b", "/a/z", "/a-b", "/a.txt"]
        );
    }

    #[test]
    fn whiteouts_come_first_in_their_directory() {
        let dir = path("/d");
        let mut paths =
            [path("/d/\u{1}"), path("/d/x").whiteout(), dir.opaque_whiteout(), dir.clone()];
        paths.sort();
        let names = paths.each_ref().map(|p| String::from_utf8(p.to_bytes()).unwrap());
        assert_eq!(names, ["d", "d/.wh..wh..opq", "d/.wh.x", "d/\u{1}"]);
        assert!(paths[1..].iter().all(|p| p.parent() == dir && p.is_below(&dir)));
        assert_eq!(path("/x").whiteout().to_bytes(), b".wh.x");
        assert_eq!(path("/x").whiteout().parent(), LayerPath::root());
    }

    #[test]
    fn destinations_are_normalised_or_refused() {
        assert_eq!(path("./a//b/"), path("/a/b"));
        for (destination, reason) in
            [("", "is empty"), ("/a/../b", "has `..`"), ("/a/.wh.b", "starts with `.wh.`")]
        {
            let message = LayerPath::parse(Path::new(destination)).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn member_names_become_layer_paths() {
        let member = |name: &[u8]| LayerPath::parse_member(name);
        assert_eq!(member(b"./a//b/"), Ok(path("/a/b")));
        assert_eq!(member(b"/a/./b"), Ok(path("/a/b")));
        assert_eq!(member(b"./"), Ok(LayerPath::root()));
        assert_eq!(member(b"a/.wh.b"), Ok(path("/a/b").whiteout()));
        assert_eq!(member(b".wh.b"), Ok(path("/b").whiteout()));
        assert_eq!(member(b"a/.wh..wh..opq"), Ok(path("/a").opaque_whiteout()));
        assert_eq!(member(b".wh..wh..opq"), Ok(LayerPath::root().opaque_whiteout()));
        for name in [&b"a/.wh.b"[..], b".wh.b", b"a/.wh..wh..opq", b".wh..wh..opq"] {
            assert!(member(name).unwrap().is_whiteout());
        }
        assert!(!path("/a/b").is_whiteout() && !LayerPath::root().is_whiteout());
        let long = "a/".repeat(MAX_PATH / 2) + "a";
        assert_eq!(member(long.as_bytes()), Ok(path(&long)));
        assert!(member(format!("{long}b").as_bytes()).is_err());
        for name in [
            &b"a/../b"[..],
            b"..",
            b"a/.wh.",
            b".wh...",
            b".wh..wh.plnk",
            b".wh.a/b",
            b".wh.a/.wh.b",
            b"a\0b",
        ] {
            assert!(member(name).is_err(), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn ancestors_are_nearest_first() {
        let names: Vec<_> = path("/a/b/c").ancestors().map(|p| p.to_path()).collect();
        assert_eq!(names, [Path::new("/a/b"), Path::new("/a")]);
        assert!(!path("/ab").is_below(&path("/a")));
    }
}
