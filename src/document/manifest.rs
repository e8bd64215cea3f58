//! Manifests and indexes as values.

use serde_json::{Map, Value};

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    document::{
        descriptor::{Annotations, Descriptor, MediaType, Platform, null_is_empty},
        extra::{Extra, object},
    },
};

object! {
    /// An [image manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md).
    /// Its JSON has the members in the order of the fields, without absent ones.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    #[serde(rename_all = "camelCase")]
    pub struct Manifest {
        /// Always 2.
        pub schema_version: u32,
        /// The media type of the manifest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub media_type: Option<MediaType>,
        /// The type of the artifact, if this is not an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub artifact_type: Option<String>,
        /// The configuration.
        pub config: Descriptor,
        /// The layers, lowest first.
        #[serde(default, deserialize_with = "null_is_empty")]
        pub layers: Vec<Descriptor>,
        /// The manifest to which this one refers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub subject: Option<Descriptor>,
        /// Arbitrary metadata.
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

    /// Whether this is an image that a container can run: its configuration is an image
    /// configuration, and its layers are tars. Artifacts of cosign and ORAS may have such a
    /// configuration, but have other layers.
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
    /// Its JSON has the members in the order of the fields, without absent ones.
    ///
    /// The entries are [`Descriptor`]s by default. Another type can read other parts of them.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    #[serde(rename_all = "camelCase", bound(deserialize = "D: serde::Deserialize<'de>"))]
    pub struct Index<D = Descriptor> {
        /// Always 2.
        pub schema_version: u32,
        /// The media type of the index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub media_type: Option<MediaType>,
        /// The type of the artifact, if this is not an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub artifact_type: Option<String>,
        /// The manifests, usually one for each platform, or further indexes.
        #[serde(default, deserialize_with = "null_is_empty")]
        pub manifests: Vec<D>,
        /// The manifest to which this index refers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub subject: Option<Descriptor>,
        /// Arbitrary metadata.
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

impl<D> Index<D> {
    /// An index of these manifests, without other members.
    pub(crate) fn of(manifests: Vec<D>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::INDEX),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: Annotations::new(),
            extra: Extra::default(),
        }
    }
}

/// A document of these defaults, with the members that a user gives merged over them.
pub(crate) fn with_defaults(
    what: &str,
    mut defaults: Value,
    given: Value,
    known: &[&str],
) -> Result<Value> {
    json::merge(&mut defaults, Value::Object(with_known_members(what, given, known)?));
    Ok(defaults)
}

/// The members of a user's manifest or index, with keys in the case of the specification, also in
/// the subject. A key that does not exist is an error.
pub(crate) fn with_known_members(
    what: &str,
    given: Value,
    known: &[&str],
) -> Result<Map<String, Value>> {
    let mut members = json::with_known_keys(what, given, known)?;
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

/// The media type of a document to write: the expected one, unless the user sets another.
fn stated(
    what: &str,
    version: u32,
    media_type: Option<&MediaType>,
    expected: MediaType,
) -> Result<MediaType> {
    if version != 2 {
        return Err(Error::invalid(what, format!("schemaVersion is {version}, but must be 2")));
    }
    match media_type {
        Some(media_type) if *media_type == expected => Ok(expected),
        other => {
            let found = other.map_or("missing".to_owned(), |found| format!("{:?}", found.as_str()));
            Err(Error::invalid(
                what,
                format!("its mediaType is {found}, but must be {expected}: remove it"),
            ))
        }
    }
}
