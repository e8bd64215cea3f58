//! What a split knows of a file.

use std::{
    collections::BTreeMap,
    ops::Bound,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A file of an image, for [`split_files`](crate::split::split_files()): anything but a directory
/// that contains something. A directory without contents counts as a file of size 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
#[non_exhaustive]
pub struct SplitFile {
    /// The path in the image, with or without a leading slash.
    pub path: PathBuf,
    /// The size in bytes.
    pub size: u64,
    /// The path of the file that this one is a hard link to. Both will be in the same group.
    pub link_to: Option<PathBuf>,
    /// The contents, if [`is_record`] is true for the path. Without them, the package has only the
    /// files of its `.dist-info` folder.
    pub contents: Option<Vec<u8>>,
}

impl SplitFile {
    /// A file of this size.
    pub fn new(path: impl Into<PathBuf>, size: u64) -> Self {
        Self { path: path.into(), size, link_to: None, contents: None }
    }

    /// Makes it a hard link to another file of the image.
    pub fn link_to(self, path: impl Into<PathBuf>) -> Self {
        Self { link_to: Some(path.into()), ..self }
    }

    /// Adds the contents.
    pub fn contents(self, contents: impl Into<Vec<u8>>) -> Self {
        Self { contents: Some(contents.into()), ..self }
    }
}

/// Whether the file lists the files of a Python package, so that a split needs its contents:
/// `NAME-VERSION.dist-info/RECORD`.
///
/// ```
/// use oci_layout::split::is_record;
/// assert!(is_record("/venv/lib/python3.12/site-packages/six-1.17.0.dist-info/RECORD"));
/// assert!(!is_record("/srv/RECORD"));
/// ```
pub fn is_record(path: impl AsRef<Path>) -> bool {
    record_folder(path.as_ref().as_os_str().as_bytes()).is_some()
}

/// The maximum number of bytes to read from the lists of all packages, in the order of their paths.
/// Those of 10,000 packages have about 100 MB.
pub(crate) const MOST_IN_RECORDS: u64 = 256 << 20;

/// The `.dist-info` folder of a `RECORD`.
pub(crate) fn record_folder(path: &[u8]) -> Option<&[u8]> {
    path.strip_suffix(b"/RECORD").filter(|folder| folder.ends_with(b".dist-info"))
}

/// The files by path, without leading slashes. The bytes decide the order, so that everything below
/// a folder is consecutive.
pub(crate) type Files<'a> = BTreeMap<&'a [u8], &'a SplitFile>;

pub(crate) fn by_path(files: &[SplitFile]) -> Files<'_> {
    files.iter().map(|file| (relative(&file.path), file)).collect()
}

/// The bytes of a path without leading slashes.
pub(crate) fn relative(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes.iter().position(|&byte| byte != b'/').unwrap_or(bytes.len());
    &bytes[start..]
}

/// The path of a name in a folder, which may be the root.
pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        [] => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    }
}

/// The folder and the name of a path.
pub(crate) fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// The paths below a folder.
pub(crate) fn below<'a>(files: &Files<'a>, folder: &[u8]) -> Vec<&'a [u8]> {
    let prefix = [folder, b"/"].concat();
    let from = (Bound::Included(&prefix[..]), Bound::Unbounded);
    let paths = files.range::<[u8], _>(from).map(|(path, _)| *path);
    paths.take_while(|path| path.starts_with(&prefix)).collect()
}
