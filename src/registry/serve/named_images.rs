//! The seam for images whose names are not known in advance: an endpoint asks for an image by its
//! name, and another room finds or makes it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    basics::{digest::Digest, stop::Stop},
    document::descriptor::Descriptor,
    image::graph::Image,
};

/// Images that an [`Endpoint`](super::Endpoint) serves by names which are not known in advance.
///
/// The endpoint turns a name and a tag into a request with [`request`](Self::request). If the
/// image is not [`known`](Self::known), it calls [`make`](Self::make) once for all clients that
/// wait for an equal request, in a thread of its own.
pub trait NamedImages: Send + Sync {
    /// Returns the canonical form of a request, which is equal for all names and tags that mean the
    /// same image. It does no input or output.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if no image can have this name or tag.
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError>;

    /// Returns the image of a canonical request if it is known already. It takes a few milliseconds
    /// at most. The endpoint does not read the manifest again if it gets the same `Arc`.
    fn known(&self, request: &str) -> Option<Arc<Image>>;

    /// Finds or makes the image of a canonical request. It may take minutes, and ends soon after
    /// `stop` is set: then no client waits for the image any more.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] with a kind that decides the status of the response.
    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError>;

    /// Returns an image that was served under this name or a name for the same image, and whose
    /// manifest or one of whose blobs has this digest. It makes nothing.
    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>>;

    /// Returns a URL where clients read a blob of an image that was served, instead of from the
    /// endpoint: `GET` gets a redirect with status 307. It takes a few milliseconds at most. By
    /// default `None`: the endpoint sends the bytes.
    fn location(&self, blob: &Descriptor) -> Option<String> {
        let _ = blob;
        None
    }

    /// Returns the tags of a name, sorted by bytes.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if no image can have this name.
    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError>;

    /// Returns a paragraph for people: what the names mean. By default none.
    fn about(&self) -> Option<String> {
        None
    }

    /// Returns the names for the catalog, sorted by bytes. A name that is not among them may be
    /// served as well.
    fn names(&self) -> Vec<String>;
}

/// For a caller that keeps the images, too.
impl<T: NamedImages + ?Sized> NamedImages for Arc<T> {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        (**self).request(name, tag)
    }

    fn known(&self, request: &str) -> Option<Arc<Image>> {
        (**self).known(request)
    }

    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        (**self).make(request, stop)
    }

    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>> {
        (**self).holding(name, digest)
    }

    fn location(&self, blob: &Descriptor) -> Option<String> {
        (**self).location(blob)
    }

    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError> {
        (**self).tags(name)
    }

    fn about(&self) -> Option<String> {
        (**self).about()
    }

    fn names(&self) -> Vec<String> {
        (**self).names()
    }
}

/// Why no image is served for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedImageError {
    /// What the status of the response depends on.
    pub kind: NamedImageErrorKind,
    /// One sentence for the client. It names no path of this machine.
    pub message: String,
    /// More for the operator of the registry, such as the log of a build. May have many lines.
    pub detail: Option<String>,
}

/// The kind of a [`NamedImageError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NamedImageErrorKind {
    /// The name is malformed or too long.
    NameInvalid,
    /// The name names nothing, or several things.
    NameUnknown,
    /// The name is known, and the tag is not.
    TagUnknown,
    /// The image cannot be made, and a repetition would fail in the same way.
    Failed,
    /// The image was not made within the time that the operator allows.
    TooLate,
    /// Too many images are being made. The client should try again after this time.
    Busy(Duration),
    /// Nobody waits for the image any more, or the endpoint stops.
    Stopped,
    /// The registry itself is at fault, for example because its disk is full.
    Internal,
}

impl NamedImageError {
    /// Creates an error without a detail.
    pub fn new(kind: NamedImageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None }
    }

    /// Adds a detail for the operator.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

impl fmt::Display for NamedImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NamedImageError {}
