//! What can go wrong, each with the path, digest or mapping that failed and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::basics::{
    byte_format::BYTE_FORMAT,
    digest::{Digest, ParseDigestError},
    printable::Printable,
    warning::Warning,
};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a layer, a document or a layout could not be made or read.
///
/// Displayed, it is a line, or some, that a terminal and a log may have, whoever made what it
/// names: see [`Printable`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A mapping names a source that is not there.
    #[error("source {path:?} does not exist: correct the path, or make the file first")]
    SourceMissing {
        /// The source as the mapping gives it.
        path: PathBuf,
    },
    /// A source exists and can't be read.
    #[error("cannot read source {path:?}: {cause}", cause = Printable(cause))]
    SourceUnreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A source is something that no layer can hold: a socket, a fifo, a device.
    #[error("source {path:?} is a {kind}, which a layer cannot take from a folder: exclude it")]
    SourceKind {
        /// The file.
        path: PathBuf,
        /// What it is, in a word.
        kind: &'static str,
    },
    /// A mapping names a source whose bytes cannot be had: a socket, a device.
    #[error(
        "source {path:?} is a {kind}, and a layer takes the bytes of files and pipes: write them \
         to a file first"
    )]
    SourceNotAFile {
        /// The source.
        path: PathBuf,
        /// What it is, in a word.
        kind: &'static str,
    },
    /// A source is a pipe, and there is no folder for its bytes.
    #[error(
        "source {path:?} is a pipe, which is read once, and there is no folder to keep its bytes \
         in: store the layer, give a scratch folder, or write it to a file first"
    )]
    SourcePipe {
        /// The source.
        path: PathBuf,
    },
    /// Two mappings name one pipe.
    #[error(
        "source {path:?} is a pipe and is given twice, and a pipe is read once: write it to a \
         file first"
    )]
    SourcePipeTwice {
        /// The source.
        path: PathBuf,
    },
    /// A source file has not the size that it says, as the files of `/proc` and `/sys`.
    #[error(
        "source {path:?} says that it has {size} bytes and has {found}, as the files of /proc and \
         /sys do: copy its contents to another file first, as `cat` does"
    )]
    SourceSize {
        /// The file.
        path: PathBuf,
        /// What it says.
        size: u64,
        /// "more" or "fewer".
        found: &'static str,
    },
    /// A source file changed between being listed and being read.
    #[error("source {path:?} {change} while it was read: build again when nothing writes to it")]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// "shrank", "grew", "vanished" or "changed".
        change: &'static str,
    },
    /// A destination that can't be a path in a layer.
    #[error("destination {destination:?} {reason}")]
    Destination {
        /// The destination as the mapping gives it.
        destination: PathBuf,
        /// What is wrong with it and what to write instead.
        reason: &'static str,
    },
    /// Two mappings want different things at one path.
    #[error(
        "{destination:?} is wanted twice: by {first} and by {second}; drop one, exclude it there, \
         or choose a conflict policy (first or last wins)",
        first = Printable(first), second = Printable(second)
    )]
    Conflict {
        /// The path in the layer.
        destination: PathBuf,
        /// What the earlier mapping puts there.
        first: String,
        /// What the later mapping puts there.
        second: String,
    },
    /// A destination goes through a symbolic link of the base that does not lead to a directory.
    #[error(
        "destination {destination:?} goes through {link:?}, which the base has as a symbolic link \
         to {target:?}: the link {reason}; correct the destination, or remove the link with a \
         whiteout first"
    )]
    BaseLink {
        /// The destination, or the path in a source folder that lands there.
        destination: PathBuf,
        /// The link in the base.
        link: PathBuf,
        /// The target of the link.
        target: PathBuf,
        /// Where the link leads.
        reason: &'static str,
    },
    /// A file would replace a directory of the base, or a directory a file.
    #[error(
        "the base has a {base} at {destination:?}, and {source_name} would replace it: {}, or \
         allow the replacement (replace)",
        match *base {
            "directory" => "to put a file into that directory, end the destination with a slash \
             or write the whole path",
            _ => "choose another destination",
        },
        source_name = Printable(source_name)
    )]
    BaseConflict {
        /// The destination, or the path in a source folder that lands there.
        destination: PathBuf,
        /// What the base has there: "directory" or "file".
        base: &'static str,
        /// What the layer has there, or below it.
        source_name: String,
    },
    /// A layer that was made without its base replaces something of that base.
    #[error("{0}; or allow the replacement (replace)")]
    Replaced(#[source] Warning),
    /// A glob that can't be read.
    #[error("glob {glob:?} is not valid: {reason}", reason = Printable(reason))]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tar given as a source is damaged or holds what no layer can.
    #[error("tar {path:?}, at byte {offset}: {reason}", reason = Printable(reason))]
    SourceTar {
        /// The tar.
        path: PathBuf,
        /// Where in the (uncompressed) tar.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A compressed tar is a source and there is no folder to unpack it in.
    #[error(
        "tar {path:?} is compressed and there is no folder to unpack it in: store the layer, give \
         a scratch folder, or decompress the tar first"
    )]
    ScratchNeeded {
        /// The tar.
        path: PathBuf,
    },
    /// A compression that can't be used as asked.
    #[error("compression {compression:?}: {reason}", reason = Printable(reason))]
    Compression {
        /// The compression, as written on a command line.
        compression: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A codec linked into this program makes other bytes than the byte format promises.
    #[error(
        "the {codec} linked into this program makes other bytes than byte format {format} \
         promises: build with the Cargo.lock of this release, without a system library in its \
         place"
    )]
    CodecBytes {
        /// "gzip" or "zstd", and its level.
        codec: String,
        /// The byte format's number.
        format: u32,
    },
    /// A digest that can't be read.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// A value that a document can't hold: user-given JSON, a platform, a tag, an environment
    /// entry.
    #[error("{what}: {reason}", what = Printable(what), reason = Printable(reason))]
    Invalid {
        /// What was read, and where from.
        what: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Images that can't stand together in one layout or index.
    #[error(
        "images {first} and {second} {reason}",
        first = Printable(first), second = Printable(second), reason = Printable(reason)
    )]
    Images {
        /// The first one's tag, platform or digest.
        first: String,
        /// The second one's.
        second: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A layout, or a folder of one step, that can't be read as one.
    #[error("{path:?} {reason}", reason = Printable(reason))]
    Layout {
        /// The layout, or a file of it.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A layout has defects. Displayed, each has a line of its own.
    #[error(
        "{path:?} is not sound: make or fetch it again{}",
        defects.iter().map(|defect| format!("\n  {}", Printable(defect))).collect::<String>()
    )]
    Unsound {
        /// The layout.
        path: PathBuf,
        /// What [`verify`](crate::verify()) finds, each in a sentence.
        defects: Vec<String>,
    },
    /// A blob is not in the layout.
    #[error("blob {digest} is missing from {path:?}: fetch the image again, whole")]
    BlobMissing {
        /// The layout.
        path: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// A blob's bytes are not what its descriptor says.
    #[error(
        "blob {digest} is damaged: its descriptor says {expected}, its bytes say {actual}; make \
         or fetch it again"
    )]
    BlobDamaged {
        /// The blob.
        digest: Digest,
        /// Size or digest, from the descriptor.
        expected: String,
        /// Size or digest, from the bytes.
        actual: String,
    },
    /// A blob's bytes can't be had.
    #[error("cannot read blob {digest}: {cause}", cause = Printable(cause))]
    BlobUnreadable {
        /// The blob.
        digest: Digest,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What a recipe makes a blob from is not what it was when the recipe was written.
    #[error(
        "blob {digest} cannot be made again: {path:?} {change} since it was described; put it back \
         as it was, or make the image again"
    )]
    SourceOutdated {
        /// The blob.
        digest: Digest,
        /// The source; of what has none (a directory, a link), its place in the layer.
        path: PathBuf,
        /// What happened to it: "changed", "vanished", "was added".
        change: &'static str,
    },
    /// A recipe reads a file of this machine, and it is not known that this user wrote it.
    #[error(
        "recipe {recipe:?} reads {reads:?}, and this user did not write it here: name a folder \
         that recipes may read with --recipe-root, or give --trust-recipes if you trust whoever \
         made the layout (in the library: RecipeTrust)"
    )]
    RecipeUntrusted {
        /// The file of the recipe.
        recipe: PathBuf,
        /// The file or folder that it reads.
        reads: PathBuf,
    },
    /// A recipe was written for another byte format.
    #[error(
        "the recipe of blob {digest} is for byte format {format}, and this program makes byte \
         format {BYTE_FORMAT}: use a release that makes that one, or make the image again"
    )]
    RecipeFormat {
        /// The blob.
        digest: Digest,
        /// The byte format's number.
        format: u64,
    },
    /// A registry could not be reached, refused, or sent what it should not.
    #[error("{reference}: {reason}", reference = Printable(reference), reason = Printable(reason))]
    Registry {
        /// The image, by its full name.
        reference: String,
        /// What went wrong and what to do.
        reason: String,
    },
    /// A warning, where the option `strict` turns warnings into errors.
    #[error("{0} (strict: warnings are errors)")]
    Warning(#[source] Warning),
    /// An address can't be listened at.
    #[error(
        "cannot listen at {address}: {cause}; choose another address, or port 0 for any that is \
         free"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// An output can't be written.
    #[error("cannot write {path:?}: {cause}", cause = Printable(cause))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file system has no locks for folders, as some of NFS and FUSE.
    #[error(
        "cannot lock {path:?}: {cause}. Locks keep programs from removing blobs that others are \
         about to use; if no other program writes there now, go on without locks (--no-lock)"
    )]
    NoLocks {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file of a layout can't be read.
    #[error("cannot read {path:?}: {cause}", cause = Printable(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl Error {
    /// An error on a source file, by what the system said of it.
    pub(crate) fn source(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::NotFound => Self::SourceMissing { path },
            _ => Self::SourceUnreadable { path, cause },
        }
    }

    /// An error on an output, by what the system said of it.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Write { path, cause }
    }

    /// An error of a writer that takes an output: an error of ours that travelled inside one, which
    /// names the file, comes out again as itself.
    pub(crate) fn sink(cause: io::Error) -> Self {
        cause.downcast().unwrap_or_else(Self::write("output"))
    }

    /// An error on a file of a layout, by what the system said of it.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Read { path, cause }
    }

    /// An error on a blob's bytes. They come through `Read`, whose error type is the system's: an
    /// error of ours that travelled inside one, on a source for one, comes out again as itself.
    pub(crate) fn blob(digest: Digest, cause: io::Error) -> Self {
        match cause.downcast() {
            Ok(error) => error,
            Err(cause) => Self::BlobUnreadable { digest, cause },
        }
    }

    /// The first of these warnings as an error, if warnings are errors.
    pub(crate) fn refuse_warnings(warnings: &[Warning], strict: bool) -> Result<()> {
        match warnings.first() {
            Some(warning) if strict => Err(Self::Warning(warning.clone())),
            _ => Ok(()),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Layout { path: path.into(), reason: reason.into() }
    }
}

impl From<Error> for io::Error {
    /// An error of this kind, with the error inside.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::SourceUnreadable { cause, .. }
            | Error::BlobUnreadable { cause, .. }
            | Error::Listen { cause, .. }
            | Error::Write { cause, .. }
            | Error::NoLocks { cause, .. }
            | Error::Read { cause, .. } => cause.kind(),
            Error::SourceMissing { .. } => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
