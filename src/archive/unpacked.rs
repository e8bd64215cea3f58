//! A decompressed layer, as a blob with its diff ID as digest.

use std::{
    io::{self, BufReader, Read},
    sync::Arc,
};

use crate::{
    basics::{
        digest::{Digest, HashRead},
        error::{Error, Result},
    },
    blob::traits::Blob,
    document::descriptor::{Descriptor, MediaType},
    tarfile::decompress::{Unpacked, decompress},
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
                let mut blob = HashRead::new(layer.open()?);
                let size = length(unpacked(&mut blob)).map_err(unreadable)?;
                // Reads bytes after the compressed stream.
                io::copy(&mut blob, &mut io::sink()).map_err(unreadable)?;
                let (digest, read) = blob.finish();
                descriptor.check(read, Some(digest))?;
                size
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

fn unpacked<'a>(blob: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let (Unpacked::Compressed(tar) | Unpacked::Plain(tar)) =
        decompress(BufReader::with_capacity(64 << 10, blob))?;
    Ok(tar)
}
