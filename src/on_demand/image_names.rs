//! The seam between the names of images and their contents.

use std::sync::Arc;

use crate::{
    on_demand::{contents::ImageContents, names::Names},
    registry::NamedImageError,
};

/// What the names of images mean.
pub trait ImageNames: Send + Sync {
    /// Returns what a name and a tag mean. It does no input or output.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if no image can have this name or tag.
    fn image(&self, name: &str, tag: &str) -> Result<NamedContents, NamedImageError>;

    /// Returns the contents of all images that have this name now, whatever their tags.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if no image can have this name.
    fn contents(&self, name: &str) -> Result<Vec<ImageContents>, NamedImageError>;

    /// Returns the tags of a name, sorted by bytes, if they are not those of the package set.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if no image can have this name.
    fn tags(&self, name: &str) -> Result<Option<Vec<String>>, NamedImageError>;

    /// Returns the names for the catalog. A name that is not among them may mean an image as well.
    fn names(&self) -> Vec<String>;
}

/// What a name and a tag mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedContents {
    /// What the image contains.
    pub contents: ImageContents,
    /// The tag of the package set.
    pub tag: String,
    /// Whether the name was declared. What it means can change, and images with its earlier
    /// contents are still served by their digests.
    pub is_declared: bool,
}

/// Names consist of packages, and their tags are those of the package set.
impl ImageNames for Names {
    fn image(&self, name: &str, tag: &str) -> Result<NamedContents, NamedImageError> {
        let contents = self.contents(name)?;
        Ok(NamedContents { contents, tag: tag.to_owned(), is_declared: false })
    }

    fn contents(&self, name: &str) -> Result<Vec<ImageContents>, NamedImageError> {
        Ok(vec![self.contents(name)?])
    }

    fn tags(&self, name: &str) -> Result<Option<Vec<String>>, NamedImageError> {
        self.contents(name).map(|_| None)
    }

    fn names(&self) -> Vec<String> {
        self.words()
    }
}

/// A function from names to contents, which has no names for the catalog.
impl<F> ImageNames for F
where
    F: Fn(&str) -> Result<ImageContents, NamedImageError> + Send + Sync,
{
    fn image(&self, name: &str, tag: &str) -> Result<NamedContents, NamedImageError> {
        Ok(NamedContents { contents: self(name)?, tag: tag.to_owned(), is_declared: false })
    }

    fn contents(&self, name: &str) -> Result<Vec<ImageContents>, NamedImageError> {
        Ok(vec![self(name)?])
    }

    fn tags(&self, name: &str) -> Result<Option<Vec<String>>, NamedImageError> {
        self(name).map(|_| None)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// For a caller that changes what names mean, too.
impl<T: ImageNames + ?Sized> ImageNames for Arc<T> {
    fn image(&self, name: &str, tag: &str) -> Result<NamedContents, NamedImageError> {
        (**self).image(name, tag)
    }

    fn contents(&self, name: &str) -> Result<Vec<ImageContents>, NamedImageError> {
        (**self).contents(name)
    }

    fn tags(&self, name: &str) -> Result<Option<Vec<String>>, NamedImageError> {
        (**self).tags(name)
    }

    fn names(&self) -> Vec<String> {
        (**self).names()
    }
}
