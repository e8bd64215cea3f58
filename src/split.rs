//! Splits the files of plain folders into layers: a pure function.

pub(crate) mod file;
pub(crate) mod folders;
pub(crate) mod owners;
pub(crate) mod pack;
pub(crate) mod python;
pub(crate) mod units;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use crate::{
    basics::error::Result,
    split::{file::by_path, units::Units},
};

pub(crate) use crate::split::file::MOST_IN_RECORDS;
pub use crate::split::{
    file::{SplitFile, is_record},
    pack::SplitOptions,
};

/// Files that share a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SplitGroup {
    /// The names of the units in it, sorted: for a package, the folder that contains it and its
    /// name (`/venv/lib/python3.12/site-packages/numpy`, `/app/node_modules/@types/node`), and for
    /// a large file, its path.
    pub units: Vec<String>,
    /// Whether it is the application: the files that belong to no unit.
    pub is_application: bool,
    /// The paths of its files, sorted. Every path is in exactly one group.
    pub files: Vec<PathBuf>,
}

/// Splits the files of an image into groups that change together, the lowest layer first.
///
/// A unit is a set of files that change together: the files of an installed Python package, a
/// package in `node_modules` or `vendor`, or a large file. All other files are the application,
/// which changes most often and is the last group. The cost model of
/// [`closure_layers`](crate::closure::closure_layers()) decides which units share a layer.
/// `docs/split.md` in the repository has the conventions and the reasons.
///
/// The result is a function of the files and the options. It does not depend on the order of the
/// files. Nothing is read: [`layer_tars`](crate::layer_tars()) lists folders, calls this function
/// and makes the layers.
///
/// ```
/// use oci_layout::split::{SplitFile, SplitOptions, split_files};
///
/// let files = [
///     SplitFile::new("/app/main.js", 2_000),
///     SplitFile::new("/app/node_modules/react/index.js", 9_000_000),
///     SplitFile::new("/app/node_modules/zod/index.js", 3_000_000),
/// ];
/// let groups = split_files(files, &SplitOptions::default())?;
/// let units: Vec<_> = groups.iter().map(|group| group.units.join(" ")).collect();
/// assert_eq!(units, ["/app/node_modules/react", "/app/node_modules/zod", ""]);
/// assert!(groups[2].is_application);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`](crate::Error::Invalid) if the limit is 0.
pub fn split_files(
    files: impl IntoIterator<Item = SplitFile>,
    options: &SplitOptions,
) -> Result<Vec<SplitGroup>> {
    let files: Vec<_> = files.into_iter().collect();
    let files = by_path(&files);
    let units = Units::find(&files, options.large_file);
    let layers = pack::layers(&units, options)?;
    let mut groups: Vec<_> = layers
        .iter()
        .map(|layer| SplitGroup {
            units: layer.units.iter().map(|&unit| units.name(unit)).collect(),
            is_application: layer.has_application,
            files: Vec::new(),
        })
        .collect();
    let mut group_of = vec![0; units.count()];
    let mut application = 0;
    for (group, layer) in layers.iter().enumerate() {
        layer.units.iter().for_each(|&unit| group_of[unit] = group);
        if layer.has_application {
            application = group;
        }
    }
    for (path, owner) in units.owners() {
        let group = owner.map_or(application, |unit| group_of[unit]);
        groups[group].files.push(PathBuf::from(OsStr::from_bytes(&[b"/", path].concat())));
    }
    Ok(groups)
}
