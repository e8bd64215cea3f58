//! The steps for layers: one layer of files and store paths, or a closure split into several.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    closure::{self, options::ClosureOptions},
    folder,
    layer::{layer_tar, target::names_directory},
    layout::repository::without_hash,
    nix::{
        attributes::Attributes,
        contents::{self, Held},
        entries,
        output::{WRITE, say},
    },
    pool::Pool,
    recipe::{
        mapping::{FileMapping, Source},
        options::{HardLinks, LayerOptions},
        spec::LayerSpec,
        trust::RecipeTrust,
    },
};

/// Builds a layer from the files of `spec` and the contents. With `lazy`, only the recipe of the
/// layer is kept; the output then refers to all sources, so that they exist as long as it does.
///
/// # Errors
///
/// As [`layer_tar`](crate::layer_tar()) and [`LayerSpec::from_value`], and [`Error::Invalid`] for
/// an invalid attribute.
pub fn layer_tar(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let LayerSpec { mut files, options } = LayerSpec::from_value(attributes.get("spec")?)?;
    let packages: Vec<PathBuf> = attributes.list("copyToRoot")?;
    if let Some(file) = packages.iter().find(|package| !package.is_dir()) {
        let reason = "it is a file, but / is a folder: add it to files, with its destination";
        return Err(Error::invalid(format!("copyToRoot, {file:?}"), reason));
    }
    // Every package has files that its build leaves for other builds, and they differ.
    let contents_of = |package: PathBuf| {
        let leaves = package.join("nix-support").exists();
        let mapping = FileMapping::new(package, "/");
        if leaves { mapping.exclude("nix-support") } else { mapping }
    };
    files.extend(packages.into_iter().map(contents_of));
    files.extend(contents::held(attributes)?.paths.into_iter().map(in_place));
    let files = files.into_iter().map(|file| by_its_name(file, attributes.output()));
    let options = kept(attributes, entries::above(attributes, options)?, attributes.output())?;
    let layer = layer_tar::layer_tar(files, options.pool(pool))?;
    say(layer.warnings());
    folder::write_layer(attributes.output(), &layer, &RecipeTrust::default(), WRITE)
}

/// Builds the layers of a closure, in parallel, as [`closure_layers`](crate::closure::closure_layers())
/// splits it. The layers of the image in the attribute `base` count towards `maxLayers`.
///
/// # Errors
///
/// As `layer_tar` and [`closure_layers`](crate::closure::closure_layers()).
pub fn closure_layers(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let LayerSpec { options, .. } = LayerSpec::from_value(attributes.get("spec")?)?;
    let options = entries::above(attributes, options)?;
    let Held { paths, graph } = contents::held(attributes)?;
    let below = options.base.as_ref().map_or(0, |base| base.digests().len());
    let max_layers = attributes.get::<usize>("maxLayers")?;
    let split = ClosureOptions {
        // At least one layer is needed for the closure, however many are below.
        max_layers: max_layers.saturating_sub(below).max(max_layers.min(1)),
        alone: attributes.list("alone")?,
        together: attributes.list("together")?,
    };
    let (alone, together) = (split.alone.iter(), split.together.iter().flatten());
    for (hint, path) in
        alone.map(|path| ("alone", path)).chain(together.map(|path| ("together", path)))
    {
        if !paths.contains(path) {
            let reason = "it is not in the closure, or a layer below already has it: remove it";
            return Err(Error::invalid(format!("{hint}, {path:?}"), reason));
        }
    }
    let layers = closure::closure_layers(&graph.subgraph(&paths), &split)?;

    // Padded with zeros, so that names sort in the order of layers.
    let digits = layers.len().to_string().len();
    let layers: Vec<_> =
        layers.into_iter().enumerate().map(|(i, paths)| (format!("{i:0digits$}"), paths)).collect();
    let names: Vec<_> = layers.iter().map(|(name, _)| name.clone()).collect();
    let made = pool.map(layers, |(name, paths)| {
        let dir = attributes.output().join(name);
        let options = kept(attributes, options.clone(), &dir)?.pool(pool);
        let layer = layer_tar::layer_tar(paths.into_iter().map(in_place), options)?;
        say(layer.warnings());
        folder::write_layer(&dir, &layer, &RecipeTrust::default(), WRITE)
    });
    made.into_iter().collect::<Result<()>>()?;
    fs::create_dir_all(attributes.output()).map_err(Error::write(attributes.output()))?;
    folder::write_layers(attributes.output(), &names, WRITE)
}

/// Sets what is kept of a layer in this folder: with the attribute `lazy` its recipe, otherwise its
/// blob.
fn kept(attributes: &Attributes, options: LayerOptions, dir: &Path) -> Result<LayerOptions> {
    let lazy = attributes.get::<Option<bool>>("lazy")?.unwrap_or_default();
    // Whether files of the store are hard links depends on the machine (`nix-store --optimise`).
    let options = LayerOptions {
        hard_links: options.hard_links.or(Some(HardLinks::Copy)),
        write: WRITE,
        ..options
    };
    Ok(folder::keep_layer(options, dir, lazy))
}

/// Maps a store path to itself. A link stays a link.
fn in_place(path: impl Into<PathBuf>) -> FileMapping {
    FileMapping::at_source(path).follow(false)
}

/// Removes the hash from the name of a file that is itself a store path: `/nix/store/HASH-app.conf`
/// becomes `/etc/app.conf` in `/etc/`. All store paths are in the folder of the output.
fn by_its_name(file: FileMapping, output: &Path) -> FileMapping {
    let Source::Path(source) = &file.source else { return file };
    let name = source.file_name().and_then(OsStr::to_str).map(without_hash);
    match name {
        Some(name)
            if source.parent() == output.parent()
                && names_directory(&file.destination)
                && !is_folder(&file) =>
        {
            FileMapping { destination: file.destination.join(name), ..file }
        }
        _ => file,
    }
}

/// Whether the source is a folder, whose contents are placed in the destination.
fn is_folder(file: &FileMapping) -> bool {
    let Source::Path(source) = &file.source else { return false };
    let found = if file.follow { source.metadata() } else { source.symlink_metadata() };
    found.is_ok_and(|found| found.is_dir())
}
