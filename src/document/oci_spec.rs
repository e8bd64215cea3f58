//! Conversions to and from the document types of the [`oci-spec`](https://docs.rs/oci-spec) crate.
//!
//! Its types do not represent all members that a document may have, and conversions to them drop
//! the others. Convert to use code that requires these types, but take the bytes of a blob from the
//! blob itself.

use std::collections::{BTreeMap, HashMap};

use oci_spec::image as spec;
use serde_json::json;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::{
        configuration::{Configuration, ContainerConfig, History, RootFs},
        descriptor::{Descriptor, MediaType, Platform},
        extra::Extra,
        manifest::{Index, Manifest},
    },
};

impl From<Digest> for spec::Digest {
    fn from(digest: Digest) -> Self {
        digest.to_string().parse().expect("`sha256:` and 64 digits are a digest to everybody")
    }
}

impl TryFrom<spec::Digest> for Digest {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for an algorithm other than SHA-256.
    fn try_from(digest: spec::Digest) -> Result<Self> {
        Ok(digest.as_ref().parse()?)
    }
}

impl From<MediaType> for spec::MediaType {
    fn from(media_type: MediaType) -> Self {
        media_type.as_str().into()
    }
}

impl From<spec::MediaType> for MediaType {
    fn from(media_type: spec::MediaType) -> Self {
        Self::new(media_type)
    }
}

/// Drops members that neither side knows.
///
/// The crate serializes the result with `os_version` and `os_features`, whereas the specification
/// requires `os.version` and `os.features`. It therefore reads neither from a document. The value
/// itself has both.
impl From<Platform> for spec::Platform {
    fn from(platform: Platform) -> Self {
        let features = platform.extra.get("features");
        // The default is the platform of the build host, so every member is set.
        let mut to = Self::default();
        to.set_architecture(architecture(&platform.architecture))
            .set_os(platform.os.as_str().into())
            .set_os_version(platform.os_version)
            .set_os_features(unless_empty(platform.os_features))
            .set_variant(platform.variant)
            .set_features(features.and_then(|features| serde_json::from_value(features).ok()));
        to
    }
}

impl From<spec::Platform> for Platform {
    fn from(platform: spec::Platform) -> Self {
        let features =
            platform.features().iter().map(|features| ("features".to_owned(), json!(features)));
        Self {
            os_version: platform.os_version().clone(),
            os_features: platform.os_features().clone().unwrap_or_default(),
            variant: platform.variant().clone(),
            extra: features.collect(),
            ..Self::new(platform.os().to_string(), platform.architecture().to_string())
        }
    }
}

/// Drops members that neither side knows, including those of the platform.
impl From<Descriptor> for spec::Descriptor {
    fn from(descriptor: Descriptor) -> Self {
        let mut to = Self::new(descriptor.media_type.into(), descriptor.size, descriptor.digest);
        to.set_urls(unless_empty(descriptor.urls))
            .set_annotations(unless_empty(descriptor.annotations.into_iter().collect()))
            .set_data(descriptor.data)
            .set_artifact_type(descriptor.artifact_type.map(|kind| kind.as_str().into()))
            .set_platform(descriptor.platform.map(Into::into));
        to
    }
}

impl TryFrom<spec::Descriptor> for Descriptor {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for an algorithm other than SHA-256.
    fn try_from(descriptor: spec::Descriptor) -> Result<Self> {
        let media_type = descriptor.media_type().clone().into();
        Ok(Self {
            urls: descriptor.urls().clone().unwrap_or_default(),
            annotations: sorted(descriptor.annotations()),
            data: descriptor.data().clone(),
            artifact_type: descriptor.artifact_type().as_ref().map(ToString::to_string),
            platform: descriptor.platform().clone().map(Into::into),
            ..Self::new(media_type, descriptor.digest().clone().try_into()?, descriptor.size())
        })
    }
}

/// Drops members that neither side knows, at every depth.
impl From<Manifest> for spec::ImageManifest {
    fn from(manifest: Manifest) -> Self {
        let to = spec::ImageManifestBuilder::default()
            .schema_version(manifest.schema_version)
            .config(manifest.config)
            .layers(manifest.layers.into_iter().map(Into::into).collect::<Vec<spec::Descriptor>>());
        let mut to = to.build().expect("it has what a manifest must have");
        to.set_media_type(manifest.media_type.map(Into::into))
            .set_artifact_type(manifest.artifact_type.map(|kind| kind.as_str().into()))
            .set_subject(manifest.subject.map(Into::into))
            .set_annotations(unless_empty(manifest.annotations.into_iter().collect()));
        to
    }
}

impl TryFrom<spec::ImageManifest> for Manifest {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for a descriptor with an algorithm other than SHA-256.
    fn try_from(manifest: spec::ImageManifest) -> Result<Self> {
        Ok(Self {
            schema_version: manifest.schema_version(),
            media_type: manifest.media_type().clone().map(Into::into),
            artifact_type: manifest.artifact_type().as_ref().map(ToString::to_string),
            config: manifest.config().clone().try_into()?,
            layers: manifest
                .layers()
                .iter()
                .cloned()
                .map(TryInto::try_into)
                .collect::<Result<_>>()?,
            subject: manifest.subject().clone().map(TryInto::try_into).transpose()?,
            annotations: sorted(manifest.annotations()),
            extra: Extra::default(),
        })
    }
}

/// Drops members that neither side knows, at every depth.
impl From<Index> for spec::ImageIndex {
    fn from(index: Index) -> Self {
        let to = spec::ImageIndexBuilder::default().schema_version(index.schema_version).manifests(
            index.manifests.into_iter().map(Into::into).collect::<Vec<spec::Descriptor>>(),
        );
        let mut to = to.build().expect("it has what an index must have");
        to.set_media_type(index.media_type.map(Into::into))
            .set_artifact_type(index.artifact_type.map(|kind| kind.as_str().into()))
            .set_subject(index.subject.map(Into::into))
            .set_annotations(unless_empty(index.annotations.into_iter().collect()));
        to
    }
}

impl TryFrom<spec::ImageIndex> for Index {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for a descriptor with an algorithm other than SHA-256.
    fn try_from(index: spec::ImageIndex) -> Result<Self> {
        Ok(Self {
            schema_version: index.schema_version(),
            media_type: index.media_type().clone().map(Into::into),
            artifact_type: index.artifact_type().as_ref().map(ToString::to_string),
            manifests: index
                .manifests()
                .iter()
                .cloned()
                .map(TryInto::try_into)
                .collect::<Result<_>>()?,
            subject: index.subject().clone().map(TryInto::try_into).transpose()?,
            annotations: sorted(index.annotations()),
            extra: Extra::default(),
        })
    }
}

/// Drops members that neither side knows, at every depth: `Healthcheck`, `Shell`, `OnBuild` and
/// other members that are not in the specification.
impl From<Configuration> for spec::ImageConfiguration {
    fn from(configuration: Configuration) -> Self {
        // The default is the platform of the build host, so every member is set.
        let mut to = Self::default();
        to.set_created(configuration.created)
            .set_author(configuration.author)
            .set_architecture(architecture(&configuration.architecture))
            .set_os(configuration.os.as_str().into())
            .set_os_version(configuration.os_version)
            .set_os_features(unless_empty(configuration.os_features))
            .set_variant(configuration.variant)
            .set_config(configuration.config.map(Into::into))
            .set_rootfs(configuration.rootfs.into())
            .set_history(unless_empty(configuration.history.into_iter().map(Into::into).collect()));
        to
    }
}

impl TryFrom<spec::ImageConfiguration> for Configuration {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for a diff ID with an algorithm other than SHA-256.
    fn try_from(configuration: spec::ImageConfiguration) -> Result<Self> {
        Ok(Self {
            created: configuration.created().clone(),
            author: configuration.author().clone(),
            architecture: configuration.architecture().to_string(),
            os: configuration.os().to_string(),
            os_version: configuration.os_version().clone(),
            os_features: configuration.os_features().clone().unwrap_or_default(),
            variant: configuration.variant().clone(),
            config: configuration.config().clone().map(Into::into),
            rootfs: configuration.rootfs().clone().try_into()?,
            history: configuration.history().iter().flatten().cloned().map(Into::into).collect(),
            extra: Extra::default(),
        })
    }
}

/// Drops members that are not in the specification, and the values of `ExposedPorts` and `Volumes`.
impl From<ContainerConfig> for spec::Config {
    fn from(config: ContainerConfig) -> Self {
        let mut to = Self::default();
        to.set_user(config.user)
            .set_exposed_ports(unless_empty(config.exposed_ports.members().into_keys().collect()))
            .set_env(unless_empty(config.env))
            .set_entrypoint(config.entrypoint)
            .set_cmd(config.cmd)
            .set_volumes(unless_empty(config.volumes.members().into_keys().collect()))
            .set_working_dir(config.working_dir)
            .set_labels(unless_empty(config.labels.into_iter().collect()))
            .set_stop_signal(config.stop_signal);
        to
    }
}

impl From<spec::Config> for ContainerConfig {
    fn from(config: spec::Config) -> Self {
        let keys = |keys: &Option<Vec<String>>| {
            keys.iter().flatten().map(|key| (key.clone(), json!({}))).collect()
        };
        Self {
            user: config.user().clone(),
            exposed_ports: keys(config.exposed_ports()),
            env: config.env().clone().unwrap_or_default(),
            entrypoint: config.entrypoint().clone(),
            cmd: config.cmd().clone(),
            volumes: keys(config.volumes()),
            working_dir: config.working_dir().clone(),
            labels: sorted(config.labels()),
            stop_signal: config.stop_signal().clone(),
            extra: Extra::default(),
        }
    }
}

/// Drops members that neither side knows.
impl From<RootFs> for spec::RootFs {
    fn from(rootfs: RootFs) -> Self {
        let mut to = Self::default();
        to.set_typ(rootfs.kind)
            .set_diff_ids(rootfs.diff_ids.iter().map(Digest::to_string).collect());
        to
    }
}

impl TryFrom<spec::RootFs> for RootFs {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::Digest`] for a diff ID with an algorithm other than SHA-256.
    fn try_from(rootfs: spec::RootFs) -> Result<Self> {
        let diff_ids = rootfs.diff_ids().iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        Ok(Self { kind: rootfs.typ().clone(), diff_ids, extra: Extra::default() })
    }
}

/// Drops members that neither side knows.
impl From<History> for spec::History {
    fn from(history: History) -> Self {
        let mut to = Self::default();
        to.set_created(history.created)
            .set_author(history.author)
            .set_created_by(history.created_by)
            .set_comment(history.comment)
            .set_empty_layer(history.empty_layer);
        to
    }
}

impl From<spec::History> for History {
    fn from(history: spec::History) -> Self {
        Self {
            created: history.created().clone(),
            author: history.author().clone(),
            created_by: history.created_by().clone(),
            comment: history.comment().clone(),
            empty_layer: history.empty_layer(),
            extra: Extra::default(),
        }
    }
}

/// Version 0.10 reads `armbe` as another architecture, so this keeps the name.
fn architecture(name: &str) -> spec::Arch {
    let architecture = spec::Arch::from(name);
    if architecture.to_string() == name { architecture } else { spec::Arch::Other(name.to_owned()) }
}

/// The crate distinguishes an absent list from an empty one. Our documents omit both.
fn unless_empty<T: Default + PartialEq>(list: T) -> Option<T> {
    (list != T::default()).then_some(list)
}

fn sorted<V: Clone>(map: &Option<HashMap<String, V>>) -> BTreeMap<String, V> {
    map.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}
