//! Warnings: probable mistakes that do not stop the operation.

use std::path::PathBuf;

use crate::basics::{digest::Digest, printable::Printable, text::list};

/// A probable mistake in the input. `Display` writes a sentence that names the file or member and
/// the remedy. Like an [`Error`](crate::Error), it is safe for terminals and logs.
///
/// The result of a function contains its warnings, for example
/// [`TarLayer::warnings`](crate::TarLayer::warnings). If its option `strict` is set, the function
/// returns the first warning as [`Error::Warning`](crate::Error::Warning) instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A platform has a name that images do not use, and is written with the usual name.
    #[error("platform {given:?} is written as {used:?}, the name that images use")]
    PlatformRenamed {
        /// The platform as given.
        given: String,
        /// The platform as written.
        used: String,
    },
    /// An index refers to images that are missing from the layout. `docker save` writes such
    /// layouts if not all platforms of an image were pulled.
    #[error(
        "{layout:?} lacks the images of its index {index} for {}, and so does every copy of that \
         index: copy or pull the image again with all platforms",
        Printable(list(.absent))
    )]
    ImagesAbsent {
        /// The layout.
        layout: PathBuf,
        /// The index.
        index: Digest,
        /// The platforms of the missing images. Without a platform, the digest of the image.
        absent: Vec<String>,
    },
    /// A layer should have a table of contents, and has none.
    #[error(
        "the layer has no table of contents, so that podman fetches it as a whole: {reason}",
        reason = Printable(reason)
    )]
    NoTable {
        /// What the table cannot express.
        reason: String,
    },
    /// An image of an archive is in its layout, but not in its docker-archive.
    #[error(
        "{image} is only in the layout, because a docker-archive cannot contain it: {reason}",
        image = Printable(image), reason = Printable(reason)
    )]
    NoDockerForm {
        /// The name or digest of the image.
        image: String,
        /// Why a docker-archive cannot contain it.
        reason: String,
    },
    /// An archive has a layout, but no docker-archive.
    #[error(
        "the archive has no manifest.json, which older releases of docker need to load it, \
         because it contains no container image: add one, or load the archive with a program that \
         reads oci-archives"
    )]
    NoManifestJson,
    /// Some images of a layout were omitted.
    #[error(
        "image {image} is omitted: {reason}",
        image = Printable(image), reason = Printable(reason)
    )]
    ImageLeftOut {
        /// The name or digest of the image.
        image: String,
        /// Why it was omitted.
        reason: String,
    },
    /// The configuration of the base image contains a value that some engines refuse.
    #[error(
        "image configuration, {member} (set by {source_name}): is {found} and must be {expected}: \
         some engines refuse the image; set another value, or null to remove the member",
        member = Printable(member), source_name = Printable(source_name),
        found = Printable(found), expected = Printable(expected)
    )]
    MemberRefused {
        /// The path of the member: `config.StopSignal`.
        member: String,
        /// What set the member.
        source_name: String,
        /// The value.
        found: String,
        /// The required value.
        expected: String,
    },
    /// A configuration contains a value that engines accept, but that is probably a mistake.
    #[error(
        "image configuration, {member} (set by {source_name}): is {found} and should be {expected}: \
         correct it",
        member = Printable(member), source_name = Printable(source_name),
        found = Printable(found), expected = Printable(expected)
    )]
    MemberUnusual {
        /// The path of the member: `config.Env[1]`.
        member: String,
        /// What set the member.
        source_name: String,
        /// The value.
        found: String,
        /// The expected value.
        expected: String,
    },
    /// A reference in the value of an environment variable was not expanded.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): {reference} \
         {reason}, and is not expanded: correct it, or write $$ for a dollar sign",
        variable = Printable(variable), source_name = Printable(source_name), reference = Printable(reference)
    )]
    Reference {
        /// The variable whose value contains the reference.
        variable: String,
        /// What set the variable.
        source_name: String,
        /// The reference: `$NAME`.
        reference: String,
        /// Why the reference has no value.
        reason: &'static str,
    },
    /// One source sets a variable twice.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): is set \
         twice, and the last value counts: remove one",
        variable = Printable(variable), source_name = Printable(source_name)
    )]
    VariableTwice {
        /// The name of the variable.
        variable: String,
        /// What set the variable.
        source_name: String,
    },
    /// A variable cannot be removed, because the base image does not set it.
    #[error(
        "environment variable {name} cannot be removed, because the base image does not set it: \
         correct the name, or do not remove it",
        name = Printable(name)
    )]
    VariableNotSet {
        /// The name of the variable.
        name: String,
    },
    /// The base image has build triggers, which do not run here and are not inherited.
    #[error(
        "image configuration, config.OnBuild (set by the base image): the triggers do not run, \
         and the new image does not inherit them: {}; if the image needs their effect, add it \
         yourself",
        Printable(triggers.join(", "))
    )]
    TriggersNotRun {
        /// The triggers, as JSON strings.
        triggers: Vec<String>,
    },
    /// An image has more layers than some engines support.
    #[error("the image has {layers} layers, and Docker refuses more than {most}: merge some")]
    ManyLayers {
        /// The number of layers.
        layers: usize,
        /// The number that all engines support.
        most: usize,
    },
    /// A whiteout removes a path that the base does not have. The layer omits the whiteout.
    #[error(
        "the whiteout of {path:?} removes nothing, because the base has no such file: correct its \
         path, or remove the whiteout"
    )]
    WhiteoutOfNothing {
        /// The path of the whiteout.
        path: PathBuf,
    },
    /// A layer replaces a symbolic link of its base by a directory, which hides the files in the
    /// target of the link.
    #[error(
        "{path:?} is a directory in the layer and replaces a symbolic link of the base to \
         {target:?}: make the layer above that base"
    )]
    LinkReplaced {
        /// The path in the image.
        path: PathBuf,
        /// The target of the link.
        target: PathBuf,
    },
    /// A layer of the base contains entries with names outside of the image.
    #[error(
        "base layer {layer}: {path:?} is outside of the image (number of such entries: {count}): \
         some tools refuse the image, and others write outside of it: choose another base, or \
         list the entries with verify"
    )]
    BaseOutside {
        /// The digest of the layer.
        layer: Digest,
        /// The first such name, as in the layer.
        path: String,
        /// The number of such entries.
        count: u64,
    },
    /// A layer replaces a file of its base by a directory.
    #[error(
        "{path:?} is a directory in the layer and replaces a file of the base: choose another \
         destination"
    )]
    FileReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer replaces a directory of its base, and everything in it, by a file or link.
    #[error(
        "{path:?} is a file or link in the layer, and replaces a directory of the base with \
         everything in it: choose another destination"
    )]
    DirectoryReplaced {
        /// The path in the image.
        path: PathBuf,
    },
    /// A layer resets the mode and owner of a directory of its base to the defaults.
    #[error(
        "{path:?} has mode {mode:04o} and owner {}:{} in the base, and the layer resets them to \
         0755 and 0:0: make the layer above that base",
        owner.0, owner.1
    )]
    DirectoryReset {
        /// The path in the image.
        path: PathBuf,
        /// The mode in the base image.
        mode: u32,
        /// The user and group in the base image.
        owner: (u64, u64),
    },
    /// A glob matches nothing.
    #[error("{of}: the glob {glob:?} matches nothing: correct or remove it", of = Printable(of))]
    GlobUnmatched {
        /// The option that contains the glob, and the source, if there is only one.
        of: String,
        /// The glob as given.
        glob: String,
    },
    /// A glob with brackets matches a path that contains the same brackets, and other paths through
    /// the set of characters that the brackets stand for.
    #[error(
        "{of}: the glob {glob:?} matches a path with the same brackets, but also others, because \
         brackets stand for a set of characters: write `\\[` and `\\]` for literal brackets",
        of = Printable(of)
    )]
    GlobBrackets {
        /// The option that contains the glob, and the source.
        of: String,
        /// The glob as given.
        glob: String,
    },
    /// Files of a folder have several names, and the layer contains a copy for each name.
    #[error(
        "source {folder:?}: files with several names (hard links), for example {first:?} with \
         {names} names, become copies, which add {bytes} bytes: choose to keep or to copy hard \
         links"
    )]
    HardLinksCopied {
        /// The folder.
        folder: PathBuf,
        /// The first such file.
        first: PathBuf,
        /// The number of its names in the folder.
        names: u64,
        /// The total size of all copies.
        bytes: u64,
    },
    /// The conflict policy chose a file or link, and paths of other mappings below it are omitted.
    #[error(
        "the conflict policy makes {destination:?} a {kept}, and omits {lost:?} below it (number \
         of such paths: {count}): keep directory links to put the paths into the target of a \
         link, or choose another destination"
    )]
    LostBelow {
        /// The path in the layer.
        destination: PathBuf,
        /// The kind of entry that the layer has there.
        kept: &'static str,
        /// The first path that is omitted.
        lost: PathBuf,
        /// The number of paths that are omitted.
        count: u64,
    },
    /// The conflict policy chose a directory and omits a symbolic link.
    #[error(
        "the conflict policy makes {destination:?} a directory, and omits the symbolic link to \
         {target:?}: keep directory links to put the contents of the directory into the target"
    )]
    LinkLost {
        /// The path in the layer.
        destination: PathBuf,
        /// The target of the link.
        target: String,
    },
    /// The conflict policy chose a directory and omits a file.
    #[error(
        "the conflict policy makes {destination:?} a directory, and omits the file {lost:?}: \
         choose another destination for one of them"
    )]
    FileLost {
        /// The path in the layer.
        destination: PathBuf,
        /// The source of the file.
        lost: PathBuf,
    },
    /// A file has an extended attribute with which an overlay file system hides files of lower
    /// layers. The layer omits the attribute.
    #[error(
        "{path:?} has the extended attribute {name:?}, a mark of an overlay file system, which \
         the layer omits: use whiteouts to hide files of lower layers"
    )]
    OverlayMark {
        /// The file.
        path: PathBuf,
        /// The attribute.
        name: String,
    },
    /// Files get the default mode, which is less strict or less capable than that of the source.
    #[error(
        "{path:?} has mode {mode:04o} and {lost}, and the layer gives it the default mode (number \
         of such files: {count}): keep modes, or set a mode for it"
    )]
    ModeLost {
        /// The first such source.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What its mode means.
        lost: &'static str,
        /// The number of such files.
        count: u64,
    },
    /// The user or group of an image is a name that the image does not know.
    #[error(
        "the {kind} {name:?}, as which a container runs, is not in {file:?} of the image: add it \
         there, or give its number instead of its name"
    )]
    NameMissing {
        /// "user" or "group".
        kind: &'static str,
        /// The name in the configuration.
        name: String,
        /// The file that has the names.
        file: PathBuf,
    },
    /// The program of an image is not in the image.
    #[error(
        "the program {program:?}, which a container starts, is not in the image: add it, or \
         correct the entry point{}",
        if program.contains(' ') { "; each argument is a text of its own" } else { "" }
    )]
    ProgramMissing {
        /// The program, as the configuration names it.
        program: String,
    },
    /// The program of an image is a symbolic link to a file that is not in the image.
    #[error(
        "the program {program:?}, which a container starts, is a symbolic link to {target:?}, \
         which is not in the image: add that file too"
    )]
    ProgramLinkBroken {
        /// The program, as the configuration names it.
        program: String,
        /// The target of the link.
        target: PathBuf,
    },
    /// The program of an image has no execute permission.
    #[error(
        "the program {path:?}, which a container starts, has mode {mode:04o}, and cannot be \
         executed: make the source executable, or set its mode"
    )]
    ProgramNotExecutable {
        /// The path in the image.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A program is for another architecture than the image.
    #[error(
        "{path:?} is a program for {found}, and the image is for {expected}: add the program for \
         {expected}, or correct the platform"
    )]
    OtherArchitecture {
        /// The path in the image.
        path: PathBuf,
        /// The architecture of the program.
        found: String,
        /// The architecture of the image.
        expected: String,
    },
    /// The interpreter of a script is not in the image.
    #[error(
        "the interpreter {interpreter:?} of the script {path:?} is not in the image (number of \
         such scripts: {count}): add it, or choose a base image that has it"
    )]
    InterpreterMissing {
        /// The interpreter, as the script names it.
        interpreter: String,
        /// The first such script in the image.
        path: PathBuf,
        /// The number of such scripts.
        count: u64,
    },
    /// The loader or a shared library of a program is not in the image.
    #[error(
        "{library:?}, which {path:?} needs, is not in the image (number of such files: {count}): \
         add it, choose a base image that has it, or link the program statically"
    )]
    LibraryMissing {
        /// The name of the library, or the path of the loader.
        library: String,
        /// The first program or library in the image that needs it.
        path: PathBuf,
        /// The number of programs and libraries that need it.
        count: u64,
    },
    /// The number of an owner or group is larger than systems support.
    #[error(
        "{path:?} has the owner or group {id}, but systems support at most 4294967294: the \
         unpacked file will belong to root or to nobody; choose a smaller number"
    )]
    OwnerTooLarge {
        /// The first such path in the layer.
        path: PathBuf,
        /// The number of the owner or group.
        id: u64,
    },
    /// A source tar lacks the two blocks of zeros at its end.
    #[error(
        "tar {path:?} does not end with two blocks of zeros, and may be truncated: if so, make it \
         again"
    )]
    TarUnended {
        /// The tar.
        path: PathBuf,
    },
    /// A directory with files in a source tar is replaced by a later member that is no directory.
    #[error(
        "tar {tar:?}: a later member replaces the directory {path:?}, and {lost:?} in it is \
         omitted (number of such paths: {count}): exclude one of the two, or pack the tar again"
    )]
    MembersReplaced {
        /// The tar.
        tar: PathBuf,
        /// The path of the later member.
        path: PathBuf,
        /// The first path that is omitted.
        lost: PathBuf,
        /// The number of paths that are omitted.
        count: u64,
    },
    /// A member of a source tar that is not a file was omitted.
    #[error(
        "tar {path:?}: the member {member:?} is {what}, which a layer cannot contain, and is \
         omitted: pack the tar again without it"
    )]
    MemberIgnored {
        /// The tar.
        path: PathBuf,
        /// The member.
        member: String,
        /// What it is.
        what: &'static str,
    },
}
