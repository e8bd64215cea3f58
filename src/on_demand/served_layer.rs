//! Images on demand as others serve them: the store paths of a layer must exist only when it is read.

use std::{
    io::{self, Read},
    sync::Arc,
};

use crate::{
    basics::{digest::Digest, error::Result},
    blob::traits::{Blob, MemoryBlob},
    document::descriptor::{Descriptor, MediaType},
    image::graph::Image,
    on_demand::{
        maker::{MadeImage, Maker},
        state::ImageRecord,
    },
};

/// Returns an image that was made, whose layers are made again when they are read. `None` if its
/// manifest is damaged.
pub(crate) fn served(maker: &Arc<Maker>, key: Digest, made: MadeImage) -> Option<Image> {
    let MadeImage { record, manifest, config } = made;
    let record = Arc::new(record);
    let mut layers = record.layers.iter();
    let blob = |descriptor: &Descriptor| -> Result<Arc<dyn Blob>> {
        Ok(match layers.next() {
            Some(layer) => Arc::new(ServedLayer {
                descriptor: descriptor.clone(),
                layer: *layer,
                image: key,
                record: Arc::clone(&record),
                maker: Arc::clone(maker),
            }),
            None => Arc::new(MemoryBlob::new(MediaType::CONFIG, config.as_slice())),
        })
    };
    Image::from_manifest(manifest, blob).ok()
}

/// A layer that is stored, or else made from store paths when it is read. If a garbage collector
/// removed them, they are realised again before the first byte.
///
/// It has no [`recipe`](Blob::recipe), so that nobody reads the store paths without this step.
struct ServedLayer {
    descriptor: Descriptor,
    /// The key of the layer.
    layer: Digest,
    /// The key of the image.
    image: Digest,
    record: Arc<ImageRecord>,
    maker: Arc<Maker>,
}

impl Blob for ServedLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        // First, so that an eviction does not remove the links between the check and the read.
        let lease = Lease::new(&self.maker, self.image);
        let (image, record, layer) = (self.image, &self.record, self.layer);
        let bytes = self.maker.open_layer(image, record, layer, &self.descriptor)?;
        Ok(Box::new(Leased { bytes, lease }))
    }
}

/// Keeps an image from eviction until this is dropped.
struct Lease {
    maker: Arc<Maker>,
    image: Digest,
}

impl Lease {
    fn new(maker: &Arc<Maker>, image: Digest) -> Self {
        maker.uses.begin(image);
        maker.uses.touch(image);
        Self { maker: Arc::clone(maker), image }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.maker.uses.end(self.image);
    }
}

struct Leased {
    bytes: Box<dyn Read + Send>,
    lease: Lease,
}

impl Read for Leased {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A slow client keeps the image from eviction in other processes too.
        self.lease.maker.uses.touch(self.lease.image);
        self.bytes.read(buffer)
    }
}
