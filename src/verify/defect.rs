//! What can be wrong at one place of a layout, each with a name for programs and a sentence for people.

use std::borrow::Cow;

use crate::{basics::digest::Digest, document::descriptor::MediaType};

/// How much harm a defect does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// A recommendation of the specification is not followed, or some readers differ. The layout can be used.
    Warning,
    /// The layout breaks the specification, or readers refuse it.
    Error,
}

impl Severity {
    /// `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! defects {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $({ $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty),* $(,)? })? = $severity:ident $kebab:literal, $sentence:literal
    )*) => {
        /// What is wrong at one place. Displayed, it is a sentence about that place.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Defect {
            $(
                $(#[doc = $doc])+
                #[error($sentence)]
                $name $({ $($(#[doc = $field_doc])+ $field: $type),* })?,
            )*
        }

        impl Defect {
            /// The name of the defect, for programs: `blob-missing`. It stays when the sentence changes.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $kebab,)*
                }
            }

            /// How much harm the defect does.
            pub fn severity(&self) -> Severity {
                match self {
                    $(Self::$name { .. } => Severity::$severity,)*
                }
            }
        }
    };
}

defects! {
    // The files of the layout.

    /// The archive can't be read to its end.
    ArchiveDamaged {
        /// What is wrong with it.
        reason: String,
    } = Error "archive-damaged", "{reason}"

    /// A file or folder that every layout has.
    FileMissing = Error "file-missing", "is missing: without it this is no image layout"

    /// An `index.json`, `oci-layout` or blob that is anything but a file.
    NotAFile {
        /// What it is.
        kind: &'static str,
    } = Error "not-a-file", "is a {kind} and must be a regular file: tools refuse it; put the file itself in its place"

    /// A `blobs` or `blobs/sha256` that is anything but a folder.
    NotAFolder {
        /// What it is.
        kind: &'static str,
    } = Error "not-a-folder", "is a {kind} and must be a folder: tools refuse it; put the folder itself in its place"

    /// The system refuses to read it.
    Unreadable {
        /// What the system said.
        cause: String,
    } = Error "unreadable", "cannot be read: {cause}"

    /// An archive with two files under one name.
    StoredTwice = Error "stored-twice", "is in the archive twice: which of the two is read depends on the tool"

    /// A file among the blobs whose name is no digest.
    NotABlob = Error "not-a-blob",
        "is no blob: those are named by the 64 lower-case hexadecimal digits of their sha256; remove it"

    // Blobs.

    /// A blob that is referred to and not there.
    BlobMissing = Error "blob-missing", "is missing: fetch or make the image again, whole"

    /// An image that an index names and the layout lacks, while another image of the index is there: `docker save` leaves
    /// out what was not pulled.
    ImageAbsent = Warning "image-absent", "is missing: fetch or make the image again, whole"

    /// A recipe that nothing can be made of: no JSON of one, another blob's, or for another byte format.
    RecipeWrong {
        /// What is wrong with it.
        reason: String,
    } = Error "recipe-wrong", "has a recipe that is of no use: {reason}"

    /// A recipe that reads files of this machine, and that this user did not write here.
    RecipeUntrusted {
        /// The first file that it reads.
        reads: String,
    } = Warning "recipe-untrusted",
        "has a recipe that reads {reads}, and this user did not write it here: see whether the layout should do that"

    /// The same, where the blob was to be made of it.
    RecipeNotFollowed {
        /// What may not be read, and what allows it.
        reason: String,
    } = Error "recipe-not-followed", "is not made: {reason}"

    /// A file among the recipes whose name is not that of one.
    NotARecipe = Error "not-a-recipe",
        "is no recipe: those are named by the 64 hexadecimal digits of a blob's sha256 and .json; remove it"

    /// A blob whose bytes have another digest than its name. What it says, or holds, is not looked at.
    BlobDamaged {
        /// The digest of the bytes.
        actual: Digest,
        /// Their number.
        size: u64,
    } = Error "blob-damaged", "is damaged: its {size} bytes have the digest {actual}; fetch or make it again"

    /// A blob, whose digest is right, is not as large as the descriptor says.
    SizeDiffers {
        /// What the descriptor says.
        said: u64,
        /// The number of bytes.
        actual: u64,
    } = Error "size-differs", "is said to have {said} bytes and has {actual}: correct the descriptor"

    /// A file is larger than what is read.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// How many are read at most.
        limit: u64,
    } = Error "too-large", "has {size} bytes, more than the {limit} that are read: it was not looked at"

    /// The `data` of a descriptor is not the blob.
    DataDiffers = Error "data-differs", "is not the base64 of the bytes that the descriptor names: correct it or leave it out"

    // Documents.

    /// A document that can't be read as JSON.
    NotJson {
        /// What the reader said.
        reason: String,
    } = Error "not-json", "is not the JSON it should be: {reason}"

    /// A member that is there more than once, so that readers differ in what they see.
    MemberTwice = Error "member-twice", "is there twice in one object: which of the two counts depends on the reader; keep one"

    /// A member that must be there.
    MemberMissing {
        /// What it must be.
        expected: &'static str,
    } = Error "member-missing", "is missing and must be {expected}"

    /// A member with another type or value than it must have.
    MemberWrong {
        /// What it is.
        found: String,
        /// What it must be.
        expected: Cow<'static, str>,
    } = Error "member-wrong", "is {found} and must be {expected}"

    /// A member of a configuration that some engines refuse.
    MemberRefused {
        /// What it is.
        found: String,
        /// What it must be.
        expected: Cow<'static, str>,
    } = Warning "member-refused", "is {found} and must be {expected}: some engines refuse the image"

    /// A member of a configuration that engines take, and that is probably a mistake.
    MemberUnusual {
        /// What it is.
        found: String,
        /// What it should be.
        expected: Cow<'static, str>,
    } = Warning "member-unusual", "is {found} and should be {expected}"

    /// A digest that can't be read.
    DigestInvalid {
        /// The digest as found.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "digest-invalid", "is {found:?}, which {reason}: what it names was not checked"

    /// A manifest or index does not say itself what it is.
    MediaTypeMissing {
        /// What it must be.
        expected: MediaType,
    } = Warning "media-type-missing",
        "is missing and should be \"{expected}\": without it a document can be taken for another kind"

    /// A manifest or index says something else of itself than its descriptor does.
    MediaTypeDiffers {
        /// What the document says.
        found: String,
        /// What the descriptor says.
        expected: MediaType,
    } = Error "media-type-differs", "is {found} and must be \"{expected}\", as where the document is referred to"

    /// An index that is called a manifest, or the other way round.
    OtherDocument {
        /// What the descriptor says.
        said: MediaType,
        /// What the document is: a manifest or an index.
        found: &'static str,
    } = Error "other-document", "is said to be {said} and is an {found}: correct the descriptor's mediaType"

    /// Indexes in indexes, too many.
    TooDeep {
        /// How deep they are followed.
        limit: usize,
    } = Error "too-deep", "lies more than {limit} indexes deep: it was not followed further"

    /// A name that neither the image specification nor the distribution specification allows.
    NameInvalid {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Error "name-invalid",
        "has the {annotation} \"{name}\", which is neither a tag nor the name of an image: tools refuse it; rename the image"

    /// A name that the distribution specification allows, and not the grammar of the annotation.
    NameUnusual {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Warning "name-unusual",
        "has the {annotation} \"{name}\", which the grammar of that annotation does not allow: some tools refuse it; rename \
         the image"

    /// A name that the grammar of the annotation allows, and that is no tag of a registry.
    NameNoTag {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Warning "name-no-tag",
        "has the {annotation} \"{name}\", which no registry takes as a tag: those have up to 128 letters, digits, `_`, `.` \
         and `-`; rename the image before a push"

    /// Two entries of `index.json` have one name.
    NameAmbiguous {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
        /// Where it is first.
        first: String,
    } = Error "name-ambiguous", "has the {annotation} {name:?}, and so has {first}, which is another image: rename one of them"

    /// Two entries of `index.json` have one tag, and full names that differ: `docker save` writes them so.
    TagShared {
        /// The tag.
        tag: String,
        /// Where it is first.
        first: String,
    } = Warning "tag-shared", "has the tag {tag:?}, and so has {first}, which is another image: who knows tags alone finds one of them"

    /// `index.json` names one image twice in the same way.
    ListedTwice {
        /// Where it is first.
        first: String,
    } = Error "listed-twice", "is there twice, like {first}: tools refuse to choose; remove one of the two"

    /// Two manifests of one index are for the same platform.
    PlatformTwice {
        /// The platform.
        platform: String,
        /// Where it is first.
        first: String,
    } = Error "platform-twice", "is for {platform}, and so is {first}: readers take one and never see the other"

    /// An index says another platform than the image's configuration.
    PlatformDiffers {
        /// What the index says.
        index: String,
        /// What the configuration says.
        configuration: String,
    } = Error "platform-differs", "is said to be for {index}, and its configuration says {configuration}: correct the one that is wrong"

    /// An artifact that does not say what it is.
    ArtifactTypeMissing = Error "artifact-type-missing",
        "is missing and must be a media type, because the configuration is the empty one"

    /// The configuration of an image that leaves open what it is for, as go-containerregistry's empty image
    /// does.
    PlatformEmpty = Warning "platform-empty", "is \"\" and must be a string that is not empty"

    /// A manifest without layers.
    LayersEmpty = Warning "layers-empty",
        "is empty and should have an entry: some registries refuse a manifest without layers"

    /// A descriptor of the empty blob that is of another.
    NotEmpty = Error "not-empty", "is said to be the empty JSON object, the two bytes `{{}}`, and has another digest or size"

    /// An image whose manifest and configuration differ in the number of layers.
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff IDs in the configuration.
        diff_ids: usize,
    } = Error "layer-count", "has {layers} layers, and its configuration {diff_ids} diff IDs: there must be one for each"

    /// An image with more layers than some engines take.
    ManyLayers {
        /// How many it has.
        layers: usize,
        /// How many all engines take.
        most: usize,
    } = Warning "many-layers", "has {layers} layers, and Docker refuses more than {most}: merge some"

    /// A history that does not fit the layers.
    HistoryCount {
        /// Entries that made a layer.
        made: usize,
        /// Diff IDs in the same configuration.
        diff_ids: usize,
    } = Warning "history-count",
        "has {made} entries that made a layer for {diff_ids} diff IDs: mark those that made none with empty_layer"

    // Layers.

    /// A media type that does not fit the bytes.
    CompressionDiffers {
        /// What the descriptor says.
        said: MediaType,
        /// What the bytes are.
        found: &'static str,
    } = Error "compression-differs", "is said to be {said}, and its bytes are {found}: correct the mediaType"

    /// A blob of an artifact that has a layer's media type and is no such tar, as ORAS writes it by default.
    NotALayer {
        /// What the descriptor says.
        said: MediaType,
        /// What the bytes are.
        found: &'static str,
    } = Warning "not-a-layer", "is said to be {said}, and its bytes are {found}: right in an artifact, as ORAS makes them"

    /// The compressed stream can't be read to its end.
    CompressionDamaged {
        /// gzip or zstd.
        codec: &'static str,
        /// How many bytes came out of it before.
        offset: u64,
        /// What the decompressor said.
        reason: String,
    } = Error "compression-damaged", "is {codec} that cannot be read further than to byte {offset} of the tar: {reason}"

    /// The layer can't be looked into by this build.
    CodecMissing {
        /// gzip or zstd.
        codec: &'static str,
    } = Error "codec-missing", "cannot be looked into: this program was built without the feature `{codec}`"

    /// The tar has another digest than the configuration says.
    DiffIdDiffers {
        /// What the configuration says.
        said: Digest,
        /// The digest of the tar.
        actual: Digest,
    } = Error "diff-id-differs", "unpacks to the diff ID {actual}, and the configuration says {said}"

    /// The layer unpacks to more than is read.
    UnpacksTooLarge {
        /// How many bytes are read at most.
        limit: u64,
    } = Error "unpacks-too-large", "unpacks to more than the {limit} bytes that are read: the rest was not looked at"

    /// Something in the tar that no reader gets past.
    TarDamaged {
        /// Where in the uncompressed tar.
        offset: u64,
        /// What is wrong.
        reason: String,
    } = Error "tar-damaged", "is no tar that can be read further than to byte {offset}: {reason}"

    /// The two blocks of zeros at the end are missing.
    TarUnended = Error "tar-unended", "is a tar without the two blocks of zeros at its end: it may have been cut off"

    /// Something follows the end of the tar.
    TarTrailing {
        /// Where in the uncompressed tar.
        offset: u64,
    } = Error "tar-trailing", "has bytes behind the end of the tar, the first at {offset}: readers do not see them"

    /// Two entries for one path.
    PathTwice = Error "path-twice", "is in the layer twice: which of the two is unpacked depends on the tool"

    /// A path that can't be one in a layer.
    PathInvalid {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "path-invalid", "{reason}"

    /// An extended attribute by which overlay file systems hide files of the layers below.
    OverlayMark {
        /// The attribute's name.
        name: String,
    } = Error "overlay-mark",
        "has the extended attribute {name:?}, a mark of an overlay file system: it hides files of the layers below for some \
         readers and not for others; leave it out"

    /// Something that is no directory has an entry below it.
    NotADirectory {
        /// The directory that is none.
        parent: String,
    } = Error "not-a-directory", "lies in {parent:?}, which another entry of the layer says is no directory"

    /// Something that is no directory is at a place that earlier entries are below.
    HasChildren = Error "has-children",
        "is no directory, and earlier entries of the layer lie in it: tools remove those, or fail"

    /// A hard link that can't be made.
    HardLinkInvalid {
        /// What it is a link to.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "hard-link-invalid", "is a hard link to {target:?}, which {reason}"

    /// A whiteout that is none.
    WhiteoutInvalid {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "whiteout-invalid", "{reason}"

    /// A global extended header.
    GlobalHeader = Error "global-header",
        "follows a global extended header: umoci refuses the layer, and what that header says counts for some readers alone"

    /// A header that tools written in Go refuse.
    HeaderRefused {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "header-refused", "has {reason}: tools written in Go refuse the layer"

    /// Two extended headers of one type.
    HeaderRepeated = Warning "header-repeated",
        "has two extended headers of one type: which of them counts depends on the reader"

    /// An extended attribute that cannot be set.
    XattrInvalid {
        /// The attribute's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "xattr-invalid", "has the extended attribute {name:?}, which {reason}"

    /// A sparse file, which many readers unpack wrongly.
    Sparse = Error "sparse", "is stored as a sparse file, which no layer should have: readers differ in what they unpack"

    /// An entry of a type that no layer has.
    EntryType {
        /// The type's letter in the header.
        flag: char,
    } = Error "entry-type", "is an entry of type {flag:?}, which no layer can have"

    /// More entries than are kept in mind.
    TooManyEntries {
        /// How many are.
        limit: usize,
    } = Error "too-many-entries",
        "has more than {limit} paths: behind them duplicates, hard links and parents were not checked"

    // The list itself.

    /// The list would be too long.
    More {
        /// How many findings are left out.
        count: u64,
    } = Error "more", "has {count} more defects, which are not listed"
}
