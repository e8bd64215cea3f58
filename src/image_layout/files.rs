//! The files of a layout that is read: in a folder, or in an oci-archive, which is a tar of that folder.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    blob::Blob,
    descriptor::{Descriptor, MediaType},
    digest::{Digest, HashRead},
    error::{Error, Result},
};

/// The largest document that is read. Registries take manifests of 4 MiB; configurations may be larger.
pub(crate) const MAX_DOCUMENT: u64 = 16 << 20;

/// Where the files of a layout are.
#[derive(Debug)]
pub(crate) struct LayoutFiles {
    path: PathBuf,
    archive: Option<Archive>,
}

#[derive(Debug)]
struct Archive {
    tar: Arc<File>,
    /// Offset and size of each file's contents, by its path in the layout.
    files: BTreeMap<String, (u64, u64)>,
}

impl LayoutFiles {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let metadata = path.metadata().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => {
                Error::layout(path, "does not exist: give the folder of an image layout, or an oci-archive")
            }
            _ => Error::read(path)(cause),
        })?;
        let archive = if metadata.is_dir() { None } else { Some(Archive::open(path)?) };
        Ok(Self { path: path.to_owned(), archive })
    }

    /// The folder or the archive.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, if it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.archive.is_none().then_some(&*self.path)
    }

    /// One of the files, and its size; `None` if it is not there.
    pub(crate) fn file(&self, name: &str) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        let Some(archive) = &self.archive else {
            let path = self.path.join(name);
            return match File::open(&path) {
                Ok(file) => {
                    let size = file.metadata().map_err(Error::read(&path))?.len();
                    Ok(Some((Box::new(file), size)))
                }
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(Error::read(path)(cause)),
            };
        };
        Ok(archive.files.get(name).map(|&(offset, size)| {
            let reader = Section { tar: Arc::clone(&archive.tar), offset, end: offset + size };
            (Box::new(reader) as Box<dyn Read + Send>, size)
        }))
    }

    /// The bytes of a document, which its descriptor must fit.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let what = blob_name(descriptor.digest);
        let Some((file, size)) = self.file(&what)? else {
            return Err(Error::BlobMissing { path: self.path.clone(), digest: descriptor.digest });
        };
        let damaged =
            |expected: String, actual: String| Error::BlobDamaged { digest: descriptor.digest, expected, actual };
        if size != descriptor.size {
            return Err(damaged(format!("{} bytes", descriptor.size), format!("{size} bytes")));
        }
        let mut reader = HashRead::new(file);
        let bytes = self.read_small(&what, &mut reader, size)?;
        let (digest, _) = reader.finish();
        if digest != descriptor.digest {
            return Err(damaged(descriptor.digest.to_string(), digest.to_string()));
        }
        Ok(bytes)
    }

    /// The bytes of a file that is no blob.
    pub(crate) fn small_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((mut file, size)) = self.file(name)? else { return Ok(None) };
        self.read_small(name, &mut file, size).map(Some)
    }

    fn read_small(&self, name: &str, reader: &mut impl Read, size: u64) -> Result<Vec<u8>> {
        if size > MAX_DOCUMENT {
            let reason = format!("has {size} bytes, more than the {MAX_DOCUMENT} that a document may have here");
            return Err(Error::layout(self.path.join(name), reason));
        }
        let mut bytes = Vec::new();
        reader.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(Error::read(self.path.join(name)))?;
        Ok(bytes)
    }
}

/// The path of a blob in a layout.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

impl Archive {
    fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: &str| Error::layout(path, reason);
        let file = File::open(path).map_err(Error::read(path))?;
        let mut magic = [0; 4];
        let read = file.read_at(&mut magic, 0).map_err(Error::read(path))?;
        if magic[..read].starts_with(&[0x1f, 0x8b]) || magic[..read] == [0x28, 0xb5, 0x2f, 0xfd] {
            return Err(refuse("is compressed: decompress the archive first"));
        }
        let mut files = BTreeMap::new();
        let mut tar = tar::Archive::new(file.try_clone().map_err(Error::read(path))?);
        let damaged =
            |cause: io::Error| refuse(&format!("is neither the folder of an image layout nor an oci-archive: {cause}"));
        for entry in tar.entries_with_seek().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            if entry.header().entry_type().is_file() {
                let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
                files.insert(name, (entry.raw_file_position(), entry.size()));
            }
        }
        if !files.contains_key(super::MARKER) {
            return Err(match files.contains_key("manifest.json") {
                true => refuse(
                    "is a docker-archive: save the image as an oci-archive, with `podman save --format oci-archive` for one",
                ),
                false => refuse("has no oci-layout file: it is no oci-archive"),
            });
        }
        Ok(Self { tar: Arc::new(file), files })
    }
}

/// A stretch of an archive.
struct Section {
    tar: Arc<File>,
    offset: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.end - self.offset).unwrap_or(usize::MAX));
        let n = self.tar.read_at(&mut buffer[..room], self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// A blob of a layout that is read. Nobody has looked at its bytes, so that it names no file.
#[derive(Clone, Debug)]
pub(crate) struct LayoutBlob {
    pub(crate) files: Arc<LayoutFiles>,
    pub(crate) descriptor: Descriptor,
}

impl LayoutBlob {
    /// The same bytes under the name that OCI has for what Docker named otherwise.
    pub(crate) fn new(files: &Arc<LayoutFiles>, descriptor: &Descriptor) -> Self {
        let media_type: MediaType = descriptor.media_type.to_oci();
        Self { files: Arc::clone(files), descriptor: Descriptor { media_type, ..descriptor.clone() } }
    }
}

impl Blob for LayoutBlob {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self.files.file(&blob_name(self.descriptor.digest))? {
            Some((reader, _)) => Ok(reader),
            None => Err(Error::BlobMissing { path: self.files.path().to_owned(), digest: self.descriptor.digest }),
        }
    }
}
