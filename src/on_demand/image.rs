//! The image that contents and a closure give: which files its layers have, and its configuration.

pub(crate) mod config;
pub(crate) mod files;
pub(crate) mod programs;
pub(crate) mod user;

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    basics::error::{Error, Result},
    image::config_options::ConfigOptions,
    layer::layer_tar::named,
    layout::repository::without_hash,
    on_demand::{
        contents::ImageContents,
        image::{programs::Programs, user::User},
        layering::Layering,
        package_source::{ClosurePath, Resolved},
    },
    recipe::{
        mapping::FileMapping,
        options::{HardLinks, LayerOptions, OnConflict},
        spec::LayerSpec,
    },
};

/// The number of the rules by which contents become files and a configuration. A change of the
/// rules changes it, because images that were made earlier are found by it.
pub(crate) const IMAGE_FORMAT: u32 = 1;

/// An image before its layers are hashed.
pub(crate) struct ImagePlan {
    /// Lowest first.
    pub(crate) layers: Vec<LayerPlan>,
    pub(crate) config: ConfigOptions,
}

/// A layer before it is hashed.
pub(crate) struct LayerPlan {
    pub(crate) spec: LayerSpec,
    /// The store paths of which the layer consists, sorted by path.
    pub(crate) paths: Vec<ClosurePath>,
    /// The line in the history of the image.
    pub(crate) created_by: String,
}

/// Plans an image. Reads the names of the programs in the packages, and nothing else.
///
/// # Errors
///
/// [`Error::Invalid`] if the closure lacks a path, or the user has no valid name.
/// [`Error::SourceUnreadable`] for a package.
pub(crate) fn plan(
    contents: &ImageContents,
    resolved: &Resolved,
    closure: &[ClosurePath],
    layering: &Layering,
) -> Result<ImagePlan> {
    let by_path: BTreeMap<_, _> = closure.iter().map(|path| (&*path.path, path)).collect();
    let options = LayerOptions::default().compression(layering.compression);
    let mut layers = Vec::new();
    for group in layering.layers(closure)? {
        let path = |path: &PathBuf| {
            by_path.get(&**path).copied().cloned().ok_or_else(|| {
                Error::invalid(format!("store path {path:?}"), "it is not in the closure")
            })
        };
        let mut paths = group.iter().map(path).collect::<Result<Vec<_>>>()?;
        let created_by = history(&paths);
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        // A link stays a link. Whether files of the store are hard links depends on the machine.
        let files =
            paths.iter().map(|path| FileMapping::at_source(&*path.path).follow(false)).collect();
        let options = options.clone().hard_links(HardLinks::Copy);
        layers.push(LayerPlan { spec: LayerSpec { files, options }, paths, created_by });
    }
    let user = User::of(contents.user.as_deref())?;
    let programs = Programs::of(resolved)?;
    let files = files::files(contents, &user, &programs, closure);
    let created_by = "oci-layout on-demand: users, programs and other files".to_owned();
    let options = options.on_conflict(OnConflict::LastWins).keep_directory_links(true);
    let spec = LayerSpec { files, options };
    layers.push(LayerPlan { spec, paths: Vec::new(), created_by });
    Ok(ImagePlan { layers, config: config::config(contents, resolved, &user, &programs) })
}

/// The line for a layer with these paths: the names of the largest ones first.
fn history(paths: &[ClosurePath]) -> String {
    let mut paths: Vec<_> = paths.iter().collect();
    paths.sort_by_key(|path| (std::cmp::Reverse(path.nar_size), &path.path));
    let name = |path: &ClosurePath| {
        let name = path.path.file_name().unwrap_or_default().to_string_lossy();
        without_hash(&name).to_owned()
    };
    named(paths.iter().map(|path| name(path).into()))
}
