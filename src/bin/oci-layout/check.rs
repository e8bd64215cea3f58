//! `check`: whether an image keeps to policies.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use oci_layout::{
    Pool, Result,
    check::{ImageChecks, Policy, check_image, check_platforms, json, junit, sarif, text},
};

use crate::{args, image_arg::WholeImage, out, progress, trust::Trust};

/// Checks an image against policies, and prints a line for each finding.
///
/// A policy is a file in YAML or JSON: the tests of container-structure-test that need no container,
/// and budgets, files, labels and users that an image must have or must not have. An image for
/// several platforms is checked for each of them. docs/policy.md describes all members.
///
/// The exit code is 1 if a check fails or the image cannot be read, and 0 otherwise.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout check image --policy policy.yaml
  oci-layout check image --policy policy.yaml --format junit > report.xml")]
pub(crate) struct CheckCommand {
    #[command(flatten)]
    image: WholeImage,

    /// A file with a policy; of several, all apply
    #[arg(long = "policy", value_name = "FILE", required = true)]
    policies: Vec<PathBuf>,

    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = args::one_of(&FORMATS))]
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
    Sarif,
    Junit,
}

const FORMATS: [(&str, Format, &str); 4] = [
    ("text", Format::Text, "a line for each finding, and how many checks passed"),
    ("json", Format::Json, "the findings as a list, with the members of those of verify"),
    ("sarif", Format::Sarif, "SARIF 2.1.0, for code scanning"),
    ("junit", Format::Junit, "JUnit XML, with the checks that passed"),
];

impl CheckCommand {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        let policies = self.policies.iter().map(Policy::from_file).collect::<Result<Vec<_>>>()?;
        let WholeImage { image, platform, registries } = &self.image;
        let _lock = image.lock();
        let results = match platform {
            Some(_) => {
                let image = image.open(platform.as_ref(), registries, trust)?;
                vec![progress::show("reading the layers", |_| {
                    check_image(&image, &policies, pool)
                })?]
            }
            None => {
                let image = image.whole(registries, trust)?;
                progress::show("reading the layers", |_| check_platforms(&image, &policies, pool))?
            }
        };
        let has_failed = results.iter().flat_map(ImageChecks::findings).next().is_some();
        match self.format {
            Format::Text => out::print_text(&text(&results))?,
            Format::Json => out::print_document(&json(&results))?,
            Format::Sarif => out::print_document(&sarif(&results))?,
            Format::Junit => out::print_text(&String::from_utf8_lossy(&junit(&results)))?,
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
