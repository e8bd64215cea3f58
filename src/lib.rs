//! Composable [OCI image](https://github.com/opencontainers/image-spec/blob/v1.1.1/spec.md)
//! primitives: files in; deterministic layers, images and layouts out.
//!
//! Four functions, each from values to a value:
//!
//! | function | creates |
//! |---|---|
//! | [`layer_tar()`] | a layer of [`FileMapping`]s: its diff ID, its descriptor, and its bytes, stored or generated on demand |
//! | [`image_config()`] | the configuration, with the diff IDs of the layers |
//! | [`image_manifest()`] | the manifest, with the configuration and the layers |
//! | [`image_layout()`] | the folder: `oci-layout`, `index.json`, `blobs/sha256` |
//!
//! ```
//! use oci_layout::{
//!     ConfigOptions, FileMapping, LayerOptions, LayoutOptions, ManifestOptions,
//!     image_config, image_layout, image_manifest, layer_tar
//! };
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path().join("image");
//! # let program = std::env::current_exe()?;
//! let app = FileMapping::new(program, "/bin/app");
//! let layer = layer_tar([app], LayerOptions::default().store(&dir))?;
//! let config = image_config([&layer], ConfigOptions::default().entrypoint(["/bin/app"]))?;
//! let image = image_manifest(config, [layer], ManifestOptions::default())?;
//! image_layout(&dir, [image.tagged("latest")], LayoutOptions::default())?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! More to read: the
#![doc = concat!(
    "[README](https://docs.rs/crate/oci-layout/", env!("CARGO_PKG_VERSION"), "), and in the ",
    "[source](https://docs.rs/crate/oci-layout/", env!("CARGO_PKG_VERSION"), "/source/) the ",
    "folders `examples/` and `docs/`: `byte-format.md` defines every byte, `layering.md` and ",
    "`split.md` explain how closures and folders are split, `architecture.md` shows the parts.",
)]
//!
//! # Further functions
//!
//! | to | use |
//! |---|---|
//! | build on an image | [`ImageLayout::image`], [`ConfigOptions::base`], [`Inherit`], [`LayerOptions::above`] |
//! | change the configuration or layers of an image | [`mutate()`] |
//! | open a layout or archive and change it | [`ImageLayout`]: append, replace, remove, collect garbage |
//! | write images as one tar for docker, podman and containerd | [`archive::image_archive()`] |
//! | find everything that is wrong with a layout, and mend it | [`verify::verify()`], [`verify::repair()`] |
//! | list the contents of a layer | [`layer_entries()`] |
//! | read the files of an image, and unpack them | [`rootfs::ImageFiles`], [`rootfs::FileSearch`], [`rootfs::unpack()`] |
//! | compare two images | [`rootfs::image_diff()`] |
//! | merge layers, change their compression, make one of a difference | [`PlatformImage::squashed`], [`PlatformImage::recompressed`], [`rootfs::layer_diff()`] |
//! | explain the size of an image | `report::image_report`, with the feature `cli`: files by size, waste, what cannot start |
//! | check an image against a policy | `check::check_image`, with the feature `cli` |
//! | combine platforms in one image | [`image_index()`]; [`image_layout()`] does it for images of one name |
//! | store something other than an image | [`artifact_manifest()`] |
//! | store attestations in the form of BuildKit | [`attestation_manifest()`] |
//! | keep recipes instead of layers | [`LayoutOptions::sparse`], [`Recipe`], [`ImageLayout::fill`] |
//! | read the files of a layer from JSON | [`LayerSpec`] |
//! | split a Nix closure into layers | [`closure::closure_layers()`], [`closure::ReferenceGraph`] |
//! | make several layers of files that change at different times | [`layer_tars()`], [`split::split_files()`] |
//! | pull, push and serve images | the module `registry`, with the feature of that name; [`Image::from_manifest`] for a client of your own |
//! | sign images, and verify signatures | the module `signature`, with the feature `cli`; [`artifact_manifest()`] |
//! | limit the number of threads | [`Pool`] |
//!
//! # Blobs and layers
//!
//! Everything with a [`Descriptor`](document::Descriptor) that can be read is a [`Blob`], and a
//! blob with a diff ID is a [`Layer`]. A described layer, a stored layer, a layer of a base image
//! and your own implementation of the traits work alike everywhere.
//!
//! # Documents
//!
//! The types of the module [`document`] are plain values with public fields. Members that this
//! library does not know stay in `extra`, so that nothing in a base image is lost, and an unchanged
//! document keeps its bytes. With the feature `oci-spec`, each converts to and from the type of that
//! crate; every conversion documents what the other type cannot represent.
//!
//! # Errors
//!
//! An [`Error`] has a variant for each failure that a caller may handle in its own way, with the
//! data in fields. It does not display its cause: [`Report`] does.
//!
//! # Bytes
//!
//! The output is a function of mappings, options and contents, under a number, [`BYTE_FORMAT`]. No
//! clock, locale, umask, environment variable, order of directory entries or number of threads
//! influences it.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `gzip` | yes | writing gzip layers with libdeflate, a C library; reading them needs no feature |
//! | `zstd` | yes | writing and reading zstd layers with libzstd, a C library |
//! | `ring` | yes | faster SHA-256 by ring, which is C and assembly, where the processor has no SHA instructions |
//! | `oci-spec` | no | conversions to and from the types of the crate `oci-spec` 0.10 |
//! | `cli` | no | the program `oci-layout` |
//! | `registry` | no | the module `registry`: images from and to registries, and layouts served as one; with `cli`, the subcommands `pull`, `push` and `serve` |
//! | `on-demand` | no | the module `on_demand`: images by the names of packages, which are made when somebody pulls them |
//!
//! No feature changes bytes. Without `gzip`, it is still the default compression, and using it is
//! an error that names the feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod archive;
mod basics;
mod blob;
#[cfg(feature = "cli")]
pub mod check;
pub mod closure;
pub mod document;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod folder;
#[cfg(all(any(test, fuzzing), feature = "on-demand"))]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod layer;
mod layout;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod nix;
#[cfg(feature = "on-demand")]
pub mod on_demand;
mod pool;
mod recipe;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "cli")]
pub mod report;
pub mod rootfs;
#[cfg(feature = "cli")]
pub mod sbom;
#[cfg(all(feature = "cli", feature = "registry"))]
#[doc(hidden)]
pub mod serve_config;
#[cfg(feature = "cli")]
pub mod signature;
pub mod split;
mod store;
mod tarfile;
pub mod verify;

pub use crate::{
    basics::{
        BYTE_FORMAT, Digest, Error, ParseDigestError, Printable, PrintableJson, Progress,
        RegistryErrorKind, Report, Result, Warning,
    },
    blob::{Blob, FileBlob, Layer, MemoryBlob},
    image::{
        ConfigOptions, ExtraConfig, Image, ImageConfig, ImageIndex, ImageManifest, Inherit,
        ManifestOptions, MutateOptions, PlatformImage, artifact_manifest, attestation_manifest,
        image_config, image_index, image_manifest, mutate,
    },
    layer::{
        entries::{LayerEntries, LayerEntry, layer_entries},
        layer_tar::{TarLayer, layer_tar},
        layer_tars::layer_tars,
    },
    layout::{
        edit::Collected,
        image_layout::{LayoutOptions, image_layout},
        read::ImageLayout,
    },
    pool::Pool,
    recipe::{
        Attribute, Attributes, BaseFiles, FileMapping, HardLinks, LayerOptions, LayerSpec,
        OnConflict, PermissionRule, Recipe, RecipeKey, RecipeTrust, Source,
    },
    store::{CheckedFile, NewFile, ReadLock, WriteOptions},
    tarfile::Compression,
};

#[cfg(feature = "cli")]
pub use crate::image::{check_runnable, missing_libraries};

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
