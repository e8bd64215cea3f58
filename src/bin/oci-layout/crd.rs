//! `crd`: the definition of declared images for Kubernetes.

use clap::Args;
use oci_layout::{Result, on_demand::IMAGE_CRD};

use crate::out::print_text;

/// Prints the CustomResourceDefinition of the images that serve --images reads.
///
/// With it, Kubernetes checks and keeps such objects. The registry reads them from a file.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout crd | kubectl apply -f -")]
pub(crate) struct Crd {}

impl Crd {
    pub(crate) fn run(self) -> Result<()> {
        print_text(IMAGE_CRD)
    }
}
