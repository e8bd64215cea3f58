//! A layer read from its first entry to its last, with its decompression ahead.

use std::io::{self, Read};

use crate::{
    basics::{
        digest::HashRead,
        error::{Error, Result},
    },
    blob::traits::Blob,
    tarfile::{
        decompress_ahead::decompress_ahead,
        reader::{TarError, TarReader},
    },
};

/// Why the reading of a layer ended early.
pub(crate) enum Fault {
    /// The tar is damaged, or the blob is.
    Tar(TarError),
    /// Anything else.
    Other(Error),
}

impl From<TarError> for Fault {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Reads a layer, and checks its size and digest if all of it was read: a `f` that returns `false`
/// wants no more of it.
///
/// # Errors
///
/// Those of opening the layer and of `f`. If the layer is damaged, that explains a damaged tar.
pub(crate) fn read_layer(
    layer: &dyn Blob,
    f: impl FnOnce(&mut TarReader<&mut dyn Read>) -> Result<bool, Fault>,
) -> Result<()> {
    let descriptor = layer.descriptor();
    let unreadable = |cause| Error::blob(descriptor.digest, cause);
    let mut blob = HashRead::new(layer.open()?);
    let read = decompress_ahead(&mut blob, |tar| f(&mut TarReader::new(tar)));
    let check = || {
        io::copy(&mut blob, &mut io::sink()).map_err(unreadable)?;
        let (digest, size) = blob.finish();
        descriptor.check(size, Some(digest))
    };
    match read {
        Ok(true) => check(),
        Ok(false) => Ok(()),
        Err(Fault::Other(error)) => Err(error),
        Err(Fault::Tar(error)) => {
            check()?;
            Err(unreadable(io::Error::other(error.to_string())))
        }
    }
}
