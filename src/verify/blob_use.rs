//! What is said of a blob, and how its bytes compare with that.

use std::io::{self, Read};

use crate::{
    basics::{
        digest::{Digest, HashRead},
        error::Error,
    },
    document::descriptor::MediaType,
    layout::files::LayoutFiles,
    store::file_kind::FileKind,
    verify::defect::Defect,
};

/// One reference to a blob.
pub(crate) struct BlobUse<'a> {
    pub(crate) place: &'a str,
    pub(crate) digest: Digest,
    /// As the descriptor says it.
    pub(crate) size: Option<u64>,
    /// Whether it must be in the layout.
    pub(crate) required: bool,
    /// What it must be as a layer, if it is used as one.
    pub(crate) layer: Option<LayerUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerUse {
    pub(crate) media_type: MediaType,
    /// As the configuration says it.
    pub(crate) diff_id: Option<Digest>,
    /// Whether engines unpack it: artifacts have layers of whatever kind.
    pub(crate) in_image: bool,
}

/// A blob with all that was said of it.
pub(crate) struct Referred {
    pub(crate) digest: Digest,
    pub(crate) place: String,
    pub(crate) required: bool,
    /// Each size that a descriptor says, and where first.
    pub(crate) sizes: Vec<(u64, String)>,
    /// Each way in which it is used as a layer, and where first.
    pub(crate) layers: Vec<(LayerUse, String)>,
    /// What is known of its bytes, if they were read as a document: their number.
    pub(crate) bytes: Option<Result<u64, Defect>>,
}

/// Different things that are said of one blob; more are hostile.
pub(crate) const MAX_USES: usize = 100;

/// Whether the bytes that were read are those of the blob.
pub(crate) fn compare(digest: Digest, actual: Digest, size: u64) -> Result<(), Defect> {
    if digest == actual { Ok(()) } else { Err(Defect::BlobDamaged { actual, size }) }
}

/// Reads all that is left, in large steps.
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

pub(crate) fn unreadable(cause: impl std::fmt::Display) -> Defect {
    Defect::Unreadable { cause: cause.to_string() }
}

pub(crate) fn compare_bytes(bytes: impl Read, digest: Digest) -> Result<u64, Defect> {
    let mut file = HashRead::new(bytes);
    read_over(&mut file).map_err(unreadable)?;
    let (actual, size) = file.finish();
    compare(digest, actual, size).map(|()| size)
}

/// A file and its size, after a look at what it is: opening a fifo would wait for a writer for ever.
pub(crate) fn open(files: &LayoutFiles, name: &str, limit: u64) -> Result<(Box<dyn Read + Send>, u64), Defect> {
    match files.kind(name).map_err(unreadable)? {
        Some(FileKind::File) => {}
        Some(FileKind::Folder) => return Err(Defect::NotAFile { kind: "folder" }),
        Some(FileKind::Other(kind)) => return Err(Defect::NotAFile { kind }),
        None => return Err(Defect::FileMissing),
    }
    let (file, size) = match files.file(name) {
        Ok(file) => file.ok_or(Defect::FileMissing)?,
        Err(Error::Read { cause, .. }) => return Err(unreadable(cause)),
        Err(error) => return Err(unreadable(error)),
    };
    if size > limit {
        return Err(Defect::TooLarge { size, limit });
    }
    // It may grow meanwhile.
    Ok((Box::new(file.take(limit)), size))
}
