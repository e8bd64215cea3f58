//! `verify`: what is wrong with a layout.

use std::{env, path::PathBuf, process::ExitCode};

use clap::Args;
use oci_layout::{Finding, Pool, Result, Severity, VerifyOptions, verify};

use crate::{
    Warnings,
    out::{print, print_json},
    progress,
    trust::Trust,
};

/// Checks a layout to its last byte, and prints a line for each defect.
///
/// The exit code is 1 if the layout has an error or cannot be read, and 0 otherwise, warnings or not; with --strict,
/// warnings are errors. With -q, warnings are not printed.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout verify image && crane push image REGISTRY/app:1.0")]
pub(crate) struct Verify {
    /// The layout: a folder, an oci-archive or a docker-archive, which may be compressed with gzip or zstd
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    /// Make the layers that have a recipe in their place, and check them too; without, the recipes alone are looked at
    #[arg(long)]
    deep: bool,

    /// A list of findings as JSON: the severity, the place, the blob's digest, the name of the defect and its sentence
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<ExitCode> {
        let options =
            VerifyOptions::default().pool(pool).deep(self.deep).scratch(env::temp_dir()).trust(trust.recipes());
        let mut findings = progress::show("verifying", |_| verify(&self.layout, &options))?;
        if warnings.quiet {
            findings.retain(|finding| finding.severity() != Severity::Warning);
        }
        if self.json {
            print_json(&findings)?;
        } else {
            findings.iter().try_for_each(print)?;
        }
        let is_error = |finding: &Finding| warnings.strict || finding.severity() == Severity::Error;
        Ok(if findings.iter().any(is_error) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
