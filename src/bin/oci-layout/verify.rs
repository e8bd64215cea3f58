//! `verify`: what is wrong with a layout.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
#[cfg(feature = "registry")]
use oci_layout::registry::{Client, Reference};
use oci_layout::{
    Blob, Descriptor, Error, Finding, Pool, ReadLock, Repair, Result, Severity, VerifyOptions, repair, verify,
};

#[cfg(feature = "registry")]
use crate::registries::Registries;
use crate::{
    Warnings,
    out::{print, print_json, say},
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Checks a layout to its last byte, and prints a line for each defect.
///
/// The exit code is 1 if the layout has an error or cannot be read, and 0 otherwise, warnings or not; with --strict,
/// warnings are errors. With -q, warnings are not printed.
///
/// With --repair, blobs that are damaged or missing are replaced first, manifests and configurations included, each by one
/// rename after its bytes were checked. What is printed is what could not be repaired.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout verify image && crane push image REGISTRY/app:1.0
  oci-layout verify image --repair ghcr.io/me/app:1.0")]
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

    /// Replace blobs that are damaged or missing by those of another layout (a folder or an archive), or of an image in a
    /// registry: [REGISTRY/]PATH[:TAG][@DIGEST]
    #[arg(long, value_name = "FROM")]
    repair: Option<PathBuf>,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

/// Whatever gives a blob by its descriptor.
type Give = Box<dyn Fn(&Descriptor) -> Result<Option<Arc<dyn Blob>>> + Sync>;

impl Verify {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<ExitCode> {
        let options =
            VerifyOptions::default().pool(pool).deep(self.deep).scratch(env::temp_dir()).trust(trust.recipes());
        let mut findings = match &self.repair {
            None => progress::show("verifying", |_| verify(&self.layout, &options))?,
            Some(from) => {
                let _lock = ReadLock::new(from);
                let from = self.source(from, pool, trust)?;
                let write = self.write.options();
                let Repair { repaired, failed, findings, .. } =
                    progress::show("repairing", |_| repair(&self.layout, &options, write, &from))?;
                let told = |blob: Descriptor| say(format_args!("repaired {}, {} bytes", blob.digest, blob.size));
                repaired.into_iter().for_each(told);
                for (blob, error) in failed {
                    say(format_args!("oci-layout: warning: {} cannot be repaired: {error}", blob.digest));
                }
                findings
            }
        };
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

    /// Where sound blobs are: in a layout, if there is a file or folder of this name, or else in a registry.
    fn source(&self, from: &Path, pool: &Pool, trust: &Trust) -> Result<Give> {
        if from.exists() {
            let layout = trust.open(from)?.pool(pool);
            return Ok(Box::new(move |descriptor| Ok(Some(layout.blob(descriptor)))));
        }
        let invalid = |reason: &str| Error::Invalid { what: format!("--repair {from:?}"), reason: reason.to_owned() };
        #[cfg(feature = "registry")]
        {
            let reference: Option<Reference> = from.to_str().and_then(|name| name.parse().ok());
            let reference = reference.ok_or_else(|| {
                invalid("it is neither a layout that is there nor the name of an image in a registry")
            })?;
            let client = self.registries.clone().client()?;
            Ok(Box::new(move |descriptor| of_registry(&client, &reference, descriptor).map(Some)))
        }
        #[cfg(not(feature = "registry"))]
        Err(invalid("there is no such layout, and this program was built without registries"))
    }
}

/// A registry has manifests in one place and all other blobs in another.
#[cfg(feature = "registry")]
fn of_registry(client: &Client, reference: &Reference, descriptor: &Descriptor) -> Result<Arc<dyn Blob>> {
    match descriptor.media_type.is_manifest() || descriptor.media_type.is_index() {
        true => Ok(Arc::new(client.manifest(&reference.at(descriptor.digest), None)?)),
        false => client.blob(reference, descriptor),
    }
}
