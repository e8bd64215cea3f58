//! The references to a blob, and how its bytes compare with them.

use std::io::{self, Read};

use crate::{
    basics::{
        digest::{Digest, HashRead},
        error::Error,
        report::Report,
    },
    document::descriptor::{Annotations, MediaType},
    layout::files::LayoutFiles,
    store::file_kind::FileKind,
    verify::defect::Defect,
};

/// One reference to a blob.
pub(crate) struct BlobUse<'a> {
    pub(crate) place: &'a str,
    pub(crate) digest: Digest,
    /// The size in the descriptor.
    pub(crate) size: Option<u64>,
    /// Whether the blob must be in the layout.
    pub(crate) required: bool,
    /// The requirements on the blob as a layer, if it is used as one.
    pub(crate) layer: Option<LayerUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerUse {
    pub(crate) media_type: MediaType,
    /// The diff ID in the configuration.
    pub(crate) diff_id: Option<Digest>,
    /// Whether engines unpack it. Layers of artifacts may be of any kind.
    pub(crate) in_image: bool,
    /// The annotations of its descriptor that locate a table of contents.
    pub(crate) table: Annotations,
}

/// A blob with all references to it.
pub(crate) struct Referred {
    pub(crate) digest: Digest,
    pub(crate) place: String,
    pub(crate) required: bool,
    /// Each size in a descriptor, with its first place.
    pub(crate) sizes: Vec<(u64, String)>,
    /// Each use as a layer, with its first place.
    pub(crate) layers: Vec<(LayerUse, String)>,
    /// The number of its bytes, or their defect, if the blob was already read as a document.
    pub(crate) bytes: Option<Result<u64, Defect>>,
}

/// The maximum number of different claims about one blob. More of them are hostile.
pub(crate) const MAX_USES: usize = 100;

/// Compares the digest of the bytes with that of the blob.
pub(crate) fn compare(digest: Digest, actual: Digest, size: u64) -> Result<(), Defect> {
    if digest == actual { Ok(()) } else { Err(Defect::BlobDamaged { actual, size }) }
}

/// Reads the rest in large steps.
pub(crate) fn read_over(reader: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

pub(crate) fn unreadable(error: impl std::error::Error + 'static) -> Defect {
    Defect::Unreadable { cause: Report(&error).to_string() }
}

pub(crate) fn compare_bytes(bytes: impl Read, digest: Digest) -> Result<u64, Defect> {
    let mut file = HashRead::new(bytes);
    read_over(&mut file).map_err(unreadable)?;
    let (actual, size) = file.finish();
    compare(digest, actual, size).map(|()| size)
}

/// Checks that there is a regular file with this name.
pub(crate) fn expect_file(files: &LayoutFiles, name: &str) -> Result<(), Defect> {
    match files.kind(name).map_err(unreadable)? {
        Some(FileKind::File) => Ok(()),
        Some(kind) => Err(Defect::NotAFile { kind: kind.name() }),
        None => Err(Defect::FileMissing),
    }
}

/// Checks that there is a folder with this name.
pub(crate) fn expect_folder(files: &LayoutFiles, name: &str) -> Result<(), Defect> {
    match files.kind(name).map_err(unreadable)? {
        Some(FileKind::Folder) => Ok(()),
        Some(kind) => Err(Defect::NotAFolder { kind: kind.name() }),
        None => Err(Defect::FileMissing),
    }
}

/// Opens a file and returns it with its size. Checks the kind first, because opening a fifo would
/// wait for a writer forever.
pub(crate) fn open(
    files: &LayoutFiles,
    name: &str,
    limit: u64,
) -> Result<(Box<dyn Read + Send>, u64), Defect> {
    expect_file(files, name)?;
    let (file, size) = match files.file(name) {
        Ok(file) => file.ok_or(Defect::FileMissing)?,
        Err(Error::Read { cause, .. }) => return Err(unreadable(cause)),
        Err(error) => return Err(unreadable(error)),
    };
    if size > limit {
        return Err(Defect::TooLarge { size, limit });
    }
    // The file may grow in the meantime.
    Ok((Box::new(file.take(limit)), size))
}
