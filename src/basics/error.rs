//! Errors. Each names the path, digest or mapping that failed and says what to do.

mod new;
mod sentence;

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use crate::basics::{
    byte_format::BYTE_FORMAT,
    digest::{Digest, ParseDigestError},
    error::sentence::{existing, other_platforms, several, without},
    printable::Printable,
    registry_error::RegistryErrorKind,
    report::Report,
    warning::Warning,
};

/// The result of the fallible functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a layer, a document or a layout could not be created or read.
///
/// To react to an error, match on its variant: each failure that a caller may handle in its own way
/// has one, with its data in fields. There is no separate `kind()`, because it would have to leave
/// that data out. Only [`Error::Registry`] has a kind, since registries refuse for many reasons.
///
/// `Display` does not write the cause, which [`source`](std::error::Error::source) returns:
/// [`Report`](crate::Report) writes both, and so do crates such as `anyhow`. The text has one or
/// more lines. It is safe for terminals and logs, even if the names in it come from an untrusted
/// source: see [`Printable`].
///
/// An error converts into an [`io::Error`] that contains it and has the [`io::ErrorKind`] of its
/// cause.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A mapping names a source that does not exist.
    #[error("source {path:?} does not exist: correct the path, or create the file first")]
    SourceMissing {
        /// The source as the mapping gives it.
        path: PathBuf,
    },
    /// A source exists, but cannot be read.
    #[error("cannot read source {path:?}")]
    SourceUnreadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// A source folder contains a file that a layer cannot include: a socket, a FIFO or a device.
    #[error("source {path:?} is a {kind}, which a layer cannot include from a folder: exclude it")]
    SourceKind {
        /// The file.
        path: PathBuf,
        /// The type of the file, in one word.
        kind: &'static str,
    },
    /// The folder that a layer is stored in lies in a source folder.
    #[error(
        "source {path:?}: the output of the layer is there, and would become a part of the layer: \
         write it elsewhere, or exclude it"
    )]
    SourceHoldsOutput {
        /// The source.
        path: PathBuf,
    },
    /// A mapping names a source that is neither a file nor a pipe: a socket or a device.
    #[error(
        "source {path:?} is a {kind}, but a layer can only contain the bytes of files and pipes: \
         copy the data into a file first"
    )]
    SourceNotAFile {
        /// The source.
        path: PathBuf,
        /// The type of the source, in one word.
        kind: &'static str,
    },
    /// A source is a pipe, and no folder is set in which to keep its bytes.
    #[error(
        "source {path:?} is a pipe, which can be read only once, and there is no folder to keep \
         its bytes in: store the layer, set a scratch folder, or write the bytes to a file first"
    )]
    SourcePipe {
        /// The source.
        path: PathBuf,
    },
    /// Two mappings name the same pipe.
    #[error(
        "source {path:?} is a pipe and is given twice, but a pipe can be read only once: write \
         its bytes to a file first"
    )]
    SourcePipeTwice {
        /// The source.
        path: PathBuf,
    },
    /// A source file reports a wrong size, as files in `/proc` and `/sys` do.
    #[error(
        "source {path:?} reports a size of {size} bytes and has {found}, as files in /proc and \
         /sys do: copy its contents to another file first, for example with `cat`"
    )]
    SourceSize {
        /// The file.
        path: PathBuf,
        /// The size that it reports.
        size: u64,
        /// "more" or "fewer".
        found: &'static str,
    },
    /// A source file changed between listing and reading.
    #[error(
        "source {path:?} {change} while it was being read: build again when nothing writes to it"
    )]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// "shrank", "grew", "vanished" or "changed".
        change: &'static str,
    },
    /// A destination is not a valid path in a layer.
    #[error("destination {destination:?} {reason}")]
    Destination {
        /// The destination as the mapping gives it.
        destination: PathBuf,
        /// What is wrong with it, and what to write instead.
        reason: &'static str,
    },
    /// Two mappings put different entries at the same path.
    #[error(
        "{destination:?} is provided twice, by {first} and by {second}: remove one, exclude the \
         path from it, or choose which one wins",
        first = Printable(first), second = Printable(second)
    )]
    Conflict {
        /// The path in the layer.
        destination: PathBuf,
        /// What the earlier mapping puts at the path.
        first: String,
        /// What the later mapping puts at the path.
        second: String,
    },
    /// A destination passes through a symbolic link of the base that does not lead to a directory.
    #[error(
        "destination {destination:?} passes through {link:?}, a symbolic link of the base to \
         {target:?}: the link {reason}; correct the destination, or remove the link with a \
         whiteout first"
    )]
    BaseLink {
        /// The destination, or the path of a file from a source folder.
        destination: PathBuf,
        /// The link in the base.
        link: PathBuf,
        /// The target of the link.
        target: PathBuf,
        /// Where the link leads.
        reason: &'static str,
    },
    /// A file would replace a directory of the base, or a directory would replace a file.
    #[error(
        "the base has a {base} at {destination:?}, and {source_name} would replace it: {}, or \
         allow the replacement",
        match *base {
            "directory" => "to put a file into that directory, end the destination with a slash \
             or write the whole path",
            _ => "choose another destination",
        },
        source_name = Printable(source_name)
    )]
    BaseConflict {
        /// The destination, or the path of a file from a source folder.
        destination: PathBuf,
        /// What the base has at that path: "directory" or "file".
        base: &'static str,
        /// What the layer has at that path or below it.
        source_name: String,
    },
    /// A layer that was made without its base replaces a file, link or directory of that base.
    #[error("{0}, or allow the replacement")]
    Replaced(Warning),
    /// A glob has invalid syntax.
    #[error("glob {glob:?} is not valid: {reason}", reason = Printable(reason))]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with the glob.
        reason: String,
    },
    /// A source tar is damaged, or contains something that a layer cannot.
    #[error("tar {path:?}, at byte {offset}: {reason}", reason = Printable(reason))]
    SourceTar {
        /// The tar.
        path: PathBuf,
        /// The offset in the uncompressed tar.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A source tar is compressed, and no folder is set in which to decompress it.
    #[error(
        "tar {path:?} is compressed, and there is no folder to decompress it in: store the layer, \
         set a scratch folder, or decompress the tar first"
    )]
    ScratchNeeded {
        /// The tar.
        path: PathBuf,
    },
    /// A compression, or its level, is not available.
    #[error("compression {compression:?}: {reason}", reason = Printable(reason))]
    Compression {
        /// The compression, as on the command line.
        compression: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A codec that is linked into this program does not make the bytes that the byte format
    /// promises.
    #[error(
        "the {codec} that is linked into this program does not make the bytes that byte format \
         {format} promises: build with the Cargo.lock of this release, and do not replace the \
         codec by a library of the system"
    )]
    CodecBytes {
        /// "gzip" or "zstd", with the level.
        codec: String,
        /// The number of the byte format.
        format: u32,
    },
    /// A digest is malformed.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// A value is not valid: JSON from the user, a platform, a tag, an environment variable.
    #[error("{what}: {reason}", what = Printable(what), reason = Printable(reason))]
    Invalid {
        /// The value, and where it comes from.
        what: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// JSON from the user has a member that does not exist.
    #[error(
        "{what}: unknown member {member:?}; {}",
        Printable(existing(closest.as_deref(), known)),
        what = Printable(what)
    )]
    UnknownMember {
        /// The object that has the member, by its path.
        what: String,
        /// The name of the member.
        member: String,
        /// The member with the most similar name, if one is similar.
        closest: Option<String>,
        /// All members that the object may have.
        known: Vec<String>,
    },
    /// Two images cannot be in the same layout or index.
    #[error(
        "images {first} and {second} {reason}",
        first = Printable(first), second = Printable(second), reason = Printable(reason)
    )]
    Images {
        /// The tag, platform or digest of the first image.
        first: String,
        /// The tag, platform or digest of the second image.
        second: String,
        /// Why they cannot be together, and what to do.
        reason: String,
    },
    /// The path is not an image layout, or not the folder that a function expects.
    #[error("{path:?} {reason}", reason = Printable(reason))]
    NotALayout {
        /// The path.
        path: PathBuf,
        /// What it is instead, and what to give.
        reason: String,
    },
    /// The output exists, and would be lost.
    #[error("{path:?} {reason}", reason = Printable(reason))]
    OutputExists {
        /// The output.
        path: PathBuf,
        /// What it is, and what to do.
        reason: String,
    },
    /// A layout in an archive cannot be changed.
    #[error("{path:?} is an archive, which is only read: unpack it into a folder first")]
    ReadOnlyArchive {
        /// The archive.
        path: PathBuf,
    },
    /// A layout, or a file in it, is damaged or not supported.
    #[error("{path:?} {reason}", reason = Printable(reason))]
    Layout {
        /// The layout, or a file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A layout does not have the image.
    #[error("{path:?} has no image{}", Printable(without(name.as_deref(), available)))]
    ImageNotFound {
        /// The layout.
        path: PathBuf,
        /// The requested tag, full name or digest.
        name: Option<String>,
        /// The tags in the layout; for an image without a tag, its digest and platform.
        available: Vec<String>,
    },
    /// A layout has several images that match.
    #[error("{path:?} has several images{}", Printable(several(name.as_deref(), available)))]
    ImageAmbiguous {
        /// The layout.
        path: PathBuf,
        /// The requested tag or full name.
        name: Option<String>,
        /// The tags in the layout; for an image without a tag, its digest and platform.
        available: Vec<String>,
    },
    /// A layout, an index or a registry has the image, but not for the platform.
    #[error("{} has no image {}", Printable(of), Printable(other_platforms(platform, available)))]
    PlatformNotFound {
        /// The layout or image.
        of: String,
        /// The requested platform.
        platform: String,
        /// The platforms of the image. If there are none, it is not an image of a container.
        available: Vec<String>,
    },
    /// An image was not built on another one: the layers of the other are not its lowest.
    #[error(
        "{} was not built on {}: its layer {layer} {}, and that of the base has {expected}; give \
         the image on which it was built",
        Printable(image), Printable(base),
        found.as_ref().map_or("does not exist".to_owned(), |found| format!("has the diff ID {found}"))
    )]
    OtherBase {
        /// The image.
        image: String,
        /// The image that is not its base.
        base: String,
        /// The number of the lowest layer that differs. The lowest layer is 1.
        layer: usize,
        /// The diff ID of this layer in the image, if it has as many layers.
        found: Option<Box<Digest>>,
        /// The diff ID of this layer in the other image.
        expected: Digest,
    },
    /// A layout has defects. `Display` writes each on a separate line.
    #[error(
        "{path:?} is not sound: make or fetch it again{}",
        defects.iter().map(|defect| format!("\n  {}", Printable(defect))).collect::<String>()
    )]
    Unsound {
        /// The layout.
        path: PathBuf,
        /// The findings of [`verify`](crate::verify::verify()), as one sentence each.
        defects: Vec<String>,
    },
    /// A blob is not in the layout.
    #[error("blob {digest} is missing from {path:?}: fetch the complete image again")]
    BlobMissing {
        /// The layout.
        path: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// The bytes of a blob do not match its descriptor.
    #[error(
        "blob {digest} is damaged: its descriptor says {expected}, but it has {actual}; make or \
         fetch it again"
    )]
    BlobDamaged {
        /// The blob.
        digest: Digest,
        /// The size or digest in the descriptor.
        expected: String,
        /// The size or digest of the bytes.
        actual: String,
    },
    /// The bytes of a blob cannot be read.
    #[error("cannot read blob {digest}")]
    BlobUnreadable {
        /// The blob.
        digest: Digest,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// A source of a blob has changed since the recipe of the blob was written.
    #[error(
        "blob {digest} cannot be made again: {path:?} {change} since it was described; restore it, \
         or make the image again"
    )]
    SourceOutdated {
        /// The blob.
        digest: Digest,
        /// The source, or the path in the layer of an entry without a source (a directory, a link).
        path: PathBuf,
        /// What happened to it: "changed", "vanished" or "was added".
        change: &'static str,
    },
    /// A recipe reads a file of this machine, but lacks the proof that this user wrote it here.
    #[error(
        "recipe {recipe:?} reads {reads:?}, and this user did not write it here: name the folders \
         that recipes may read with --recipe-root, or pass --trust-recipes if you trust the author \
         of the layout (in the library: RecipeTrust)"
    )]
    RecipeUntrusted {
        /// The file that contains the recipe.
        recipe: PathBuf,
        /// The file or folder that the recipe reads.
        reads: PathBuf,
    },
    /// A recipe was written for another byte format.
    #[error(
        "the recipe of blob {digest} is for byte format {format}, but this program makes byte \
         format {BYTE_FORMAT}: use a release that makes format {format}, or make the image again"
    )]
    RecipeFormat {
        /// The blob.
        digest: Digest,
        /// The byte format of the recipe.
        format: u64,
    },
    /// A registry could not be reached, refused the request, or sent an invalid response.
    #[error("{reference}: {reason}", reference = Printable(reference), reason = Printable(reason))]
    Registry {
        /// The full name of the image.
        reference: String,
        /// What went wrong, to match on.
        kind: RegistryErrorKind,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// A warning that the option `strict` turned into an error.
    #[error("{0} (strict: warnings are errors)")]
    Warning(Warning),
    /// The server cannot listen on an address.
    #[error("cannot listen on {address} (choose another address, or port 0 for any free port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The file system does not support locks on folders, as with some NFS and FUSE file systems.
    #[error(
        "cannot lock {path:?}, so another program could remove blobs that this one is about to \
         use; if no other program writes to this folder, continue without locks"
    )]
    NoLocks {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// A file of a layout cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
}

/// The sentence with its causes, as [`Report`] displays it. A `main` that returns an error prints
/// this form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Report(self))
    }
}

impl From<Error> for io::Error {
    /// Wraps the error and keeps the `io::ErrorKind` of its cause.
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
