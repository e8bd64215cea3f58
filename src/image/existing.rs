//! Existing manifests and indexes, whose bytes stay unchanged.

use std::sync::Arc;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::{
    basics::{Error, Result, json},
    blob::{Blob, MemoryBlob, chunks},
    document::{Configuration, Descriptor, Index, Manifest, MediaType},
    image::graph::Image,
};

impl Image {
    /// Creates an image from the bytes of an existing manifest, which stay unchanged. `blob`
    /// returns the layers and the configuration of the manifest. The configuration is read
    /// immediately, for its platform.
    ///
    /// ```
    /// # use std::{fs, sync::Arc};
    /// use oci_layout::{Blob, FileBlob, Image, image_layout};
    /// # use oci_layout::{image_config, image_manifest, FileMapping, Layer, LayerOptions, layer_tar};
    /// # let scratch = tempfile::tempdir()?;
    /// # let (dir, blobs) = (scratch.path().join("image"), scratch.path().join("blobs/sha256"));
    /// # let options = LayerOptions::default().store(scratch.path());
    /// # let layer: Arc<dyn Layer> = Arc::new(layer_tar([FileMapping::text("", "/bin/app")], options)?);
    /// # let config = image_config([&layer], serde_json::json!({}))?;
    /// # fs::write(blobs.join(config.digest().hex()), config.bytes())?;
    /// # let manifest_json = image_manifest(config, [layer], serde_json::json!({}))?.bytes().to_vec();
    /// let image = Image::from_manifest(manifest_json, |descriptor| {
    ///     Ok(Arc::new(FileBlob::new(descriptor.clone(), blobs.join(descriptor.digest.hex()))) as Arc<dyn Blob>)
    /// })?;
    /// image_layout(&dir, [image.tagged("latest")], serde_json::json!({}))?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for bytes that are not an image manifest, with what they are instead.
    /// [`Error::BlobDamaged`] and read errors for the configuration. All errors of `blob`.
    pub fn from_manifest(
        bytes: impl Into<Arc<[u8]>>,
        blob: impl FnMut(&Descriptor) -> Result<Arc<dyn Blob>>,
    ) -> Result<Self> {
        let bytes = bytes.into();
        match Document::parse(&bytes).map_err(|reason| Error::invalid("image manifest", reason))? {
            (media_type, Document::Manifest(manifest)) => {
                Self::of_manifest(MemoryBlob::new(media_type, bytes), manifest, blob)
            }
            (_, Document::Index(_)) => Err(Error::invalid(
                "image manifest",
                "it is an index: pass the manifest of one of its platforms",
            )),
        }
    }

    /// Creates an image from a parsed manifest.
    pub(crate) fn of_manifest(
        bytes: MemoryBlob,
        manifest: Manifest,
        blob: impl FnMut(&Descriptor) -> Result<Arc<dyn Blob>>,
    ) -> Result<Self> {
        let mut descriptor = bytes.descriptor().clone();
        descriptor.artifact_type.clone_from(&manifest.artifact_type);
        let mut blobs = manifest
            .layers
            .iter()
            .chain([&manifest.config])
            .map(blob)
            .collect::<Result<Vec<_>>>()?;
        if manifest.config.media_type.to_oci() == MediaType::CONFIG
            && let Some(config) = blobs.pop()
        {
            let bytes = chunks::read_document(&config)?;
            let configuration: Configuration = json::from_slice(&bytes).map_err(|error| {
                Error::invalid(format!("image configuration {}", manifest.config.digest), error)
            })?;
            descriptor.platform = Some(configuration.platform());
            blobs.push(Arc::new(MemoryBlob::new(manifest.config.media_type, bytes)));
        }
        blobs.push(Arc::new(bytes));
        Ok(Self::new(descriptor, blobs))
    }
}

/// The document of an image.
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(
        #[cfg_attr(
            not(feature = "registry"),
            expect(dead_code, reason = "only pulling reads one")
        )]
        Index,
    ),
}

impl Document {
    /// Distinguishes manifests from indexes by their own members, because their descriptors may be
    /// wrong. The error says what is wrong with the bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(MediaType, Self), String> {
        let said = Said::parse(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
        match said.schema_version.map(RawValue::get) {
            Some("2") => {}
            Some("1") => {
                return Err(
                    "it is in Docker's first format, which is not supported: push it again with a \
                     newer tool"
                        .to_owned(),
                );
            }
            _ => {
                return Err(
                    "it is neither an image manifest nor an index: it has no schemaVersion"
                        .to_owned(),
                );
            }
        }
        // Programs would disagree on its meaning:
        // https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
        if said.manifests && (said.config || said.layers) {
            return Err(
                "it is an image manifest and an index at the same time, which is ambiguous"
                    .to_owned(),
            );
        }
        let media_type = match said
            .media_type
            .and_then(|text| serde_json::from_str::<String>(text.get()).ok())
        {
            Some(media_type) => MediaType::new(media_type),
            None if said.manifests => MediaType::INDEX,
            None => MediaType::MANIFEST,
        };
        if media_type.is_index() {
            Ok((media_type, Self::Index(document("index", bytes)?)))
        } else if media_type.is_manifest() {
            Ok((media_type, Self::Manifest(document("image manifest", bytes)?)))
        } else {
            Err(format!(
                "it has the media type {:?}, which is neither an image manifest nor an index",
                media_type.as_str()
            ))
        }
    }
}

fn document<T: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<T, String> {
    json::from_slice(bytes).map_err(|error| format!("it is not a valid {kind}: {error}"))
}

/// The members that distinguish documents.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said<'a> {
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(deserialize_with = "is_there")]
    manifests: bool,
    #[serde(deserialize_with = "is_there")]
    config: bool,
    #[serde(deserialize_with = "is_there")]
    layers: bool,
}

impl<'a> Said<'a> {
    fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(bytes),
            // Any other value has none of these members.
            _ => serde_json::from_slice(bytes).map(|IgnoredAny| Self::default()),
        }
    }
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basics::Digest;

    #[test]
    fn media_types_are_derived_from_the_members_of_documents() {
        let config = r#""config": {"mediaType": "a/b", "digest": "DIGEST", "size": 1}"#
            .replace("DIGEST", &Digest::of(b"").to_string());
        let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
        for (json, media_type) in [
            (format!(r#"{{"schemaVersion": 2, {config}}}"#), MediaType::MANIFEST),
            (r#"{"schemaVersion": 2, "manifests": []}"#.to_owned(), MediaType::INDEX),
            (
                format!(r#"{{"schemaVersion": 2, "mediaType": "{docker}", "manifests": []}}"#),
                MediaType::new(docker),
            ),
        ] {
            assert_eq!(Document::parse(json.as_bytes()).ok().unwrap().0, media_type, "{json}");
        }
        for (json, reason) in [
            ("<html>".to_owned(), "not JSON"),
            ("[]".to_owned(), "no schemaVersion"),
            (r#"{"schemaVersion": 1, "fsLayers": []}"#.to_owned(), "Docker's first format"),
            (format!(r#"{{"schemaVersion": 2, "manifests": [], {config}}}"#), "at the same time"),
            (r#"{"schemaVersion": 2, "mediaType": "text/html"}"#.to_owned(), "\"text/html\""),
            (r#"{"schemaVersion": 2}"#.to_owned(), "missing field `config`"),
        ] {
            let found = Document::parse(json.as_bytes()).err().unwrap();
            assert!(found.contains(reason), "{json}: {found}");
        }
    }

    #[test]
    fn an_index_is_refused_as_a_manifest() {
        let error =
            Image::from_manifest(*br#"{"schemaVersion": 2, "manifests": []}"#, |_| unreachable!())
                .unwrap_err();
        assert!(error.to_string().contains("it is an index"), "{error}");
    }
}
