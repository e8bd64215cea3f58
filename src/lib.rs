//! Composable OCI image-layout primitives: files in, deterministic layers, images and layouts out.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blob;
mod descriptor;
mod digest;
mod error;
mod image_config;
mod image_layout;
mod image_manifest;
mod json;
mod layer_tar;
#[cfg(feature = "oci-spec")]
mod oci_spec;
mod pool;

pub use self::{
    blob::{Blob, FileBlob, Layer, MemoryBlob},
    descriptor::{Annotations, Descriptor, Extra, MediaType, Platform},
    digest::Digest,
    error::{Error, Result},
    image_config::{
        ConfigOptions, Configuration, ContainerConfig, History, ImageConfig, Inherit, RootFs, image_config,
    },
    image_layout::{Collected, ImageLayout, LayoutImage, LayoutOptions, image_layout},
    image_manifest::{
        Image, ImageIndex, ImageManifest, Index, Manifest, ManifestOptions, artifact_manifest, image_index,
        image_manifest,
    },
    layer_tar::{
        Attribute, Attributes, BYTE_FORMAT, Compression, FileMapping, LayerOptions, OnConflict, PermissionRule,
        Progress, Source, TarLayer, layer_tar,
    },
    pool::Pool,
};
