//! Manifest and index as values.

use serde_json::{Map, Value};

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    document::{
        descriptor::{Annotations, Descriptor, MediaType, Platform, null_is_empty},
        extra::object,
    },
};

object! {
    /// An [image manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md).
    /// Written as JSON, the members stand in the order of the fields, absent ones left out.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    #[serde(rename_all = "camelCase")]
    pub struct Manifest {
        /// Always 2.
        pub schema_version: u32,
        /// The manifest's own media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub media_type: Option<MediaType>,
        /// What kind of artifact this is, where it is no image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub artifact_type: Option<String>,
        /// The configuration.
        pub config: Descriptor,
        /// The layers, lowest first.
        #[serde(default, deserialize_with = "null_is_empty")]
        pub layers: Vec<Descriptor>,
        /// The manifest that this one says something of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub subject: Option<Descriptor>,
        /// Whatever the author wants to say.
        #[serde(default, skip_serializing_if = "Annotations::is_empty", deserialize_with = "null_is_empty")]
        pub annotations: Annotations,
    }
}

impl Manifest {
    pub(crate) const MEMBERS: &[&str] = &[
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "subject",
        "annotations",
    ];

    /// Whether this is an image that a container can run: its configuration is an image's, and its
    /// layers are tars. What cosign and ORAS make has the same configuration, and other layers.
    pub(crate) fn is_of_container(&self) -> bool {
        self.config.media_type.to_oci() == MediaType::CONFIG
            && self.layers.iter().all(|layer| layer.media_type.is_layer())
    }

    pub(crate) fn media_type(&self) -> Result<MediaType> {
        stated("image manifest", self.schema_version, self.media_type.as_ref(), MediaType::MANIFEST)
    }
}

object! {
    /// An [image index](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md).
    /// Written as JSON, the members stand in the order of the fields, absent ones left out.
    ///
    /// The entries are [`Descriptor`]s, unless somebody has a reason to look at them as another
    /// type.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    #[serde(rename_all = "camelCase", bound(deserialize = "D: serde::Deserialize<'de>"))]
    pub struct Index<D = Descriptor> {
        /// Always 2.
        pub schema_version: u32,
        /// The index's own media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub media_type: Option<MediaType>,
        /// What kind of artifact this is, where it is no image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub artifact_type: Option<String>,
        /// The manifests, one a platform, or further indexes.
        #[serde(default, deserialize_with = "null_is_empty")]
        pub manifests: Vec<D>,
        /// The manifest that this index says something of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub subject: Option<Descriptor>,
        /// Whatever the author wants to say.
        #[serde(default, skip_serializing_if = "Annotations::is_empty", deserialize_with = "null_is_empty")]
        pub annotations: Annotations,
    }
}

impl Index {
    pub(crate) const MEMBERS: &[&str] =
        &["schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations"];

    pub(crate) fn media_type(&self) -> Result<MediaType> {
        stated("image index", self.schema_version, self.media_type.as_ref(), MediaType::INDEX)
    }
}

/// Returns members of a manifest or an index that a user gave, with their keys written as in the
/// specification, also in the subject. A key that does not exist is an error.
pub(crate) fn with_known_members(
    what: &str,
    extra: Value,
    known: &[&str],
) -> Result<Map<String, Value>> {
    let mut members = json::with_known_keys(what, extra, known)?;
    if let Some(subject @ Value::Object(_)) = members.get_mut("subject") {
        let what = format!("{what}, subject");
        let mut known = json::with_known_keys(&what, subject.take(), Descriptor::MEMBERS)?;
        if let Some(platform @ Value::Object(_)) = known.get_mut("platform") {
            let what = format!("{what}.platform");
            *platform = json::with_known_keys(&what, platform.take(), Platform::MEMBERS)?.into();
        }
        *subject = known.into();
    }
    Ok(members)
}

/// The media type that a document we write has: the one there is, if the user did not say another.
fn stated(
    what: &str,
    version: u32,
    media_type: Option<&MediaType>,
    expected: MediaType,
) -> Result<MediaType> {
    if version != 2 {
        return Err(Error::invalid(
            what,
            format!("schemaVersion {version} does not exist: it is 2"),
        ));
    }
    match media_type {
        Some(media_type) if *media_type == expected => Ok(expected),
        other => {
            let found = other.map_or("missing".to_owned(), |found| format!("{:?}", found.as_str()));
            Err(Error::invalid(
                what,
                format!("its mediaType is {found}, and must be {expected}: leave it out"),
            ))
        }
    }
}
