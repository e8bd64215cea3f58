//! Images by names that are not known in advance, and their contents.

use std::{
    collections::VecDeque,
    slice,
    sync::{Arc, Mutex},
};

use crate::{
    basics::digest::Digest,
    image::graph::Image,
    pool::lock,
    registry::serve::{
        contents::Contents, named_images::NamedImages, recent::Recent, shared_making::SharedMakings,
    },
};

/// The maximum number of images whose contents stay in memory. Each takes some kilobytes.
const CONTENTS: usize = 256;

/// The named images of an endpoint.
pub(crate) struct Named {
    pub(crate) images: Arc<dyn NamedImages>,
    pub(crate) makings: Arc<SharedMakings>,
    pub(crate) recent: Arc<Recent>,
    /// The contents of images, the latest first.
    read: Mutex<VecDeque<(Arc<Image>, Arc<Contents>)>>,
}

impl Named {
    pub(crate) fn new(
        images: Arc<dyn NamedImages>,
        makings: Arc<SharedMakings>,
        recent: Arc<Recent>,
    ) -> Self {
        Self { images, makings, recent, read: Mutex::default() }
    }

    /// What the image contains. An image that was made again may have other sources for the same
    /// bytes, so its contents are read again.
    pub(crate) fn contents(&self, image: &Arc<Image>) -> Arc<Contents> {
        let digest = image.digest();
        let is_it = |known: &Digest| *known == digest;
        let mut read = lock(&self.read);
        if let Some(at) = read.iter().position(|(known, _)| is_it(&known.digest())) {
            let found = read.remove(at);
            if let Some((known, contents)) = found.filter(|(known, _)| Arc::ptr_eq(known, image)) {
                read.push_front((known, Arc::clone(&contents)));
                return contents;
            }
        }
        drop(read);
        let contents = Arc::new(Contents::of_images(slice::from_ref(&**image)));
        let mut read = lock(&self.read);
        read.retain(|(known, _)| !is_it(&known.digest()));
        read.push_front((Arc::clone(image), Arc::clone(&contents)));
        read.truncate(CONTENTS);
        contents
    }
}
