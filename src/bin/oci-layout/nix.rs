//! `nix`: runs as the builder of a derivation.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use oci_layout::{Pool, Result, nix};

#[cfg(feature = "registry")]
use crate::registries;
use crate::{advice, errors, out};

/// Builds a Nix derivation. This is the builder of the functions in `nix/`; do not call it by hand.
///
/// Reads the attributes from the file that NIX_ATTRS_JSON_FILE names, or from .attrs.json in
/// NIX_BUILD_TOP. They specify the path of the output.
#[derive(Args)]
pub(crate) struct Nix {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Build a layer
    LayerTar,
    /// Build all layers of a closure
    ClosureLayers,
    /// Build the database of the Nix store in an image
    Database,
    /// Read the entries of layers, for the layers above them
    Entries,
    /// Build a configuration
    ImageConfig,
    /// Build an image
    ImageManifest,
    /// Build a layout
    ImageLayout,
    /// Build a folder of small files
    Files,
    /// Build a bill of materials
    Sbom,
    /// Build the scripts that start services
    Services,
    /// Run a script that starts containers of an image
    TestImage,
    /// Run a script
    Script,
    /// Check an image against policies
    Check,
    /// Verify a layout
    Verify,
    /// Write the provenance of images
    Provenance,
    /// Fetch an image from a registry
    #[cfg(feature = "registry")]
    Pull,
    /// Fetch a blob from a registry
    #[cfg(feature = "registry")]
    PullBlob,
    /// Build a layout from a manifest and blobs
    BlobsToLayout,
}

impl Nix {
    pub(crate) fn run(&self, pool: &Pool) -> ExitCode {
        match self.step(pool) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                out::say_error(&advice::nix_error(&error));
                ExitCode::FAILURE
            }
        }
    }

    fn step(&self, pool: &Pool) -> Result<()> {
        let attributes = nix::Attributes::read(attributes_file()?)?;
        match self.step {
            Step::LayerTar => nix::layer_tar(&attributes, pool),
            Step::ClosureLayers => nix::closure_layers(&attributes, pool),
            Step::Database => nix::database(&attributes),
            Step::Entries => nix::entries(&attributes, pool),
            Step::ImageConfig => nix::image_config(&attributes),
            Step::ImageManifest => nix::image_manifest(&attributes, pool),
            Step::ImageLayout => nix::image_layout(&attributes, pool),
            Step::Files => nix::files(&attributes),
            Step::Sbom => nix::sbom(&attributes, pool),
            Step::Services => nix::services(&attributes),
            Step::TestImage => nix::test_image(&attributes, pool),
            Step::Script => nix::script(&attributes),
            Step::Check => nix::check(&attributes, pool),
            Step::Verify => nix::verify(&attributes, pool),
            Step::Provenance => nix::provenance(&attributes),
            #[cfg(feature = "registry")]
            Step::Pull => nix::pull(&attributes, registries::client()?, pool),
            #[cfg(feature = "registry")]
            Step::PullBlob => nix::pull_blob(&attributes, registries::client()?),
            Step::BlobsToLayout => nix::blobs_to_layout(&attributes, pool),
        }
    }
}

/// In its sandbox, Nix 2.8 names a file that does not exist.
fn attributes_file() -> Result<PathBuf> {
    let named = env::var_os("NIX_ATTRS_JSON_FILE").map(PathBuf::from).filter(|file| file.exists());
    let in_top = || Some(Path::new(&env::var_os("NIX_BUILD_TOP")?).join(".attrs.json"));
    named.or_else(in_top).ok_or_else(|| {
        errors::invalid(
            "oci-layout nix",
            "this is the builder of a derivation, but Nix did not start it: use the functions in \
             nix/",
        )
    })
}
