//! The builders of Nix derivations: each function here is what one derivation runs, from the derivation's attributes
//! to its output.
//!
//! The functions in `nix/` of this repository write the attributes, with `__structuredAttrs`, so that Nix hands them
//! over as JSON. Nothing is known here of evaluation, and nothing there of what is in an output.
//!
//! | step | attributes | output |
//! |---|---|---|
//! | [`layer_tar`] | `spec`, a [`LayerSpec`](crate::LayerSpec) as JSON, contents, `below`, `lazy` | the folder of a layer |
//! | [`closure_layers`] | `spec`, contents, `maxLayers`, `alone`, `together`, `below`, `lazy` | the folder of several layers |
//! | [`entries`] | `base`, `platform`, `layers` | the folder of their entries |
//! | [`image_config`] | `layers`, `extraConfig`, `platform`, `base`, `inheritConfig`, `unsetEnv`, `strict` | the folder of a configuration |
//! | [`image_manifest`] | the same, `config`, `extraManifest` | the folder of an image, with links to its layers |
//! | [`image_layout`] | `images`, a list of `{ names, image }`; `extraIndex`, `hashTagged`, `sparse` | a layout |
//! | [`files`] | `files`, a list of `{ destination, text, executable }`, `{ destination, symlink }` and `{ destination, directory }` | these files |
//! | [`verify`] | `layout`, `deep`, `strict` | an empty file, if the layout has no error |
//! | `pull` | `reference`, `platform`, `tag`, `plainHttp` | a layout of an image in a registry |
//! | `pull_blob` | `reference`, `digest`, `size`, `mediaType`, `plainHttp` | the bytes of a blob in a registry |
//! | [`blobs_to_layout`] | `manifest`, `blobs`, a list of `{ digest, path }`; `tag` | a layout of these |
//!
//! `pull` and `pull_blob` need the feature `registry`. Their derivations have fixed outputs, so that Nix lets them into
//! the network.
//!
//! Folders of layers, configurations and images are those of [`folder`](crate::folder).
//!
//! `below` is a list of folders of entries, those of the lowest layers first. Such a folder is a cache
//! ([`BaseFiles::cache`](crate::BaseFiles::cache)), with `entries/layers.json` for the digests of the layers, the lowest
//! first. A layer above them reads this folder, and none of the layers: the entries of an image are read once, however
//! many layers come above it, and a builder elsewhere gets some kilobytes in the place of an image.
//!
//! What a layer *holds* of the store is said by contents, the attributes `closure`, `copyToRoot`, `referencesOf`,
//! `without`, and by `graph`, which Nix makes of all paths that they name (`exportReferencesGraph`):
//!
//! - the closures of the paths in `closure`, each path at its own place;
//! - the contents of those in `copyToRoot`, at the root, and the closure of what they refer to;
//! - the closure of what the paths in `referencesOf` refer to;
//! - none of what `without` holds: paths, for their closures, and keys of `others`, where the contents of other layers
//!   are.

pub(crate) mod attributes;
pub(crate) mod contents;
pub(crate) mod documents;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod layers;
pub(crate) mod output;
pub(crate) mod pull;

#[cfg(feature = "registry")]
pub use crate::nix::pull::{pull, pull_blob};
pub use crate::nix::{
    attributes::Attributes,
    documents::{image_config, image_layout, image_manifest, verify},
    entries::entries,
    files::files,
    layers::{closure_layers, layer_tar},
    pull::blobs_to_layout,
};
