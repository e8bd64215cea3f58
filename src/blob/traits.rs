//! The seam: whatever has a descriptor and can be read is a blob, and a blob with a diff ID is a
//! layer.

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

/// Bytes that a descriptor names. They need not exist yet: a layer that was only described makes
/// them when asked.
pub trait Blob: Send + Sync {
    /// What a document that refers to the blob says of it.
    fn descriptor(&self) -> &Descriptor;

    /// The bytes from the first to the last, as many and with the digest as the descriptor says.
    /// Whoever stores them checks that.
    ///
    /// # Errors
    ///
    /// When the bytes can't be had, now or while they are read.
    fn open(&self) -> Result<Box<dyn Read + Send>>;

    /// A file that holds exactly these bytes, if there is one. Naming it is a promise that they are
    /// right, made by who wrote or checked them: a layout takes such a file over by its name and
    /// size, without a look inside.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// The same bytes from a file, all of them hashed before this returns; `None` if they lie in no
    /// file. What is sent elsewhere comes from here: a descriptor that names another file of this
    /// machine is an error, and none of its bytes leave.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if the file has other bytes, and whatever [`Blob::open`] gives.
    fn checked(&self) -> Result<Option<CheckedFile>> {
        Ok(None)
    }

    /// How others can have these bytes without being given them, if that can be said: where they
    /// lie, or how they are made. A sparse layout holds it in the place of the blob.
    fn recipe(&self) -> Option<Recipe> {
        None
    }
}

/// A blob that is a layer of an image's file system.
///
/// ```
/// # use std::{io::Read, sync::Arc};
/// use oci_layout::{Blob, Descriptor, Digest, Layer, MediaType, Result};
///
/// /// The smallest layer there is: a tar without an entry.
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

    /// The bytes of the uncompressed tar. They are not compared with the diff ID, and a damaged
    /// stream is an error of reading them.
    ///
    /// # Errors
    ///
    /// Those of [`Blob::open`], and [`Error::BlobUnreadable`] for a stream whose beginning cannot
    /// be read, or that needs the feature `zstd`.
    fn uncompressed(&self) -> Result<Box<dyn Read + Send>> {
        unpacked(self.open()?).map_err(|cause| Error::blob(self.descriptor().digest, cause))
    }

    /// What the image's history says the layer was made by.
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
    /// A blob of these bytes.
    pub fn new(media_type: MediaType, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { descriptor: Descriptor::of(media_type, &bytes), bytes }
    }

    /// Adds an annotation to the descriptor, as in `org.opencontainers.image.title`, by which ORAS
    /// names files.
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

/// A blob whose bytes are known to lie in a file, because whoever makes this value wrote or checked
/// them.
#[derive(Clone, Debug)]
pub struct FileBlob {
    descriptor: Descriptor,
    path: PathBuf,
    known: Arc<KnownFiles>,
}

impl FileBlob {
    /// A blob that lies in this file.
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
