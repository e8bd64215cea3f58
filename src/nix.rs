//! The builders of Nix derivations. Each function reads the attributes of one derivation and writes
//! its output.
//!
//! The functions in `nix/` of this repository write the attributes, with `__structuredAttrs`, so
//! that Nix passes them as JSON. This module does not depend on Nix evaluation, and the Nix
//! functions do not depend on the format of outputs.
//!
//! | step | attributes | output |
//! |---|---|---|
//! | `layer_tar` | `spec`, a [`LayerSpec`](crate::LayerSpec) as JSON, contents, `below`, `lazy` | the folder of a layer |
//! | `closure_layers` | `spec`, contents, `maxLayers`, `alone`, `together`, `below`, `lazy` | the folder of several layers |
//! | `database` | `layers`, keys of `others`; `others` and `graph`, as for contents | a folder for `/nix/var/nix` |
//! | `entries` | `base`, `platform`, `layers` | the folder of their entries |
//! | `image_config` | `layers`, `extraConfig`, `platform`, `base`, `inheritConfig`, `unsetEnv`, `strict` | the folder of a configuration |
//! | `image_manifest` | the same, `config`, `extraManifest` | the folder of an image, with links to its layers |
//! | `image_layout` | `images`, a list of `{ names, image, attached }`, and `attached` one of `{ file, type, predicateType }`; `extraIndex`, `hashTagged`, `sparse` | a layout |
//! | `sbom` | `image`, `format`; `graph`, as for contents; `copied`, `packages` | a bill of materials |
//! | `files` | `files`, a list of `{ destination, text, executable }`, `{ destination, symlink }` and `{ destination, directory }` | these files |
//! | `services` | `services`, a list in the order of starts; `path`, packages | the scripts that start and supervise them |
//! | `test_image` | `base`, `script`, `user`, `shell`, `unshare`, `path` | an empty file, if the script succeeds |
//! | `script` | `script`, `shell`, `path` | what the script writes to `$out` |
//! | `check` | `layout`, `tag`, `policies`, a list of `{ name, file }`; `strict` | a folder with reports, if the image keeps to the policies |
//! | `verify` | `layout`, `deep`, `strict` | an empty file, if the layout has no error |
//! | `provenance` | `layout`, `derivation`, `builderId`, `parameters`, `bases`, `graph`, `without` | a statement about the images of the layout |
//! | `pull` | `reference`, `platform`, `tag`, `plainHttp` | a layout of an image in a registry |
//! | `pull_blob` | `reference`, `digest`, `size`, `mediaType`, `plainHttp` | the bytes of a blob in a registry |
//! | `blobs_to_layout` | `manifest`, `blobs`, a list of `{ digest, path }`; `tag` | a layout of these |
//!
//! `pull` and `pull_blob` require the feature `registry`. Their derivations have fixed outputs, so
//! that Nix gives them network access.
//!
//! Folders of layers, configurations and images have the format of [`folder`](crate::folder).
//!
//! `below` lists folders of entries, lowest layers first. Such a folder is a cache
//! ([`BaseFiles::cache`](crate::BaseFiles::cache)) with an additional file, `entries/layers.json`,
//! that lists the digests of the layers, lowest first. A layer above them reads this folder instead
//! of the layers. The entries of an image are therefore read once, however many layers are built on
//! it, and a remote builder receives a few kilobytes instead of an image.
//!
//! The *contents* of a layer are the store paths that it holds. They are described by the
//! attributes `closure`, `copyToRoot`, `referencesOf` and `without`, and by `graph`, which Nix
//! writes for all paths that they name (`exportReferencesGraph`):
//!
//! - the closures of the paths in `closure`, each path at its own location;
//! - the contents of the paths in `copyToRoot`, at the root, and the closure of everything they
//!   refer to;
//! - the closure of everything that the paths in `referencesOf` refer to;
//! - nothing that `without` covers: paths, with their closures, and keys of `others`, which holds
//!   the contents of other layers.

pub(crate) mod attributes;
pub(crate) mod check;
pub(crate) mod contents;
pub(crate) mod database;
pub(crate) mod documents;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod layers;
pub(crate) mod output;
pub(crate) mod path_info;
pub(crate) mod provenance;
pub(crate) mod pull;
pub(crate) mod sbom;
pub(crate) mod script;
pub(crate) mod services;
pub(crate) mod test_image;

#[cfg(feature = "registry")]
pub use crate::nix::pull::{pull, pull_blob};
pub use crate::nix::{
    attributes::Attributes,
    check::check,
    database::database,
    documents::{image_config, image_layout, image_manifest, verify},
    entries::entries,
    files::files,
    layers::{closure_layers, layer_tar},
    provenance::provenance,
    pull::blobs_to_layout,
    sbom::sbom,
    script::script,
    services::services,
    test_image::test_image,
};
