//! `check`: whether an image keeps to policies.

use std::{collections::HashSet, path::PathBuf, process::ExitCode};

use clap::Args;
use oci_layout::{
    Image, PlatformImage, Pool, Result,
    check::{ImageChecks, Policy, check_image, json, junit, sarif, text},
    document::{Index, Manifest, MediaType},
};

use crate::{args, errors, image_arg::WholeImage, out, progress, trust::Trust};

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
        let images = match platform {
            Some(_) => vec![image.open(platform.as_ref(), registries, trust)?],
            None => {
                let whole = image.whole(registries, trust)?;
                let images: Vec<_> =
                    whole.platform_images()?.into_iter().map(|(_, image)| image).collect();
                refuse_others(&whole, &images)?;
                images
            }
        };
        if images.is_empty() {
            return Err(errors::invalid(
                image.to_string(),
                "it has no image of a container to check",
            ));
        }
        let results = progress::show("reading the layers", |_| {
            images
                .iter()
                .map(|image| check_image(image, &policies, pool))
                .collect::<Result<Vec<_>>>()
        })?;
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

/// Refuses an image with layers of containers that are not checked: those of manifests for an unknown
/// platform. The layers of attestations, which have this platform too, are no layers of containers.
fn refuse_others(whole: &Image, checked: &[PlatformImage]) -> Result<()> {
    let mut seen: HashSet<_> = checked.iter().map(|image| image.descriptor().digest).collect();
    let mut descriptors = vec![whole.descriptor().clone()];
    while let Some(descriptor) = descriptors.pop() {
        // An index may name images that are stored elsewhere.
        let is_here =
            whole.blobs().iter().any(|blob| blob.descriptor().digest == descriptor.digest);
        if !seen.insert(descriptor.digest) || !is_here {
            continue;
        }
        let what = || format!("{} {}", descriptor.media_type, descriptor.digest);
        let unreadable = |error: serde_json::Error| errors::invalid(what(), error.to_string());
        let bytes = whole.document(descriptor.digest)?;
        if descriptor.media_type.is_index() {
            let index: Index = serde_json::from_slice(&bytes).map_err(unreadable)?;
            descriptors.extend(index.manifests);
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(unreadable)?;
            let layers = &manifest.layers;
            let is_image = manifest.config.media_type.to_oci() == MediaType::CONFIG;
            if is_image && !layers.is_empty() && layers.iter().all(|it| it.media_type.is_layer()) {
                let reason = "it is an image for an unknown platform, which is not checked: build it \
                              for a platform, or select another with --platform";
                return Err(errors::invalid(what(), reason));
            }
        }
    }
    Ok(())
}
