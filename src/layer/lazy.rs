//! Reads blobs with recipes: from a file, or by making them again.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use crate::{
    basics::{Error, Result},
    blob::Blob,
    document::Descriptor,
    layer::{
        build_blob::{MadeReader, make},
        listing::list,
    },
    pool::Pool,
    recipe::{Checks, LayerSpec, Origin, Recipe},
    store::{CheckedFile, FileBytes},
};

/// Makes a described layer again and writes it into the sink.
fn make_again(
    LayerSpec { files, options }: &LayerSpec,
    checks: &Checks,
    descriptor: &Descriptor,
    pool: &Pool,
    sink: &mut (dyn Write + Send),
) -> Result<()> {
    let stream = list(files, options, pool, &Arc::default()).map_err(|error| match error {
        Error::SourceMissing { path } => {
            Error::SourceOutdated { digest: descriptor.digest, path, change: "vanished" }
        }
        other => other,
    })?;
    make(&stream, options.compression, descriptor, Some(checks), pool, sink)
}

impl Blob for Recipe {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Nothing is accessed before the first read.
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match &self.origin {
            Origin::File { .. } => Box::new(FirstChecked { recipe: self.clone(), file: None }),
            Origin::Tar { spec, checks } => {
                let (spec, checks, descriptor) =
                    (Arc::clone(spec), Arc::clone(checks), self.descriptor.clone());
                let pool = self.pool.clone();
                Box::new(MadeReader::new(descriptor.digest, move |sink| {
                    make_again(
                        &spec,
                        &checks,
                        &descriptor,
                        &pool.unwrap_or_else(Pool::available),
                        sink,
                    )
                }))
            }
        })
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        match &self.origin {
            Origin::File { path, offset } => checked_file(self, path, *offset).map(Some),
            Origin::Tar { .. } => Ok(None),
        }
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(self.clone())
    }
}

/// Opens the file of a recipe and verifies the blob in it.
fn checked_file(recipe: &Recipe, path: &Path, offset: u64) -> Result<CheckedFile> {
    let outdated = |change| Error::SourceOutdated {
        digest: recipe.descriptor.digest,
        path: path.to_owned(),
        change,
    };
    let unreadable = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => outdated("vanished"),
        io::ErrorKind::UnexpectedEof => outdated("shrank"),
        _ => Error::SourceUnreadable { path: path.to_owned(), cause },
    };
    // Opening a FIFO waits for its writer, which may never come.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(outdated("stopped being a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let (length, size) = (file.metadata().map_err(unreadable)?.len(), recipe.descriptor.size);
    if offset.checked_add(size).is_none_or(|end| length < end) {
        return Err(outdated("shrank"));
    }
    if offset == 0 && length > size {
        return Err(outdated("grew"));
    }
    recipe.known.check(FileBytes::new(file, offset, size, path), &recipe.descriptor).map_err(
        |error| match error {
            Error::BlobDamaged { .. } => outdated("changed"),
            Error::Read { cause, .. } => unreadable(cause),
            other => other,
        },
    )
}

/// A reader that accesses nothing before the first read.
struct FirstChecked {
    recipe: Recipe,
    file: Option<CheckedFile>,
}

impl Read for FirstChecked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = self.recipe.checked()?;
        }
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}

/// Builds the blob into the sink if necessary, and never writes a wrong one. Returns `false` if the
/// blob is in a file.
pub(crate) fn make_lazy(
    recipe: &Recipe,
    pool: &Pool,
    sink: &mut (dyn Write + Send),
) -> Result<bool> {
    match &recipe.origin {
        Origin::File { .. } => Ok(false),
        Origin::Tar { spec, checks } => {
            make_again(spec, checks, &recipe.descriptor, pool, sink).map(|()| true)
        }
    }
}

/// Opens a blob. If it must be built, uses the threads of this pool.
pub(crate) fn open_with(blob: &dyn Blob, pool: &Pool) -> Result<Box<dyn Read + Send>> {
    match blob.recipe() {
        Some(recipe) if recipe.lies_in().is_none() => recipe.pool(pool).open(),
        _ => blob.open(),
    }
}
