//! Descriptors: the media type, digest, size, platform and annotations of a blob.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        text,
    },
    document::{extra::object, platform_names},
};

pub use crate::document::extra::Extra;

object! {
    /// A reference to a blob:
    /// [descriptor](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md).
    ///
    /// Its JSON has the members in the order of the fields, without absent ones.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    #[serde(rename_all = "camelCase")]
    pub struct Descriptor {
        /// The type of the bytes.
        pub media_type: MediaType,
        /// The digest of the bytes.
        pub digest: Digest,
        /// The number of bytes.
        pub size: u64,
        /// Other locations of the bytes.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        pub urls: Vec<String>,
        /// Arbitrary metadata.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
        pub annotations: Annotations,
        /// The bytes themselves, in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub data: Option<String>,
        /// The type of the artifact that a manifest describes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub artifact_type: Option<String>,
        /// The platform of an image, only in an index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub platform: Option<Platform>,
    }
}

impl Descriptor {
    pub(crate) const MEMBERS: &[&str] =
        &["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];

    /// Creates a descriptor of these bytes.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Checks the size and, if given, the digest of the blob.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if one of them differs.
    pub(crate) fn check(&self, size: u64, digest: Option<Digest>) -> Result<()> {
        let damaged = |expected: String, actual: String| Error::BlobDamaged {
            digest: self.digest,
            expected,
            actual,
        };
        if size != self.size {
            let actual = if size > self.size { "more".to_owned() } else { format!("{size} bytes") };
            return Err(damaged(format!("{} bytes", self.size), actual));
        }
        match digest {
            Some(digest) if digest != self.digest => {
                Err(damaged(self.digest.to_string(), digest.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Creates a descriptor with only the required members.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            artifact_type: None,
            platform: None,
            extra: Extra::default(),
        }
    }
}

/// Key-value pairs:
/// [annotations](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md). They are
/// written sorted by key.
pub type Annotations = BTreeMap<String, String>;

/// Reads `null` as an empty map or list, because real documents contain it.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The type of a blob: [media
/// types](https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

macro_rules! media_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, docker $docker:expr;)*) => {
        impl MediaType {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($text));)*

            /// Replaces a media type that Docker used before OCI by the OCI media type for the same
            /// bytes. Returns any other media type unchanged.
            pub fn to_oci(&self) -> Self {
                $(for docker in $docker as [&str; _] {
                    if self.as_str() == docker {
                        return Self::$name;
                    }
                })*
                self.clone()
            }

            /// A media type by its name. Needs no allocation for the media types above.
            fn named(name: &str) -> Self {
                match name {
                    $($text => Self::$name,)*
                    name => Self::new(name),
                }
            }
        }
    };
}

media_types! {
    /// An image index.
    INDEX = "application/vnd.oci.image.index.v1+json",
        docker ["application/vnd.docker.distribution.manifest.list.v2+json"];
    /// An image manifest.
    MANIFEST = "application/vnd.oci.image.manifest.v1+json",
        docker ["application/vnd.docker.distribution.manifest.v2+json"];
    /// An image configuration.
    CONFIG = "application/vnd.oci.image.config.v1+json",
        docker ["application/vnd.docker.container.image.v1+json"];
    /// The empty configuration of an artifact: the two bytes `{}`.
    EMPTY = "application/vnd.oci.empty.v1+json", docker [];
    /// An uncompressed layer.
    LAYER = "application/vnd.oci.image.layer.v1.tar", docker ["application/vnd.docker.image.rootfs.diff.tar"];
    /// A layer compressed with gzip.
    LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip",
        docker ["application/vnd.docker.image.rootfs.diff.tar.gzip"];
    /// A layer compressed with zstd.
    LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd",
        docker ["application/vnd.docker.image.rootfs.diff.tar.zstd"];
    /// An uncompressed layer that registries may refuse to store.
    FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar",
        docker ["application/vnd.docker.image.rootfs.foreign.diff.tar"];
    /// A layer compressed with gzip that registries may refuse to store.
    FOREIGN_LAYER_GZIP = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        docker ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"];
}

impl MediaType {
    /// Creates a media type from its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an index of OCI or a manifest list of Docker.
    pub fn is_index(&self) -> bool {
        self.to_oci() == Self::INDEX
    }

    /// Whether this is a manifest of OCI or Docker.
    pub fn is_manifest(&self) -> bool {
        self.to_oci() == Self::MANIFEST
    }

    /// Whether the bytes refer to further blobs.
    pub(crate) fn names_others(&self) -> bool {
        self.is_index() || self.is_manifest()
    }

    /// Whether the bytes describe the structure of an image. Readers of the image read such blobs
    /// into memory.
    pub(crate) fn is_document(&self) -> bool {
        self.names_others() || [Self::CONFIG, Self::EMPTY].contains(&self.to_oci())
    }

    /// Whether this is a filesystem layer of OCI or Docker.
    pub fn is_layer(&self) -> bool {
        let name = self.to_oci();
        name.as_str().starts_with("application/vnd.oci.image.layer.")
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "a media type", |name| {
            Ok::<_, std::convert::Infallible>(Self::named(name))
        })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

object! {
    /// The platform that an image runs on:
    /// [platform](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions).
    ///
    /// Architecture and operating system have the names that Go uses. [`Platform::normalised`]
    /// converts other names. The text form is `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`. The
    /// default is linux/amd64 on every machine, whatever the build host is.
    ///
    /// ```
    /// use oci_layout::document::Platform;
    /// let platform: Platform = "linux/arm/v7".parse()?;
    /// assert_eq!((platform.os.as_str(), platform.variant.as_deref()), ("linux", Some("v7")));
    /// assert_eq!(Platform::default().to_string(), "linux/amd64");
    /// # Ok::<_, oci_layout::Error>(())
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct Platform {
        /// The architecture: `amd64`, `arm64`, …
        pub architecture: String,
        /// The operating system: `linux`, …
        pub os: String,
        /// The build number of Windows.
        #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
        pub os_version: Option<String>,
        /// Required features of the operating system: `win32k` for Windows.
        #[serde(
            rename = "os.features",
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "null_is_empty"
        )]
        pub os_features: Vec<String>,
        /// The variant of the architecture: `v7`, `v8`, …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub variant: Option<String>,
    }
}

impl Platform {
    pub(crate) const MEMBERS: &[&str] =
        &["architecture", "os", "os.version", "os.features", "variant"];

    /// Creates a platform from the names that Go uses for its operating system and architecture.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            architecture: architecture.into(),
            os: os.into(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
            extra: Extra::default(),
        }
    }

    /// Whether this is a placeholder of tools that do not know the platform, as crane writes it for
    /// an image without a base.
    pub(crate) fn is_not_said(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }

    /// Whether this is what buildkit writes for an attestation, which does not run.
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// Replaces names by those that images use, as containerd does: `amd64` for `x86_64`, `arm64`
    /// for `aarch64`, `arm/v7` for `armhf` and `arm/7`, `darwin` for `macos`. Unknown names stay
    /// unchanged.
    ///
    /// ```
    /// use oci_layout::document::Platform;
    /// let platform: Platform = "linux/aarch64".parse()?;
    /// assert_eq!(platform.normalised(), Platform::new("linux", "arm64"));
    /// # Ok::<_, oci_layout::Error>(())
    /// ```
    pub fn normalised(&self) -> Self {
        let (architecture, variant) =
            platform_names::architecture(&self.architecture, self.variant.as_deref());
        Self { os: platform_names::os(&self.os), architecture, variant, ..self.clone() }
    }

    /// The normalised platform, with the default variant of its architecture if it has none.
    pub(crate) fn with_variant(&self) -> Self {
        let mut platform = self.normalised();
        if platform.variant.is_none() {
            platform.variant =
                platform_names::default_variant(&platform.architecture).map(str::to_owned);
        }
        platform
    }

    /// Whether an image for `other` satisfies a request for this platform: operating system,
    /// architecture and variant must be the same after normalisation. Without a variant, `amd64`
    /// stands for `amd64/v1`, `arm` for `arm/v7`, and `arm64` for `arm64/v8`. For other
    /// architectures, a platform without a variant accepts any. An image without a platform
    /// satisfies all requests.
    pub fn accepts(&self, other: &Self) -> bool {
        if other.is_not_said() {
            return true;
        }
        let (this, other) = (self.with_variant(), other.with_variant());
        this.os == other.os
            && this.architecture == other.architecture
            && (this.variant.is_none() || this.variant == other.variant)
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self::new("linux", "amd64")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Invalid`] if the text is not two or three words, separated by slashes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut platform = match text.split('/').collect::<Vec<_>>()[..] {
            [os, architecture] => Self::new(os, architecture),
            [os, architecture, variant] => {
                Self { variant: Some(variant.to_owned()), ..Self::new(os, architecture) }
            }
            _ => Self::new("", ""),
        };
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !word(&platform.os)
            || !word(&platform.architecture)
            || !platform.variant.iter().all(|v| word(v))
        {
            let reason = match text.contains(',') {
                true => "it has a comma: give each platform by itself",
                false => "write it as OS/ARCHITECTURE[/VARIANT], for example linux/arm64",
            };
            return Err(Error::invalid(format!("platform {text:?}"), reason));
        }
        // Go's names are lower case, and all tools compare them as such.
        for part in
            [&mut platform.os, &mut platform.architecture].into_iter().chain(&mut platform.variant)
        {
            part.make_ascii_lowercase();
        }
        Ok(platform)
    }
}
