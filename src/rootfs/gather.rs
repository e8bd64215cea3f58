//! The files of an image, with something else that is gathered while its layers are read.

use std::sync::Arc;

use crate::{
    basics::error::Result,
    blob::traits::Blob,
    image::platform_image::PlatformImage,
    layer::layer_files::{LayerFiles, LayerTar, ReadFiles},
    pool::Pool,
    rootfs::image_files::ImageFiles,
    tarfile::reader::{TarEntry, TarError},
};

impl ImageFiles {
    /// The files of an image, and what `look` gathers from the entries of each layer, whose
    /// contents it can read.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::new`], and the errors of `look`.
    pub(crate) fn gather<T: Default + Send>(
        image: &PlatformImage,
        pool: &Pool,
        look: impl Fn(&mut T, &mut LayerTar<'_>, &TarEntry) -> Result<(), TarError> + Sync,
    ) -> Result<(Self, Vec<T>)> {
        let read = LayerFiles::read_with(image.layers(), pool, ReadFiles::default(), look)?;
        let (files, gathered): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let mut all = Self::default().and_files(files);
        let blobs = image.layers().iter().map(|layer| Arc::new(Arc::clone(layer)) as Arc<dyn Blob>);
        all.layers.extend(blobs);
        Ok((all, gathered))
    }
}
