//! A decompressed layer, as a blob with its diff ID as digest.

use std::{
    io::{self, Read},
    sync::Arc,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::{chunks, traits::Blob},
    document::descriptor::{Descriptor, MediaType},
    tarfile::unpacked,
};

/// The tar of a layer, decompressed as it is read.
pub(crate) struct UnpackedLayer {
    layer: Arc<dyn Blob>,
    tar: Descriptor,
}

impl UnpackedLayer {
    /// Decompresses the layer once to find the size of its tar, which an archive needs before the
    /// contents.
    pub(crate) fn new(layer: Arc<dyn Blob>, diff_id: Digest) -> Result<Self> {
        let descriptor = layer.descriptor();
        let unreadable = |cause| Error::blob(descriptor.digest, cause);
        let length =
            |tar: io::Result<Box<dyn Read + Send + '_>>| io::copy(&mut tar?, &mut io::sink());
        let size = match layer.checked()? {
            Some(file) => length(unpacked(file)).map_err(unreadable)?,
            None => {
                chunks::verified(layer.as_ref(), |blob| length(unpacked(blob)).map_err(unreadable))?
            }
        };
        Ok(Self { tar: Descriptor::new(MediaType::LAYER, diff_id, size), layer })
    }
}

impl Blob for UnpackedLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.tar
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let blob: Box<dyn Read + Send> = match self.layer.checked()? {
            Some(file) => Box::new(file),
            None => self.layer.open()?,
        };
        unpacked(blob).map_err(|cause| Error::blob(self.layer.descriptor().digest, cause))
    }
}
