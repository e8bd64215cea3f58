//! The defects that verification reports. Each has a stable name for programs and a message for
//! people.

use std::{borrow::Cow, fmt};

use crate::{basics::digest::Digest, document::descriptor::MediaType};

/// How serious a defect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The layout does not follow a recommendation of the specification, or some readers disagree.
    /// It can be used.
    Warning,
    /// The layout violates the specification, or readers reject it.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Severity {
    /// Returns `warning` or `error`.
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
        /// A defect at one place of a layout. `Display` writes the message, whose subject is that
        /// place.
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
            /// Returns the name of the defect for programs, such as `blob-missing`. It stays the
            /// same when the message changes.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $kebab,)*
                }
            }

            /// Returns the severity of the defect.
            pub fn severity(&self) -> Severity {
                match self {
                    $(Self::$name { .. } => Severity::$severity,)*
                }
            }
        }
    };
}

defects! {
    // Files of the layout.

    /// The archive cannot be read to its end.
    ArchiveDamaged {
        /// What is wrong with it.
        reason: String,
    } = Error "archive-damaged", "{reason}"

    /// A file or folder that every layout must have is missing.
    FileMissing = Error "file-missing", "is missing: an image layout requires it"

    /// `index.json`, `oci-layout` or a blob is not a regular file.
    NotAFile {
        /// The kind of file found.
        kind: &'static str,
    } = Error "not-a-file", "is a {kind} and must be a regular file: tools refuse it; replace it \
        with the file itself"

    /// `blobs` or `blobs/sha256` is not a folder.
    NotAFolder {
        /// The kind of file found.
        kind: &'static str,
    } = Error "not-a-folder", "is a {kind} and must be a folder: tools refuse it; replace it with \
        the folder itself"

    /// The operating system refuses to read it.
    Unreadable {
        /// The message of the operating system.
        cause: String,
    } = Error "unreadable", "cannot be read: {cause}"

    /// An archive has two files with the same name.
    StoredTwice = Error "stored-twice", "is in the archive twice: which of the two is read \
        depends on the tool"

    /// The name of a file among the blobs is not a digest.
    NotABlob = Error "not-a-blob",
        "is not a blob: a blob is named by its sha256 in 64 lower-case hexadecimal digits; remove it"

    // Blobs.

    /// A referenced blob does not exist.
    BlobMissing = Error "blob-missing", "is missing: fetch or build the whole image again"

    /// An index names an image that the layout lacks, but has at least one other image of that
    /// index. `docker save` leaves out images that were not pulled.
    ImageAbsent = Warning "image-absent", "is missing: fetch or build the whole image again"

    /// A recipe cannot be used: it is not valid JSON of a recipe, describes another blob, or is for
    /// another byte format.
    RecipeWrong {
        /// What is wrong with it.
        reason: String,
    } = Error "recipe-wrong", "has an unusable recipe: {reason}"

    /// A recipe reads files of this machine and was not written here by this user.
    RecipeUntrusted {
        /// The first file that it reads.
        reads: String,
    } = Warning "recipe-untrusted",
        "has a recipe that reads {reads}, and this user did not write it here: check whether the \
         layout should do that"

    /// A recipe that should have been built was not followed, because it is not trusted.
    RecipeNotFollowed {
        /// Which path it may not read, and which option allows it.
        reason: String,
    } = Error "recipe-not-followed", "was not built: {reason}"

    /// The name of a file among the recipes is not that of a recipe.
    NotARecipe = Error "not-a-recipe",
        "is not a recipe: a recipe is named by the sha256 of its blob in 64 hexadecimal digits \
         and .json; remove it"

    /// The digest of a blob's bytes differs from its name. The contents of such a blob are not
    /// checked.
    BlobDamaged {
        /// The digest of the bytes.
        actual: Digest,
        /// The number of bytes.
        size: u64,
    } = Error "blob-damaged", "is damaged: its {size} bytes have the digest {actual}; fetch or \
        build it again"

    /// The digest of a blob is right, but its size differs from the descriptor.
    SizeDiffers {
        /// The size in the descriptor.
        said: u64,
        /// The number of bytes.
        actual: u64,
    } = Error "size-differs", "has {actual} bytes, but its descriptor says {said}: correct the \
        descriptor"

    /// A file is larger than the limit.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    } = Error "too-large", "has {size} bytes, more than the limit of {limit}: it was not checked"

    /// The `data` of a descriptor differs from the blob.
    DataDiffers = Error "data-differs", "is not the base64 of the bytes that the descriptor \
        describes: correct or remove it"

    // Documents.

    /// A document is not valid JSON.
    NotJson {
        /// The message of the JSON parser.
        reason: String,
    } = Error "not-json", "is not valid JSON: {reason}"

    /// A member occurs more than once in an object, so readers may see different values.
    MemberTwice = Error "member-twice", "occurs twice in one object: which one counts depends on \
        the reader; keep one"

    /// A required member is missing.
    MemberMissing {
        /// What it must be.
        expected: &'static str,
    } = Error "member-missing", "is missing and must be {expected}"

    /// A member has the wrong type or value.
    MemberWrong {
        /// The value found.
        found: String,
        /// What it must be.
        expected: Cow<'static, str>,
    } = Error "member-wrong", "is {found} and must be {expected}"

    /// A member of a configuration has a value that some engines reject.
    MemberRefused {
        /// The value found.
        found: String,
        /// What it must be.
        expected: Cow<'static, str>,
    } = Warning "member-refused", "is {found} and must be {expected}: some engines refuse the image"

    /// A member of a configuration has a value that engines accept, but that is probably a mistake.
    MemberUnusual {
        /// The value found.
        found: String,
        /// What it should be.
        expected: Cow<'static, str>,
    } = Warning "member-unusual", "is {found} and should be {expected}"

    /// A digest is malformed.
    DigestInvalid {
        /// The digest as found.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "digest-invalid", "is {found:?}, which {reason}: the blob was not checked"

    /// A manifest or index has no `mediaType`.
    MediaTypeMissing {
        /// The expected media type.
        expected: MediaType,
    } = Warning "media-type-missing",
        "is missing and should be \"{expected}\": without it, readers may mistake the document \
         for another kind"

    /// The `mediaType` of a manifest or index differs from its descriptor.
    MediaTypeDiffers {
        /// The value in the document.
        found: String,
        /// The value in the descriptor.
        expected: MediaType,
    } = Error "media-type-differs", "is {found} and must be \"{expected}\", as in the descriptor \
        of the document"

    /// An index is described as a manifest, or a manifest as an index.
    OtherDocument {
        /// The media type in the descriptor.
        said: MediaType,
        /// The actual document: a manifest or an index.
        found: &'static str,
    } = Error "other-document", "is an {found}, but its descriptor says {said}: correct the \
        mediaType of the descriptor"

    /// Indexes are nested too deeply.
    TooDeep {
        /// The deepest level that is followed.
        limit: usize,
    } = Error "too-deep", "is nested more than {limit} indexes deep: it was not checked"

    /// A name is valid neither in the image specification nor in the distribution specification.
    NameInvalid {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Error "name-invalid",
        "has the {annotation} \"{name}\", which is neither a tag nor the name of an image: tools \
         refuse it; rename the image"

    /// A name is valid in the distribution specification, but does not match the grammar of the
    /// annotation.
    NameUnusual {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Warning "name-unusual",
        "has the {annotation} \"{name}\", which the grammar of that annotation does not allow: \
         some tools refuse it; rename the image"

    /// A name matches the grammar of the annotation, but is not a valid tag of a registry.
    NameNoTag {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
    } = Warning "name-no-tag",
        "has the {annotation} \"{name}\", which is not a valid tag in registries: tags have up to \
         128 letters, digits, `_`, `.` and `-`; rename the image before a push"

    /// Two entries of `index.json` have the same name.
    NameAmbiguous {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        name: String,
        /// The place of the first entry with that name.
        first: String,
    } = Error "name-ambiguous", "has the {annotation} {name:?}, and so has {first}, which is \
        another image: rename one of them"

    /// Two entries of `index.json` have the same tag and different full names, as `docker save`
    /// writes them.
    TagShared {
        /// The tag.
        tag: String,
        /// The place of the first entry with that tag.
        first: String,
    } = Warning "tag-shared", "has the tag {tag:?}, and so has {first}, which is another image: \
        tools that know only tags find one of them"

    /// `index.json` lists the same image twice under the same name.
    ListedTwice {
        /// The place of the first entry.
        first: String,
    } = Error "listed-twice", "repeats {first}: tools refuse to choose; remove one of the two"

    /// Two manifests of one index have the same platform.
    PlatformTwice {
        /// The platform.
        platform: String,
        /// The place of the first manifest.
        first: String,
    } = Error "platform-twice", "is for {platform}, and so is {first}: readers use one and never \
        see the other"

    /// The platform in an index differs from the configuration of the image.
    PlatformDiffers {
        /// The platform in the index.
        index: String,
        /// The platform in the configuration.
        configuration: String,
    } = Error "platform-differs", "is {index}, but the configuration says {configuration}: \
        correct the wrong one"

    /// An artifact has no `artifactType`.
    ArtifactTypeMissing = Error "artifact-type-missing",
        "is missing and must be a media type, because the configuration is the empty one"

    /// The configuration of an image has an empty `architecture` or `os`, as in
    /// go-containerregistry's empty image.
    PlatformEmpty = Warning "platform-empty", "is \"\" and must be a string that is not empty"

    /// A manifest has no layers.
    LayersEmpty = Warning "layers-empty",
        "is empty and should have an entry: some registries refuse a manifest without layers"

    /// A descriptor of the empty blob has the digest or size of another blob.
    NotEmpty = Error "not-empty", "is described as the empty JSON object `{{}}`, but has another \
        digest or size"

    /// The manifest and the configuration of an image have different numbers of layers.
    LayerCount {
        /// The number of layers in the manifest.
        layers: usize,
        /// The number of diff IDs in the configuration.
        diff_ids: usize,
    } = Error "layer-count", "has {layers} layers, but its configuration has {diff_ids} diff IDs: \
        each layer requires one"

    /// An image has more layers than some engines accept.
    ManyLayers {
        /// The number of layers.
        layers: usize,
        /// The number that all engines accept.
        most: usize,
    } = Warning "many-layers", "has {layers} layers, but Docker refuses more than {most}: merge \
        some"

    /// The history does not match the layers.
    HistoryCount {
        /// The number of history entries that created a layer.
        made: usize,
        /// The number of diff IDs in the same configuration.
        diff_ids: usize,
    } = Warning "history-count",
        "has {made} entries that created a layer for {diff_ids} diff IDs: mark those that created \
         none with empty_layer"

    // Layers.

    /// A media type does not match the compression of the bytes.
    CompressionDiffers {
        /// The media type in the descriptor.
        said: MediaType,
        /// What the bytes are.
        found: &'static str,
    } = Error "compression-differs", "is described as {said}, but its bytes are {found}: correct \
        the mediaType"

    /// A blob of an artifact has a layer's media type but is not such a tar, as ORAS writes it by
    /// default.
    NotALayer {
        /// The media type in the descriptor.
        said: MediaType,
        /// What the bytes are.
        found: &'static str,
    } = Warning "not-a-layer", "is described as {said}, but its bytes are {found}: ORAS writes \
        such artifacts"

    /// The compressed stream cannot be read to its end.
    CompressionDamaged {
        /// `gzip` or `zstd`.
        codec: &'static str,
        /// The number of uncompressed bytes before the damage.
        offset: u64,
        /// The message of the decompressor.
        reason: String,
    } = Error "compression-damaged", "is {codec} that cannot be read past byte {offset} of the \
        tar: {reason}"

    /// This build cannot decompress the layer.
    CodecMissing {
        /// `gzip` or `zstd`.
        codec: &'static str,
    } = Error "codec-missing", "cannot be decompressed: this program was built without the feature \
        `{codec}`"

    /// The digest of the uncompressed tar differs from the configuration.
    DiffIdDiffers {
        /// The diff ID in the configuration.
        said: Digest,
        /// The digest of the tar.
        actual: Digest,
    } = Error "diff-id-differs", "unpacks to the diff ID {actual}, but the configuration says \
        {said}"

    /// The uncompressed layer is larger than the limit.
    UnpacksTooLarge {
        /// The limit in bytes.
        limit: u64,
    } = Error "unpacks-too-large", "unpacks to more than the limit of {limit} bytes: the rest was \
        not checked"

    /// The annotations of a zstd:chunked layer do not locate its table of contents.
    TableMisplaced {
        /// What is wrong with them.
        reason: String,
    } = Error "table-misplaced", "has annotations of zstd:chunked that do not lead to a table of \
        contents: {reason}"

    /// The table of contents of a zstd:chunked layer cannot be read.
    TableDamaged {
        /// What is wrong with it.
        reason: String,
    } = Error "table-damaged", "has a table of contents that cannot be used: {reason}"

    /// The table of contents of a zstd:chunked layer differs from its tar, so that readers of the
    /// table refuse it or see other files.
    TableDiffers {
        /// What the entry is or has.
        reason: String,
    } = Error "table-differs", "{reason}"

    /// The tar-split of a zstd:chunked layer is not that of its tar.
    TarSplitDiffers {
        /// What is wrong with it.
        reason: String,
    } = Error "tar-split-differs", "has a tar-split from which its tar cannot be made: {reason}"

    /// The tar has an error that no reader can skip.
    TarDamaged {
        /// The offset in the uncompressed tar.
        offset: u64,
        /// What is wrong.
        reason: String,
    } = Error "tar-damaged", "is a tar that cannot be read past byte {offset}: {reason}"

    /// The two zero blocks at the end are missing.
    TarUnended = Error "tar-unended", "is a tar without the two blocks of zeros at its end: it \
        may be truncated"

    /// There are bytes after the end of the tar.
    TarTrailing {
        /// The offset in the uncompressed tar.
        offset: u64,
    } = Error "tar-trailing", "has bytes after the end of the tar, the first at {offset}: readers \
        do not see them"

    /// Two entries have the same path.
    PathTwice = Error "path-twice", "is in the layer twice: which of the two is unpacked depends \
        on the tool"

    /// A path is not valid in a layer.
    PathInvalid {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "path-invalid", "{reason}"

    /// An extended attribute with which overlay file systems hide files of lower layers.
    OverlayMark {
        /// The name of the attribute.
        name: String,
    } = Error "overlay-mark",
        "has the extended attribute {name:?}, a mark of an overlay file system: for some readers, \
         it hides files of the layers below; remove it"

    /// An entry has a parent that is not a directory.
    NotADirectory {
        /// The path of that parent.
        parent: String,
    } = Error "not-a-directory", "is in {parent:?}, which is not a directory according to another \
        entry of the layer"

    /// An entry that is not a directory has a path that is the parent of earlier entries.
    HasChildren = Error "has-children",
        "is not a directory, but earlier entries of the layer are in it: tools remove those, or \
         fail"

    /// A hard link cannot be created.
    HardLinkInvalid {
        /// The target of the link.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "hard-link-invalid", "is a hard link to {target:?}, which {reason}"

    /// A whiteout is not valid.
    WhiteoutInvalid {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "whiteout-invalid", "{reason}"

    /// The layer has a global extended header.
    GlobalHeader = Error "global-header",
        "follows a global extended header: umoci refuses the layer, and only some readers apply \
         that header"

    /// Tools written in Go reject a header.
    HeaderRefused {
        /// What is wrong with it.
        reason: &'static str,
    } = Error "header-refused", "has {reason}: tools written in Go refuse the layer"

    /// An entry has two extended headers of the same type.
    HeaderRepeated = Warning "header-repeated",
        "has two extended headers of the same type: which one counts depends on the reader"

    /// An extended attribute cannot be set.
    XattrInvalid {
        /// The name of the attribute.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    } = Error "xattr-invalid", "has the extended attribute {name:?}, which {reason}"

    /// A file is stored as a sparse file, which many readers unpack incorrectly.
    Sparse = Error "sparse", "is stored as a sparse file, which layers should not contain: \
        readers unpack it differently"

    /// An entry has a type that is not valid in a layer.
    EntryType {
        /// The type character in the header.
        flag: char,
    } = Error "entry-type", "is an entry of type {flag:?}, which is not valid in a layer"

    /// A layer has more entries than the verifier keeps track of.
    TooManyEntries {
        /// The number of paths that are tracked.
        limit: usize,
    } = Error "too-many-entries",
        "has more than {limit} paths: beyond them, duplicates, hard links and parents were not \
         checked"

    // The list of findings.

    /// Findings were left out, because the list would be too long.
    More {
        /// The number of findings left out.
        count: u64,
    } = Error "more", "has {count} more defects, which are not listed"
}
