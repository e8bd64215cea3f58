//! `verify`: reports what is wrong with a layout.

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
    Blob, Pool, ReadLock, Result,
    document::Descriptor,
    verify::{Finding, Repair, Severity, VerifyOptions, repair, verify},
};

#[cfg(feature = "registry")]
use crate::registries::Registries;
use crate::{
    Warnings, advice,
    args::{self, LayoutTag},
    errors,
    image_arg::local_image,
    out::{print, print_json, say},
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Verifies every byte of a layout, and prints a line for each defect.
///
/// The exit code is 1 if the layout has an error or cannot be read, and 0 otherwise, even with
/// warnings; with --strict, warnings count as errors. With -q, warnings are not printed.
///
/// With --repair, damaged or missing blobs, including manifests and configurations, are replaced
/// first. Each is verified and then replaced atomically. Only defects that could not be repaired
/// are printed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout verify image && crane push image REGISTRY/app:1.0
  oci-layout verify image --repair ghcr.io/me/app:1.0")]
pub(crate) struct Verify {
    /// The layout: a folder, an oci-archive or a docker-archive, optionally compressed with gzip or
    /// zstd; with a tag or digest, only that image is verified
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(local_image))]
    image: LayoutTag,

    /// Build the layers that exist only as recipes, and verify them too. Otherwise, only the
    /// recipes are checked
    #[arg(long)]
    deep: bool,

    /// Print the findings as a JSON list with severity, place, digest of the blob, name of the
    /// defect and message
    #[arg(long)]
    json: bool,

    /// Replace damaged or missing blobs with those of another layout (a folder or an archive), or
    /// of an image in a registry: [REGISTRY/]PATH[:TAG][@DIGEST]
    #[arg(long, value_name = "FROM")]
    repair: Option<PathBuf>,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

/// Returns a blob for a descriptor.
type Give = Box<dyn Fn(&Descriptor) -> Result<Option<Arc<dyn Blob>>> + Sync>;

impl Verify {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<ExitCode> {
        let LayoutTag { layout, tag } = &self.image;
        let mut options = VerifyOptions::default()
            .pool(pool)
            .deep(self.deep)
            .scratch(env::temp_dir())
            .trust(trust.recipes());
        options.image.clone_from(tag);
        let mut findings = match &self.repair {
            None => progress::show("verifying", |_| verify(layout, &options))?,
            Some(from) => {
                let _lock = ReadLock::new(from);
                let from = self.source(from, pool, trust)?;
                let write = self.write.options();
                let Repair { repaired, failed, findings, .. } =
                    progress::show("repairing", |_| repair(layout, &options, write, &from))?;
                let told = |blob: Descriptor| {
                    say(format_args!("repaired {}, {} bytes", blob.digest, blob.size))
                };
                repaired.into_iter().for_each(told);
                for (blob, error) in failed {
                    say(format_args!(
                        "oci-layout: warning: {} cannot be repaired: {}",
                        blob.digest,
                        advice::error(&error)
                    ));
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

    /// Returns the source of intact blobs: a layout, if a file or folder of this name exists, or
    /// else a registry.
    fn source(&self, from: &Path, pool: &Pool, trust: &Trust) -> Result<Give> {
        if from.exists() {
            let layout = trust.open(from)?.pool(pool);
            return Ok(Box::new(move |descriptor| Ok(Some(layout.blob(descriptor)))));
        }
        let invalid = |reason: &str| errors::invalid(format!("--repair {from:?}"), reason);
        #[cfg(feature = "registry")]
        {
            let reference: Option<Reference> = from.to_str().and_then(|name| name.parse().ok());
            let reference = reference.ok_or_else(|| {
                invalid("expected an existing layout, or the name of an image in a registry")
            })?;
            let client = self.registries.client()?;
            Ok(Box::new(move |descriptor| of_registry(&client, &reference, descriptor).map(Some)))
        }
        #[cfg(not(feature = "registry"))]
        Err(invalid("the layout does not exist, and this program was built without registries"))
    }
}

/// Registries store manifests separately from all other blobs.
#[cfg(feature = "registry")]
fn of_registry(
    client: &Client,
    reference: &Reference,
    descriptor: &Descriptor,
) -> Result<Arc<dyn Blob>> {
    match descriptor.media_type.is_manifest() || descriptor.media_type.is_index() {
        true => Ok(Arc::new(client.manifest(&reference.at(descriptor.digest), None)?)),
        false => client.blob(reference, descriptor),
    }
}
