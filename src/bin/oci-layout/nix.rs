//! `nix`: the program as the builder of a derivation.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use oci_layout::{Error, Pool, Result, nix};

#[cfg(feature = "registry")]
use crate::registries;

/// Builds a Nix derivation: what the functions in `nix/` have as their builder, and nothing to call by hand.
///
/// The attributes are read from the file that NIX_ATTRS_JSON_FILE names, or from .attrs.json in NIX_BUILD_TOP. The
/// output is where they say.
#[derive(Args)]
pub(crate) struct Nix {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Makes a layer
    LayerTar,
    /// Makes all layers of a closure
    ClosureLayers,
    /// Makes a configuration
    ImageConfig,
    /// Makes an image
    ImageManifest,
    /// Makes a layout
    ImageLayout,
    /// Makes a folder of small files
    Files,
    /// Checks a layout
    Verify,
    /// Fetches an image from a registry
    #[cfg(feature = "registry")]
    Pull,
    /// Fetches a blob from a registry
    #[cfg(feature = "registry")]
    PullBlob,
    /// Makes a layout of a manifest and blobs
    BlobsToLayout,
}

impl Nix {
    pub(crate) fn run(&self, pool: &Pool) -> Result<()> {
        let attributes = nix::Attributes::read(attributes_file()?)?;
        match self.step {
            Step::LayerTar => nix::layer_tar(&attributes, pool),
            Step::ClosureLayers => nix::closure_layers(&attributes, pool),
            Step::ImageConfig => nix::image_config(&attributes),
            Step::ImageManifest => nix::image_manifest(&attributes, pool),
            Step::ImageLayout => nix::image_layout(&attributes, pool),
            Step::Files => nix::files(&attributes),
            Step::Verify => nix::verify(&attributes, pool),
            #[cfg(feature = "registry")]
            Step::Pull => nix::pull(&attributes, registries::client()?, pool),
            #[cfg(feature = "registry")]
            Step::PullBlob => nix::pull_blob(&attributes, registries::client()?),
            Step::BlobsToLayout => nix::blobs_to_layout(&attributes, pool),
        }
    }
}

/// In its sandbox, Nix 2.8 names a file that is not there.
fn attributes_file() -> Result<PathBuf> {
    let named = env::var_os("NIX_ATTRS_JSON_FILE").map(PathBuf::from).filter(|file| file.exists());
    let in_top = || Some(Path::new(&env::var_os("NIX_BUILD_TOP")?).join(".attrs.json"));
    named.or_else(in_top).ok_or_else(|| Error::Invalid {
        what: "oci-layout nix".to_owned(),
        reason: "it is the builder of a derivation, and Nix did not start it: use the functions in nix/".to_owned(),
    })
}
