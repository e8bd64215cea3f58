//! Errors, each with the path, digest or mapping that failed and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::basics::{
    byte_format::BYTE_FORMAT,
    digest::{Digest, ParseDigestError},
    printable::Printable,
    registry_error::RegistryErrorKind,
    text,
    warning::Warning,
};

/// The result of every function here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a layer, a document or a layout could not be created or read.
///
/// To react to an error, match on its variant: each failure that a caller may handle in its own way
/// has one, with its data in fields. There is no separate `kind()`, because it would have to leave
/// that data out. Only [`Error::Registry`] has a kind within, since registries refuse for many
/// reasons.
///
/// Displayed, an error does not include its cause, which [`source`](std::error::Error::source)
/// returns: [`Report`](crate::Report) displays both, and so do crates such as `anyhow`. The text is
/// safe for terminals and logs, whatever the origin of the names in it: see [`Printable`].
///
/// An error converts into an [`io::Error`] that contains it and has the [`io::ErrorKind`] of its
/// cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A mapping names a source that does not exist.
    #[error("source {path:?} does not exist: correct the path, or make the file first")]
    SourceMissing {
        /// The source as the mapping gives it.
        path: PathBuf,
    },
    /// A source exists and cannot be read.
    #[error("cannot read source {path:?}")]
    SourceUnreadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// A file in a source folder has a type that no layer can contain: a socket, a fifo, a device.
    #[error("source {path:?} is a {kind}, which a layer cannot take from a folder: exclude it")]
    SourceKind {
        /// The file.
        path: PathBuf,
        /// The type of the file.
        kind: &'static str,
    },
    /// A mapping names a source that has no bytes to read: a socket, a device.
    #[error(
        "source {path:?} is a {kind}, and a layer takes the bytes of files and pipes: write them \
         to a file first"
    )]
    SourceNotAFile {
        /// The source.
        path: PathBuf,
        /// The type of the file.
        kind: &'static str,
    },
    /// A source is a pipe, and there is no folder to store its bytes in.
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
    /// A source file does not have the size that the system reports, as with `/proc` and `/sys`.
    #[error(
        "source {path:?} says that it has {size} bytes and has {found}, as the files of /proc and \
         /sys do: copy its contents to another file first, as `cat` does"
    )]
    SourceSize {
        /// The file.
        path: PathBuf,
        /// The reported size.
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
    /// A destination cannot be a path in a layer.
    #[error("destination {destination:?} {reason}")]
    Destination {
        /// The destination as the mapping gives it.
        destination: PathBuf,
        /// What is wrong with it, and what to write instead.
        reason: &'static str,
    },
    /// Two mappings put different entries at one path.
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
        /// The destination, or the path in a source folder that maps there.
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
        /// The destination, or the path in a source folder that maps there.
        destination: PathBuf,
        /// What the base has there: "directory" or "file".
        base: &'static str,
        /// What the layer has there, or below it.
        source_name: String,
    },
    /// A layer that was created without its base replaces something of that base.
    #[error("{0}; or allow the replacement (replace)")]
    Replaced(Warning),
    /// A glob is invalid.
    #[error("glob {glob:?} is not valid: {reason}", reason = Printable(reason))]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tar given as a source is damaged, or has an entry that no layer can contain.
    #[error("tar {path:?}, at byte {offset}: {reason}", reason = Printable(reason))]
    SourceTar {
        /// The tar.
        path: PathBuf,
        /// The offset in the (uncompressed) tar.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A source is a compressed tar, and there is no folder to decompress it in.
    #[error(
        "tar {path:?} is compressed and there is no folder to unpack it in: store the layer, give \
         a scratch folder, or decompress the tar first"
    )]
    ScratchNeeded {
        /// The tar.
        path: PathBuf,
    },
    /// A compression is invalid or not available.
    #[error("compression {compression:?}: {reason}", reason = Printable(reason))]
    Compression {
        /// The compression, as written on a command line.
        compression: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A codec linked into this program does not give the bytes that the byte format promises.
    #[error(
        "the {codec} linked into this program makes other bytes than byte format {format} \
         promises: build with the Cargo.lock of this release, without a system library in its \
         place"
    )]
    CodecBytes {
        /// "gzip" or "zstd", and its level.
        codec: String,
        /// The number of the byte format.
        format: u32,
    },
    /// A digest is invalid.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// A value is invalid: JSON, a platform, a name, a file that is given as an option.
    #[error("{what}: {reason}", what = Printable(what), reason = Printable(reason))]
    Invalid {
        /// The value, by its name or its path in JSON.
        what: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// JSON given by the user has a member that does not exist.
    #[error(
        "{what}: there is no member {member:?}; {}",
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
    /// Images cannot be together in one layout or index.
    #[error(
        "images {first} and {second} {reason}",
        first = Printable(first), second = Printable(second), reason = Printable(reason)
    )]
    Images {
        /// The tag, platform or digest of the first image.
        first: String,
        /// The same of the second image.
        second: String,
        /// Why not, and what to do.
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
    /// A layout, or a file of it, is damaged or not supported.
    #[error("{path:?} {reason}", reason = Printable(reason))]
    Layout {
        /// The layout, or a file of it.
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
        /// The tags in the layout; for an image without one, its digest and platform.
        available: Vec<String>,
    },
    /// A layout has several images that match.
    #[error("{path:?} has several images{}", Printable(several(name.as_deref(), available)))]
    ImageAmbiguous {
        /// The layout.
        path: PathBuf,
        /// The requested tag or full name.
        name: Option<String>,
        /// The tags in the layout; for an image without one, its digest and platform.
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
    /// A layout has defects. Displayed, each has a line of its own.
    #[error(
        "{path:?} is not sound: make or fetch it again{}",
        defects.iter().map(|defect| format!("\n  {}", Printable(defect))).collect::<String>()
    )]
    Unsound {
        /// The layout.
        path: PathBuf,
        /// The findings of [`verify`](crate::verify()), each in a sentence.
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
    /// The bytes of a blob do not match its descriptor.
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
    /// A blob cannot be read.
    #[error("cannot read blob {digest}")]
    BlobUnreadable {
        /// The blob.
        digest: Digest,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// A source changed after the recipe that reads it was written.
    #[error(
        "blob {digest} cannot be made again: {path:?} {change} since it was described; put it back \
         as it was, or make the image again"
    )]
    SourceOutdated {
        /// The blob.
        digest: Digest,
        /// The source; for an entry without one (a directory, a link), its path in the layer.
        path: PathBuf,
        /// What happened to it: "changed", "vanished", "was added".
        change: &'static str,
    },
    /// A recipe reads a file of this machine, and may have been written by somebody else.
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
        /// The number of the byte format.
        format: u64,
    },
    /// A request to a registry failed.
    #[error("{reference}: {reason}", reference = Printable(reference), reason = Printable(reason))]
    Registry {
        /// The full name of the image.
        reference: String,
        /// What went wrong, to match on.
        kind: RegistryErrorKind,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// A warning, if the option `strict` turns warnings into errors.
    #[error("{0} (strict: warnings are errors)")]
    Warning(Warning),
    /// The endpoint cannot listen at an address.
    #[error("cannot listen at {address} (choose another address, or port 0 for any that is free)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The file system does not support locks on folders, as with some NFS and FUSE file systems.
    #[error(
        "cannot lock {path:?}, so that another program could remove blobs that this one is about \
         to use (if no other program writes there now, go on without locks: --no-lock)"
    )]
    NoLocks {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// A file of a layout cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
}

/// The end of the sentence about a member that does not exist.
fn existing(closest: Option<&str>, known: &[String]) -> String {
    match closest {
        Some(closest) => format!("the closest is {closest:?}"),
        None => format!("there are {}", known.join(", ")),
    }
}

/// The end of the sentence about an image that a layout lacks.
fn without(name: Option<&str>, available: &[String]) -> String {
    let Some(name) = name else { return String::new() };
    let is_digest = name.starts_with("sha256:") || name.contains('@');
    let kind = if is_digest { "digest" } else { "tag" };
    format!(" with the {kind} {name:?}: it has {}", list(available))
}

/// The end of the sentence about images of which one must be chosen.
fn several(name: Option<&str>, available: &[String]) -> String {
    if let Some(name) = name {
        return format!(" with the tag {name:?}");
    }
    let has_tags = available.iter().any(|name| !name.starts_with("sha256:"));
    let by = if has_tags { "its tag" } else { "its digest (or platform)" };
    format!(": choose one by {by}; it has {}", list(available))
}

/// The end of the sentence about a platform that an image lacks.
fn other_platforms(platform: &str, available: &[String]) -> String {
    match available {
        [] => "of a container".to_owned(),
        available => format!("for {platform}; it has {}", available.join(", ")),
    }
}

fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    match names {
        [] => "none".to_owned(),
        names if names.len() <= MOST => names.join(", "),
        names => format!("{}, and {} more", names[..MOST].join(", "), names.len() - MOST),
    }
}

impl Error {
    /// Returns the error for a source file and an error of the system.
    pub(crate) fn source(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::NotFound => Self::SourceMissing { path },
            _ => Self::SourceUnreadable { path, cause },
        }
    }

    /// Returns the error for an output and an error of the system.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Write { path, cause }
    }

    /// Returns the error for a writer that receives an output. If the error of the system contains
    /// one of this crate, which names the file, that one is returned.
    pub(crate) fn sink(cause: io::Error) -> Self {
        cause.downcast().unwrap_or_else(Self::write("output"))
    }

    /// Returns the error for a file of a layout and an error of the system.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Read { path, cause }
    }

    /// Returns the error for the bytes of a blob. They come through `Read`, whose error type is the
    /// system's. If that error contains one of this crate, for example about a source, that one is
    /// returned.
    pub(crate) fn blob(digest: Digest, cause: io::Error) -> Self {
        match cause.downcast() {
            Ok(error) => error,
            Err(cause) => Self::BlobUnreadable { digest, cause },
        }
    }

    /// Returns the first of these warnings as an error if warnings are errors.
    pub(crate) fn refuse_warnings(warnings: &[Warning], strict: bool) -> Result<()> {
        match warnings.first() {
            Some(warning) if strict => Err(Self::Warning(warning.clone())),
            _ => Ok(()),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn unknown_member(what: impl Into<String>, member: &str, known: &[&str]) -> Self {
        Self::UnknownMember {
            what: what.into(),
            member: member.to_owned(),
            closest: text::closest(member, known).map(str::to_owned),
            known: known.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    pub(crate) fn layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Layout { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn not_a_layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::NotALayout { path: path.into(), reason: reason.into() }
    }
}

impl From<Error> for io::Error {
    /// Returns an error of the same kind that contains this one.
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
