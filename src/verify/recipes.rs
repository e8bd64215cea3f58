//! Checks recipes: whether they can be used, and whether they match the documents.

use std::{
    collections::HashSet,
    io::{self, Read},
};

use crate::{
    basics::{digest::Digest, error::Error, report::Report},
    blob::traits::Blob,
    document::layout_paths::{RECIPES, recipe_name},
    layer::lazy::open_with,
    layout::files::LayoutFiles,
    recipe::origin::Recipe,
    store::new_file::TEMPORARY,
    verify::{
        blob_use::{Referred, expect_file, expect_folder, unreadable},
        defect::Defect,
        finding::{Finding, Findings},
        layer,
        reading::Reading,
    },
};

/// Checks the recipe of a blob that does not exist itself, and returns the size of the blob in the
/// recipe. Defects of its contents are added to `contents`. With `deep`, the blob is built and read
/// instead.
pub(crate) fn check(
    files: &LayoutFiles,
    blob: &Referred,
    reading: &Reading,
    contents: &mut Vec<Finding>,
) -> Result<u64, Defect> {
    let recipe = read(files, blob.digest)?;
    let (said, limit) = (recipe.descriptor(), reading.limit);
    let untrusted = files.trust.check(&recipe, &files.path.join(recipe_name(blob.digest)));
    if reading.deep {
        if said.size > limit {
            return Err(Defect::TooLarge { size: said.size, limit });
        }
        untrusted
            .map_err(|error| Defect::RecipeNotFollowed { reason: Report(&error).to_string() })?;
        let bytes = open_with(&recipe, &reading.pool).map_err(unreadable)?;
        let bytes = Box::new(Latched { reader: bytes.take(limit), failed: None });
        return layer::read(blob, bytes, reading, contents);
    }
    let found = |place: &str, defect| Finding::new(place, Some(blob.digest), defect);
    if let Err(Error::RecipeUntrusted { recipe, reads }) = untrusted {
        let place =
            recipe.strip_prefix(&files.path).unwrap_or(&recipe).to_string_lossy().into_owned();
        contents.push(found(&place, Defect::RecipeUntrusted { reads: format!("{reads:?}") }));
    }
    for (layer, place) in &blob.layers {
        let (packing, is) =
            (layer::packing_said(&layer.media_type), layer::packing_said(&said.media_type));
        if let (Some(_), Some(is), true) = (packing, is, packing != is) {
            let said = layer.media_type.clone();
            contents.push(found(place, Defect::CompressionDiffers { said, found: is.name() }));
        }
        if let (Some(said), Some(actual), true) =
            (layer.diff_id, recipe.diff_id(), layer.diff_id != recipe.diff_id())
        {
            contents.push(found(place, Defect::DiffIdDiffers { said, actual }));
        }
    }
    Ok(said.size)
}

/// Checks the rest of the recipe folder: unneeded recipes and other files.
pub(crate) fn check_others(files: &LayoutFiles, needed: &HashSet<Digest>, findings: &mut Findings) {
    let mut found = |place: &str, digest, defect| findings.add(Finding::new(place, digest, defect));
    for name in ["recipes", RECIPES] {
        match expect_folder(files, name) {
            Ok(()) => {}
            // Only a sparse layout has this folder.
            Err(Defect::FileMissing) => return,
            Err(defect) => return found(name, None, defect),
        }
    }
    let names = match files.names(RECIPES) {
        Ok(names) => names,
        Err(cause) => return found(RECIPES, None, unreadable(cause)),
    };
    for name in names {
        let place = format!("{RECIPES}/{}", super::finding::shown(&name));
        match name.strip_suffix(".json").map(|hex| format!("sha256:{hex}").parse::<Digest>()) {
            Some(Ok(digest)) if needed.contains(&digest) => {}
            Some(Ok(digest)) => match read(files, digest) {
                // The layout was filled or collected after its names were read.
                Ok(_) | Err(Defect::FileMissing) => {}
                Err(defect) => found(&place, Some(digest), defect),
            },
            // Another process is writing it, or was killed; garbage collection removes it.
            _ if name.starts_with(TEMPORARY) => {}
            _ => found(&place, None, Defect::NotARecipe),
        }
    }
}

fn read(files: &LayoutFiles, digest: Digest) -> Result<Recipe, Defect> {
    expect_file(files, &recipe_name(digest))?;
    let recipe = files
        .recipe(digest)
        .map_err(|error| Defect::RecipeWrong { reason: Report(&error).to_string() })?;
    recipe.ok_or(Defect::FileMissing)
}

/// Returns the first error again on each read, because a decompressor may continue to the end of
/// the stream.
struct Latched<R> {
    reader: R,
    failed: Option<String>,
}

impl<R: Read> Read for Latched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failed) = &self.failed {
            return Err(io::Error::other(failed.clone()));
        }
        self.reader.read(buffer).inspect_err(|cause| {
            if cause.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(Report(cause).to_string());
            }
        })
    }
}
