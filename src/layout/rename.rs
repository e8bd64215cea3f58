//! Changes what the index of a layout says about images: their names and annotations.

use std::{collections::HashSet, sync::Arc};

use crate::{
    basics::{Digest, Result, json},
    blob::Blob,
    document::{Descriptor, ImageName, REF_NAME},
    image::Image,
    layout::{
        blob_store::BlobStore,
        choose::is_named,
        edit::{Edit, check_names},
        read::ImageLayout,
    },
    pool::Pool,
    store::Lock,
};

impl ImageLayout {
    /// Replaces the image with this name, as in [`ImageLayout::image`], by another one, which gets
    /// the annotations of the old entry, and so its names. With a tag or a full name, only entries
    /// with this name change; without a name, all entries of the only image. The old blobs stay
    /// until [`ImageLayout::collect_garbage`] removes them.
    ///
    /// Blobs of the old image are neither written nor read again, so that a change of a
    /// configuration takes no longer for a large image.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::whole_image`] and [`ImageLayout::append`]; [`Error::ImageNotFound`](crate::Error::ImageNotFound) if the
    /// image is part of an index and has no entry of its own, or if another program replaced it
    /// meanwhile.
    pub fn replace(
        &mut self,
        name: Option<&str>,
        image: impl Into<Image>,
        pool: &Pool,
    ) -> Result<()> {
        let (dir, write) = (self.folder()?.to_owned(), self.write);
        let (image, old) = (image.into(), self.whole_image(name)?);
        let stored: HashSet<Digest> =
            old.blobs().iter().map(|blob| blob.descriptor().digest).collect();
        let is_new = |blob: &&Arc<dyn Blob>| !stored.contains(&blob.descriptor().digest);
        let blobs = image.blobs().iter().filter(is_new).cloned().collect();
        let new = [Image::new(image.descriptor().clone(), blobs)];
        let edit = |entry: &Descriptor| {
            let is_it = entry.digest == old.digest()
                && name.map_or(Ok(true), |name| is_named(entry, name))?;
            Ok(match is_it {
                true => {
                    let annotations = entry.annotations.clone();
                    let new = Descriptor { annotations, ..image.descriptor().clone() };
                    Edit::Replace(json::to_raw(&new))
                }
                false => Edit::Keep,
            })
        };
        let (files, is_sparse) = (Arc::clone(&self.files), self.is_sparse());
        let put = || {
            let store = BlobStore::create(&dir, is_sparse, write)?;
            let store = store.knowing(&files.trust, &files.known);
            store.put_all(&new, pool)?;
            store.sync_folders()?;
            Ok(store)
        };
        match self.change(|layout| layout.edited(&edit, &[]), put)? {
            true => Ok(()),
            false => Err(self.not_found(name)?),
        }
    }

    /// Gives a name to the image with the name `of`, as in [`ImageLayout::whole_image`], and
    /// returns the digest of the image. Its other names stay. A tag of another image moves to this
    /// one.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::append`], and the errors of choosing the image.
    pub fn tag(&mut self, of: Option<&str>, name: &str) -> Result<Digest> {
        let (dir, write) = (self.folder()?.to_owned(), self.write);
        let image = self.entry(of)?;
        let mut new = image.clone();
        name.parse::<ImageName>()?.annotate(&mut new);
        let edit = |old: &Descriptor| {
            let tag = old.annotations.get(REF_NAME);
            if tag == new.annotations.get(REF_NAME) {
                check_names(old, &new)?;
                return Ok(Edit::Remove);
            }
            // The image gets its first name.
            Ok(if tag.is_none() && old.digest == image.digest { Edit::Remove } else { Edit::Keep })
        };
        let added = [new.clone()];
        self.change(|layout| layout.edited(&edit, &added), || Lock::shared(&dir, write))?;
        Ok(image.digest)
    }

    /// Sets an annotation of each entry of the index with this digest, or removes it if the value is
    /// `None`. A manifest that is only part of an index has no entry.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::append`].
    pub fn annotate(&mut self, digest: Digest, key: &str, value: Option<&str>) -> Result<()> {
        let (dir, write) = (self.folder()?.to_owned(), self.write);
        let edit = |entry: &Descriptor| {
            let mut new = entry.clone();
            let old = match value {
                Some(value) => new.annotations.insert(key.to_owned(), value.to_owned()),
                None => new.annotations.remove(key),
            };
            Ok(match entry.digest == digest && old.as_deref() != value {
                true => Edit::Replace(json::to_raw(&new)),
                false => Edit::Keep,
            })
        };
        self.change(|layout| layout.edited(&edit, &[]), || Lock::shared(&dir, write))?;
        Ok(())
    }
}
