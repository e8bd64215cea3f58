//! A layer made of the difference of two images or folders.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufWriter, Write},
};

use crate::{
    basics::error::{Error, Result},
    layer::{
        layer_tar::{TarLayer, layer_tar},
        merge::Placed,
    },
    recipe::{mapping::FileMapping, options::LayerOptions},
    rootfs::{
        diff::{
            FileChange,
            files::{Difference, differences},
        },
        image_files::ImageFiles,
    },
    tarfile::path::LayerPath,
};

/// Makes a layer of what one image has and another does not: `old` with this layer on top has the
/// files of `new`. Removed files become whiteouts.
///
/// With [`ImageFiles::with_contents`], files with equal contents and attributes are equal. With
/// [`ImageFiles::new`], a file is only equal to itself, in the same layer.
///
/// A file that changes is in the layer with all of its names, and with the directories that it lies
/// in. Directories keep the attributes of `new`. The files are first written to a temporary tar in
/// the folder that stores the layer.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, Pool, layer_entries, layer_tar, rootfs::{ImageFiles, layer_diff}};
/// let files = |name: &str| {
///     let layer = layer_tar([FileMapping::text("1", name)], LayerOptions::default())?;
///     ImageFiles::with_contents([layer], &Pool::available())
/// };
/// let store = tempfile::tempdir()?;
/// let options = LayerOptions::default().store(store.path());
/// let layer = layer_diff(files("/etc/old")?, files("/etc/new")?, options)?;
/// let paths: Vec<_> = layer_entries(&layer)?.map(|entry| Ok(entry?.path)).collect::<oci_layout::Result<_>>()?;
/// assert_eq!(paths.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["etc/", "etc/.wh.old", "etc/new"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] without [`store`](LayerOptions::store), and the errors of reading the
/// images and of [`layer_tar`](crate::layer_tar()).
pub fn layer_diff(old: ImageFiles, new: ImageFiles, options: LayerOptions) -> Result<TarLayer> {
    let Some(folder) = options.store.clone() else {
        let reason = "it is written in one pass: set the folder that stores it";
        return Err(Error::invalid("a layer of a difference", reason));
    };
    let (mut kept, mut mappings) = (HashSet::new(), Vec::new());
    let mut removed: Option<LayerPath> = None;
    for Difference { path, change, .. } in differences(&old, &new) {
        if change != FileChange::Removed {
            kept.insert(path.clone());
            continue;
        }
        let is_gone = |removed: &LayerPath| path.is_below(removed);
        // Not every image has an entry for the root.
        if path.is_root() {
            continue;
        }
        // A file in place of a directory removes what was in it.
        let is_file = |path| new.merge.get(&path).is_some_and(|placed| !placed.file.is_dir());
        let is_replaced = path.ancestors().any(is_file);
        if !removed.as_ref().is_some_and(is_gone) && !is_replaced {
            mappings.push(FileMapping::whiteout(path.to_path()));
            kept.extend(path.ancestors());
            removed = Some(path.clone());
        }
    }
    // All names of a file, because a hard link to a lower layer is a copy for some programs.
    let linked = |placed: &&Placed| placed.file.is_linked;
    let kept_places = kept.iter().filter_map(|path| new.merge.get(path)).filter(linked);
    let kept_places: HashSet<_> = kept_places.filter_map(Placed::place).collect();
    let links = new.merge.iter().filter(linked);
    let links = links.filter(|placed| placed.place().is_some_and(|it| kept_places.contains(&it)));
    kept.extend(links.map(|placed| placed.path.clone()));
    // Each once: deep paths have many.
    let mut parents = HashSet::new();
    for path in &kept {
        path.ancestors().take_while(|parent| parents.insert(parent.clone())).for_each(drop);
    }
    kept.extend(parents);

    std::fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
    let scratch = tempfile::Builder::new().prefix(".oci-layout-").tempfile_in(&folder);
    let scratch = scratch.map_err(Error::write(&folder))?;
    let mut tar = BufWriter::with_capacity(64 << 10, scratch.as_file());
    new.write_paths(&mut tar, |path| kept.contains(path))?;
    tar.flush().map_err(Error::write(scratch.path()))?;
    drop::<BufWriter<&File>>(tar);
    // The layer takes as much memory for its entries.
    drop((old, new, kept));
    mappings.push(FileMapping::tar(scratch.path(), "/"));
    layer_tar(mappings, options)
}
