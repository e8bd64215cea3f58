//! The two core traits: a blob has a descriptor and can be read, and a layer is a blob with a
//! diff ID.

use std::{
    fs::File,
    io::{Cursor, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{Digest, Error, Result},
    document::{Descriptor, MediaType},
    recipe::Recipe,
    store::{CheckedFile, FileBytes, KnownFiles},
    tarfile::unpacked,
};

/// Bytes that a descriptor identifies. They need not exist yet: a layer that was only described
/// makes them on demand.
pub trait Blob: Send + Sync {
    /// The descriptor, for documents that refer to the blob.
    fn descriptor(&self) -> &Descriptor;

    /// Reads the bytes, whose number and digest must match the descriptor. Functions that store
    /// them verify this.
    ///
    /// # Errors
    ///
    /// If the bytes are not available, now or while they are read.
    fn open(&self) -> Result<Box<dyn Read + Send>>;

    /// A file that contains exactly these bytes, if there is one. Returning it is a promise by code
    /// that wrote or verified the file: a layout uses it after comparing only name and size.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// The same bytes from a file, which is hashed completely before this function returns. `None`
    /// if they are not in a file. Functions that send bytes elsewhere use this, so that a
    /// descriptor that refers to a wrong file of this machine is an error and none of its bytes
    /// leave.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if the file has other bytes, and the errors of [`Blob::open`].
    fn checked(&self) -> Result<Option<CheckedFile>> {
        Ok(None)
    }

    /// A recipe for obtaining these bytes, if there is one: where they are, or how they are made. A
    /// sparse layout contains it instead of the blob.
    fn recipe(&self) -> Option<Recipe> {
        None
    }
}

/// A blob that is a filesystem layer of an image.
///
/// ```
/// # use std::{io::Read, sync::Arc};
/// use oci_layout::{Blob, Digest, Layer, Result, document::{Descriptor, MediaType}};
///
/// /// The smallest possible layer: a tar without entries.
/// struct EmptyLayer(Descriptor);
///
/// impl Blob for EmptyLayer {
///     fn descriptor(&self) -> &Descriptor {
///         &self.0
///     }
///     fn open(&self) -> Result<Box<dyn Read + Send>> {
///         Ok(Box::new(std::io::repeat(0).take(1024)))
///     }
/// }
///
/// impl Layer for EmptyLayer {
///     fn diff_id(&self) -> Digest {
///         self.0.digest
///     }
/// }
///
/// let layer: Arc<dyn Layer> = Arc::new(EmptyLayer(Descriptor::of(MediaType::LAYER, &[0; 1024])));
/// ```
pub trait Layer: Blob {
    /// The digest of the uncompressed tar: [layer
    /// DiffID](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-diffid).
    fn diff_id(&self) -> Digest;

    /// Reads the uncompressed tar. The bytes are not compared with the diff ID, but a damaged
    /// stream is an error.
    ///
    /// # Errors
    ///
    /// The errors of [`Blob::open`], and [`Error::BlobUnreadable`] for a stream whose beginning
    /// cannot be read, or that needs the feature `zstd`.
    fn uncompressed(&self) -> Result<Box<dyn Read + Send>> {
        unpacked(self.open()?).map_err(|cause| Error::blob(self.descriptor().digest, cause))
    }

    /// The command that made the layer, for the history of an image.
    fn created_by(&self) -> String {
        String::new()
    }
}

impl<B: Blob + ?Sized> Blob for Arc<B> {
    fn descriptor(&self) -> &Descriptor {
        (**self).descriptor()
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        (**self).open()
    }

    fn file(&self) -> Option<&Path> {
        (**self).file()
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        (**self).checked()
    }

    fn recipe(&self) -> Option<Recipe> {
        (**self).recipe()
    }
}

impl<L: Layer + ?Sized> Layer for Arc<L> {
    fn diff_id(&self) -> Digest {
        (**self).diff_id()
    }

    fn uncompressed(&self) -> Result<Box<dyn Read + Send>> {
        (**self).uncompressed()
    }

    fn created_by(&self) -> String {
        (**self).created_by()
    }
}

/// A blob in memory: a document, or anything small.
#[derive(Clone, Debug)]
pub struct MemoryBlob {
    descriptor: Descriptor,
    bytes: Arc<[u8]>,
}

impl MemoryBlob {
    /// Creates a blob from bytes.
    pub fn new(media_type: MediaType, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { descriptor: Descriptor::of(media_type, &bytes), bytes }
    }

    /// Adds an annotation to the descriptor, for example `org.opencontainers.image.title`, which
    /// ORAS uses as file name.
    pub fn annotated(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.descriptor.annotations.insert(key.into(), value.into());
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Blob for MemoryBlob {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(Arc::clone(&self.bytes))))
    }
}

/// A blob in a file. The code that creates this value must have written or verified the file.
#[derive(Clone, Debug)]
pub struct FileBlob {
    descriptor: Descriptor,
    path: PathBuf,
    known: Arc<KnownFiles>,
}

impl FileBlob {
    /// Creates a blob from this file.
    pub fn new(descriptor: Descriptor, path: impl Into<PathBuf>) -> Self {
        Self { descriptor, path: path.into(), known: Arc::default() }
    }
}

impl Blob for FileBlob {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.path).map_err(Error::read(&self.path))?))
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        let bytes = FileBytes::open(&self.path)?;
        self.known.check(bytes, &self.descriptor).map(Some)
    }

    fn recipe(&self) -> Option<Recipe> {
        Recipe::of_file(self.descriptor.clone(), &self.path, 0).ok()
    }
}
