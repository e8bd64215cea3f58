//! Probable mistakes that do not stop the work.

use std::path::PathBuf;

use crate::basics::{digest::Digest, printable::Printable};

/// A probable mistake in what was given. Displayed, it is a sentence that names the file or member
/// and the remedy, as a terminal and a log may have it.
///
/// The values that a function returns carry its warnings, as in
/// [`TarLayer::warnings`](crate::TarLayer::warnings). With the option `strict` of that function,
/// the first warning is [`Error::Warning`](crate::Error::Warning) instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A platform was given by another name than the one that images use.
    #[error("platform {given:?} is written as {used:?}, the name that images use")]
    PlatformRenamed {
        /// The platform as given.
        given: String,
        /// The platform as written.
        used: String,
    },
    /// An index names images that the layout lacks, as `docker save` leaves it for platforms that
    /// were not pulled.
    #[error(
        "{layout:?} lacks what its index {index} names for {}: so does every copy of that image",
        Printable(list(.absent))
    )]
    ImagesAbsent {
        /// The layout.
        layout: PathBuf,
        /// The index.
        index: Digest,
        /// The platforms of what is absent, or the digest where none is said.
        absent: Vec<String>,
    },
    /// An archive has an image in its layout alone, where it has a docker-archive beside that.
    #[error(
        "{image} has no form in a docker-archive, and is in the layout alone: {reason}",
        image = Printable(image), reason = Printable(reason)
    )]
    NoDockerForm {
        /// The image's name or digest.
        image: String,
        /// Why it has none.
        reason: String,
    },
    /// An archive has no docker-archive beside its layout.
    #[error(
        "the archive has no manifest.json, by which older releases of docker load it: it has no \
         image of a container"
    )]
    NoManifestJson,
    /// An image of a layout was left out, and others were not.
    #[error("image {image} is left out: {reason}", image = Printable(image), reason = Printable(reason))]
    ImageLeftOut {
        /// The image's name or digest.
        image: String,
        /// Why it was left out.
        reason: String,
    },
    /// A value in the base image's configuration that some engines refuse.
    #[error(
        "image configuration, {member} (set by {source_name}): is {found} and must be {expected}: \
         some engines refuse the image; give it another value, or null, which removes it",
        member = Printable(member), source_name = Printable(source_name),
        found = Printable(found), expected = Printable(expected)
    )]
    MemberRefused {
        /// The member, by the way to it: `config.StopSignal`.
        member: String,
        /// What set it.
        source_name: String,
        /// The value.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// A value in a configuration that engines take, and that is probably a mistake.
    #[error(
        "image configuration, {member} (set by {source_name}): is {found} and should be {expected}",
        member = Printable(member), source_name = Printable(source_name),
        found = Printable(found), expected = Printable(expected)
    )]
    MemberUnusual {
        /// The member, by the way to it: `config.Env[1]`.
        member: String,
        /// What set it.
        source_name: String,
        /// The value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A reference in the value of an environment variable that stays as it is.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): {reference} \
         {reason}, and stays as it is: correct it, or write $$ for a dollar sign",
        variable = Printable(variable), source_name = Printable(source_name), reference = Printable(reference)
    )]
    Reference {
        /// The variable whose value has the reference.
        variable: String,
        /// What set it.
        source_name: String,
        /// The reference: `$NAME`.
        reference: String,
        /// Why it has no value.
        reason: &'static str,
    },
    /// A variable that one source sets twice.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): is there \
         twice, and the last counts",
        variable = Printable(variable), source_name = Printable(source_name)
    )]
    VariableTwice {
        /// Its name.
        variable: String,
        /// What set it.
        source_name: String,
    },
    /// A variable that is to be removed from the base image's and is not there.
    #[error(
        "environment variable {name} is not removed: the base image does not set it",
        name = Printable(name)
    )]
    VariableNotSet {
        /// Its name.
        name: String,
    },
    /// The base image has triggers for builds, which do not run here and are not handed on.
    #[error(
        "image configuration, config.OnBuild (set by the base image): its triggers are not run, \
         and the new image does not inherit them: {}; do what they do, if the image needs it",
        Printable(triggers.join(", "))
    )]
    TriggersNotRun {
        /// The triggers, as JSON strings.
        triggers: Vec<String>,
    },
    /// An image with more layers than some engines take.
    #[error("the image has {layers} layers, and Docker refuses more than {most}: merge some")]
    ManyLayers {
        /// How many it has.
        layers: usize,
        /// How many all engines take.
        most: usize,
    },
    /// A whiteout removes something that the base does not have. It is left out.
    #[error("the whiteout of {path:?} removes nothing: the base has no such file")]
    WhiteoutOfNothing {
        /// The path that it was to remove.
        path: PathBuf,
    },
    /// A layer replaces a symbolic link of its base by a directory, which hides what is behind the
    /// link.
    #[error(
        "{path:?} is a directory in the layer, and below it a symbolic link to {target:?}, which \
         the layer replaces: make the layer above that base (layer-tar --base)"
    )]
    LinkReplaced {
        /// The path in the image.
        path: PathBuf,
        /// The target of the link.
        target: PathBuf,
    },
    /// A layer of the base has entries whose names lead out of an image.
    #[error(
        "base layer {layer}: {path:?} leads out of the image (entries like it: {count}): some \
         tools refuse the image, and others write outside of it: choose another base, or list the \
         entries with verify"
    )]
    BaseOutside {
        /// The digest of the layer.
        layer: Digest,
        /// The first such name, as the layer has it.
        path: String,
        /// The number of such entries.
        count: u64,
    },
    /// A layer replaces a file of its base by a directory.
    #[error("{path:?} is a directory in the layer, and below it a file, which the layer replaces")]
    FileReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer replaces a directory of its base, and all that is in it, by a file or link.
    #[error(
        "{path:?} is a directory below the layer, and the layer has a file or link there: all \
         that is in the directory is lost"
    )]
    DirectoryReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer resets mode and owner of a directory of its base to the usual ones.
    #[error(
        "{path:?} has mode {mode:04o} and owner {}:{} below the layer, and the layer resets it to \
         0755 and 0:0: make the layer above what it lies on",
        owner.0, owner.1
    )]
    DirectoryReset {
        /// The path in the image.
        path: PathBuf,
        /// The mode in the base image.
        mode: u32,
        /// User and group in the base image.
        owner: (u64, u64),
    },
    /// A glob matches nothing.
    #[error("{of}: the glob {glob:?} matches nothing: correct it, or leave it out", of = Printable(of))]
    GlobUnmatched {
        /// The list that it is in, and the source that was looked through, if it was one alone.
        of: String,
        /// The glob as given.
        glob: String,
    },
    /// A glob with brackets matches a path that is spelled like it, and paths by the set that the
    /// brackets are.
    #[error(
        "{of}: the glob {glob:?} matches a path that is spelled like it, and others, because \
         brackets are a set of characters too: write `\\[` and `\\]` for brackets alone",
        of = Printable(of)
    )]
    GlobBrackets {
        /// The list that it is in, and the source.
        of: String,
        /// The glob as given.
        glob: String,
    },
    /// Files of a folder have several names there, which are files of their own in the layer.
    #[error(
        "source {folder:?}: files with several names (hard links), as {first:?} with {names}, \
         become copies, {bytes} bytes more: choose hard links to keep, or to copy"
    )]
    HardLinksCopied {
        /// The folder.
        folder: PathBuf,
        /// The first of them.
        first: PathBuf,
        /// How many names it has in the folder.
        names: u64,
        /// The bytes that all copies have together.
        bytes: u64,
    },
    /// What is no directory has a place by the conflict policy, and files of other mappings below
    /// that place are left out.
    #[error(
        "{destination:?} is a {kept} by the conflict policy, and {lost:?} below it is left out, of \
         {count} in all: keep directory links to put them behind a link, or give them another \
         destination"
    )]
    LostBelow {
        /// The place.
        destination: PathBuf,
        /// What is there, in a word or two.
        kept: &'static str,
        /// The first path that is left out.
        lost: PathBuf,
        /// How many are.
        count: u64,
    },
    /// A directory has the place of a symbolic link by the conflict policy.
    #[error(
        "{destination:?} is a directory by the conflict policy, and the symbolic link to \
         {target:?} is left out: keep directory links to put what is in the directory behind the \
         link"
    )]
    LinkLost {
        /// The place.
        destination: PathBuf,
        /// Where the link leads.
        target: String,
    },
    /// A directory has the place of a file by the conflict policy.
    #[error(
        "{destination:?} is a directory by the conflict policy, and the file {lost:?} is left \
         out: give one another destination"
    )]
    FileLost {
        /// The place.
        destination: PathBuf,
        /// The source of the file.
        lost: PathBuf,
    },
    /// A file has a mark of an overlay file system, which hides files of the layers below where it
    /// is one, and which is left out.
    #[error(
        "{path:?} has the extended attribute {name:?}, a mark of an overlay file system, which is \
         left out: give whiteouts for what it hides"
    )]
    OverlayMark {
        /// The file.
        path: PathBuf,
        /// The attribute.
        name: String,
    },
    /// An owner that no system has.
    #[error(
        "{path:?} has the owner or group {id}, more than the 4294967294 that systems take: \
         unpacked, it belongs to root or to nobody"
    )]
    OwnerTooLarge {
        /// The first such path in the layer.
        path: PathBuf,
        /// The number.
        id: u64,
    },
    /// A source tar does not end as tars do.
    #[error(
        "tar {path:?} has no two blocks of zeros at its end, and may have been cut off: make it \
         again if it was"
    )]
    TarUnended {
        /// The tar.
        path: PathBuf,
    },
    /// A later member of a source tar, which is no directory, replaces a directory with files.
    #[error(
        "tar {tar:?}: a later member makes {path:?} something other than a directory, and {lost:?} \
         in it is left out, of {count} in all: exclude one of the two, or pack the tar again"
    )]
    MembersReplaced {
        /// The tar.
        tar: PathBuf,
        /// The place of the member.
        path: PathBuf,
        /// The first path that is left out.
        lost: PathBuf,
        /// How many are.
        count: u64,
    },
    /// A member of a source tar that is no file was passed over.
    #[error("tar {path:?}: the member {member:?} is {what}, which is left out")]
    MemberIgnored {
        /// The tar.
        path: PathBuf,
        /// The member.
        member: String,
        /// What it is.
        what: &'static str,
    },
}

/// Some words, and how many are left out of them.
fn list(words: &[String]) -> String {
    const MOST: usize = 6;
    let more = words.len().saturating_sub(MOST);
    let shown = words[..words.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
