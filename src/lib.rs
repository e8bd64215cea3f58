//! Composable [OCI image](https://github.com/opencontainers/image-spec/blob/v1.1.1/spec.md)
//! primitives: files in, deterministic layers, images and layouts out.
//!
//! Four functions, each a value in and a value out:
//!
//! | function | makes |
//! |---|---|
//! | [`layer_tar()`] | a [`TarLayer`] of [`FileMapping`]s: diff ID, descriptor, and its bytes, stored or made again on demand |
//! | [`image_config()`] | the [`ImageConfig`] that names the layers' diff IDs |
//! | [`image_manifest()`] | the [`ImageManifest`] that names configuration and layers |
//! | [`image_layout()`] | the folder: `oci-layout`, `index.json`, `blobs/sha256` |
//!
//! ```
//! use oci_layout::{FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar};
//! use serde_json::json;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("image");
//! # let program = std::env::current_exe()?;
//! let app = layer_tar([FileMapping::new(program, "/bin/app")], LayerOptions::default().store(&dir))?;
//! let config = image_config([&app], json!({ "config": { "Entrypoint": ["/bin/app"] } }))?;
//! let image = image_manifest(config, [app], json!({}))?;
//! image_layout(&dir, [image.tagged("latest")], json!({}))?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # More of the same
//!
//! - [`ImageLayout`] opens a layout's folder, an oci-archive or a docker-archive: an image of it is
//!   a base for others ([`ConfigOptions::base`], [`Inherit`]), more images can be appended, tags
//!   removed, garbage collected.
//! - A [`Recipe`] says how a blob is had that nobody keeps; a sparse layout
//!   ([`LayoutOptions::sparse`]) has recipes in the place of layers, and [`ImageLayout::fill`]
//!   makes it full.
//! - [`image_archive()`] writes images as one tar, which docker, podman and containerd load.
//! - [`verify()`] reads a layout to its last byte and returns everything that is wrong with it.
//! - [`layer_entries()`] reads what is in a layer, without unpacking it anywhere.
//! - [`image_index()`] makes an index for several platforms; [`image_layout()`] does so by itself
//!   of images under one name.
//! - [`artifact_manifest()`] makes the manifest of what is no image.
//! - [`LayerSpec`] is a layer's files and options as JSON; [`folder`] keeps layers, configurations
//!   and images on disk between the steps of the program.
//! - [`Image::from_manifest`] takes an image that somebody else made by its manifest; the module
//!   `registry`, with the feature of that name, finds it by its name in a registry.
//! - [`closure_layers()`] splits a Nix closure, a [`ReferenceGraph`], into layers.
//! - [`nix`] has the same steps as builders of Nix derivations.
//! - [`Pool`] bounds the threads of everything that is given it.
//!
//! # The seam
//!
//! Whatever has a [`Descriptor`] and can be read is a [`Blob`], and a blob with a diff ID is a
//! [`Layer`]. A layer just described, one whose blob lies in a file, one of a base image and one of
//! your own are the same to all else.
//!
//! # Documents
//!
//! [`Descriptor`], [`Platform`], [`Configuration`], [`Manifest`] and [`Index`] are plain values
//! with public fields. Members that this library does not know are kept in `extra`, so that nothing
//! a base image says is lost, and what was not changed is never written anew. With the feature
//! `oci-spec` each converts to and from that crate's type; every conversion says what the other
//! side has no place for.
//!
//! # Bytes
//!
//! What is written is a function of mappings, options and contents, under a number:
//! [`BYTE_FORMAT`]. No clock, locale, umask, environment variable, order of directory entries or
//! number of threads enters.
//!
//! # Features
//!
//! | feature | on by default | adds |
//! |---|---|---|
//! | `gzip` | yes | writing gzip layers, by libdeflate, a C library; reading them needs no feature |
//! | `zstd` | yes | writing and reading zstd layers, by libzstd, a C library |
//! | `oci-spec` | yes | conversions to and from the types of the crate `oci-spec` 0.10 |
//! | `cli` | no | the program `oci-layout` |
//! | `registry` | no | images from registries and to them, and layouts as one, in the module `registry`; with `cli` `pull`, `push` and `serve` |
//!
//! No feature changes any bytes: without `gzip` it is still the default compression, and an error
//! that names the feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod archive;
mod basics;
mod blob;
mod closure;
mod document;
pub mod folder;
#[cfg(all(any(test, fuzzing), feature = "gzip", feature = "zstd", feature = "registry"))]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod layer;
mod layout;
pub mod nix;
mod pool;
mod recipe;
#[cfg(feature = "registry")]
pub mod registry;
mod store;
mod tarfile;
mod verify;

pub use crate::{
    archive::{
        image_archive::{WrittenArchive, image_archive},
        options::{ArchiveFormat, ArchiveOptions},
    },
    basics::{
        byte_format::BYTE_FORMAT,
        digest::{Digest, ParseDigestError},
        error::{Error, Result},
        printable::{Printable, PrintableJson},
        progress::Progress,
        registry_error::RegistryErrorKind,
        report::Report,
        warning::Warning,
    },
    blob::traits::{Blob, FileBlob, Layer, MemoryBlob},
    closure::{closure_layers, graph::ReferenceGraph, options::ClosureOptions},
    document::{
        configuration::{Configuration, ContainerConfig, History, RootFs},
        descriptor::{Annotations, Descriptor, MediaType, Platform},
        extra::Extra,
        manifest::{Index, Manifest},
        name::ImageName,
    },
    folder::LayerFolder,
    image::{
        artifact::artifact_manifest,
        config::{ImageConfig, image_config},
        config_options::{ConfigOptions, ExtraConfig},
        graph::Image,
        index::{ImageIndex, image_index},
        inherit::Inherit,
        manifest::{ImageManifest, ManifestOptions, image_manifest},
        platform_image::PlatformImage,
    },
    layer::{
        entries::{LayerEntries, LayerEntry, layer_entries},
        layer_tar::{TarLayer, layer_tar},
    },
    layout::{
        edit::Collected,
        image_layout::{LayoutOptions, image_layout},
        read::ImageLayout,
    },
    pool::Pool,
    recipe::{
        base_files::BaseFiles,
        mapping::{Attribute, Attributes, FileMapping, Source},
        options::{HardLinks, LayerOptions, OnConflict, PermissionRule},
        origin::Recipe,
        spec::LayerSpec,
        trust::{RecipeKey, RecipeTrust},
    },
    store::{checked::CheckedFile, lock::ReadLock, new_file::NewFile, write_options::WriteOptions},
    tarfile::compression::Compression,
    verify::{
        defect::{Defect, Severity},
        finding::Finding,
        repair::{Repair, repair},
        verify_layout::{VerifyOptions, verify},
    },
};

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
