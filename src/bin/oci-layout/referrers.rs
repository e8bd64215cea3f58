//! What is attached to an image: `attach`, `discover` and `detach`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use oci_layout::{
    Blob, Digest, MemoryBlob, Pool, Result, artifact_manifest,
    document::{Descriptor, MediaType},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

#[cfg(feature = "registry")]
use crate::attached::by_digest;
use crate::{
    args::{self, LayoutTag},
    attached::{MAX_REFERRERS, Place, attach, in_place},
    bundles::{COSIGN_IMAGE, is_bundle},
    edit::open_layout,
    errors,
    image_arg::{ImageArg, WholeImage},
    input::{is_standard_input, read_input},
    names::root,
    out::{print, print_json, say},
    trust::Trust,
    write_args::WriteArgs,
};

/// The longest chain of artifacts that is followed. A registry could invent one without end.
const MAX_DEPTH: usize = 32;

/// The largest file that is attached. It is in memory.
const MAX_FILE: u64 = 1 << 30;

/// Attaches files to an image: a bill of materials, a signature, or anything with its own media
/// type.
///
/// The files become an artifact, whose manifest names the image as its subject. The image does not
/// change. Its layout, or its repository in a registry, lists the artifact among the referrers of the
/// image. A registry without the API for referrers gets a list under the tag sha256-HEX. The same
/// files, types and annotations always give the same artifact. Prints its digest.
///
/// Without --platform, an artifact belongs to all platforms of an image. push, pull, copy and export
/// take artifacts along with --referrers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout attach image sbom.json --type application/vnd.cyclonedx+json
  oci-layout attach image sbom.json --type https://spdx.dev/Document --buildkit
  oci-layout attach docker://ghcr.io/me/app:1.0 report.txt --type application/vnd.example.report")]
pub(crate) struct Attach {
    #[command(flatten)]
    image: WholeImage,

    /// The files, each of which is a blob of the artifact. - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The type of the artifact: a media type
    #[arg(long = "type", value_name = "TYPE")]
    artifact_type: String,

    /// Store the file in the form of BuildKit, which Docker's tools read: an index with the image and
    /// an attestation. TYPE is the type of a predicate, such as https://spdx.dev/Document, and the file
    /// is JSON. The image of the layout becomes another one, whose digest is printed
    #[arg(long, conflicts_with_all = ["media_type", "annotation"])]
    buildkit: bool,

    /// The media type of the files [default: TYPE]
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,

    /// Annotation of the artifact. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    annotation: Vec<(String, String)>,

    #[command(flatten)]
    write: WriteArgs,
}

impl Attach {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        if self.buildkit {
            return self.attest(pool, trust);
        }
        let subject = root(&self.image, trust)?.0;
        let media_type = self.media_type.as_ref().unwrap_or(&self.artifact_type);
        let blobs: Vec<Arc<dyn Blob>> =
            self.files.iter().map(|file| blob(file, media_type)).collect::<Result<_>>()?;
        let annotations: Map<String, Value> =
            self.annotation.into_iter().map(|(key, value)| (key, value.into())).collect();
        let extra = match annotations.is_empty() {
            true => Value::Null,
            false => json!({ "annotations": annotations }),
        };
        let artifact = artifact_manifest(&self.artifact_type, blobs, Some(&subject), extra)?;
        let digest = artifact.digest();
        attach(&self.image, artifact, self.write, pool, trust)?;
        print(digest)
    }

    /// Replaces the image by one with an attestation in its index.
    fn attest(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let WholeImage { image, platform, registries } = &self.image;
        let (layout, tag) = match image {
            ImageArg::Layout(LayoutTag { layout, tag }) => (layout, tag),
            #[cfg(feature = "registry")]
            ImageArg::Registry(_) => {
                let reason = "with --buildkit needs a layout, because the image becomes another one: \
                              run `oci-layout pull` first, and `oci-layout push` then";
                return Err(errors::invalid("attach", reason));
            }
        };
        let predicates = self.files.iter().map(|file| {
            let bytes = read_input(file, MAX_FILE, "attach it without --buildkit")?;
            serde_json::from_slice(&bytes)
                .map(|predicate: Value| (&*self.artifact_type, predicate))
                .map_err(|error| errors::invalid(format!("file {file:?}"), error.to_string()))
        });
        let predicates: Vec<_> = predicates.collect::<Result<_>>()?;
        // The image stays as it is until it is replaced.
        let about = image.open(platform.as_ref(), registries, trust)?.descriptor().clone();
        let old = image.whole(registries, trust)?;
        let attested = old.attested(&about, predicates)?;
        let digest = attested.digest();
        if digest != old.digest() {
            let mut layout = open_layout(layout, self.write, trust)?;
            layout.replace(tag.as_deref(), attested, pool)?;
            // The new index is not signed.
            layout.annotate(digest, COSIGN_IMAGE.0, None)?;
        }
        print(digest)
    }
}

/// The file as a blob, with its name as programs expect it that write the blob to a file again.
fn blob(file: &Path, media_type: &str) -> Result<Arc<dyn Blob>> {
    const TITLE: &str = "org.opencontainers.image.title";
    let bytes = read_input(file, MAX_FILE, "put it into a layer of an image")?;
    let blob = MemoryBlob::new(MediaType::new(media_type), bytes);
    let is_stream = is_standard_input(file) || file == Path::new("/dev/stdin");
    Ok(match file.file_name().and_then(|name| name.to_str()).filter(|_| !is_stream) {
        Some(name) => Arc::new(blob.annotated(TITLE, name)),
        None => Arc::new(blob),
    })
}

/// Lists the artifacts that are attached to an image.
///
/// Prints the digest and the type of each, one per line, with the artifacts that are attached to an
/// artifact indented below it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout discover image
  oci-layout discover docker://ghcr.io/me/app:1.0 --type application/vnd.cyclonedx+json --json")]
pub(crate) struct Discover {
    #[command(flatten)]
    image: WholeImage,

    /// List only artifacts of this type
    #[arg(long = "type", value_name = "TYPE")]
    artifact_type: Option<String>,

    /// Print the descriptors as JSON
    #[arg(long)]
    json: bool,
}

/// An artifact, and what is attached to it.
#[derive(Serialize)]
struct Attached {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    referrers: Vec<Attached>,
}

impl Discover {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let subject = root(&self.image, trust)?.0;
        let mut attached = in_place(&self.image, trust, |place| {
            tree(place, subject.digest, 0, &mut HashSet::new())
        })?;
        if let Some(wanted) = &self.artifact_type {
            attached.retain(|artifact| artifact.descriptor.artifact_type.as_ref() == Some(wanted));
        }
        match self.json {
            true => print_json(&attached),
            false => list(&attached, 0),
        }
    }
}

/// The referrers of a manifest. An artifact that was seen is not listed again.
fn tree(
    place: &Place<'_>,
    digest: Digest,
    depth: usize,
    seen: &mut HashSet<Digest>,
) -> Result<Vec<Attached>> {
    seen.insert(digest);
    let mut attached = Vec::new();
    if depth > MAX_DEPTH || seen.len() > MAX_REFERRERS {
        let reason = format!(
            "more than {MAX_REFERRERS} artifacts, or a chain of more than {MAX_DEPTH}, are attached \
             to the image: detach some"
        );
        return Err(errors::invalid(format!("artifact {digest}"), reason));
    }
    for descriptor in place.referrers(digest)? {
        if !seen.contains(&descriptor.digest) {
            let referrers = tree(place, descriptor.digest, depth + 1, seen)?;
            attached.push(Attached { descriptor, referrers });
        }
    }
    Ok(attached)
}

fn list(attached: &[Attached], depth: usize) -> Result<()> {
    for Attached { descriptor, referrers } in attached {
        let kind = descriptor.artifact_type.as_deref().unwrap_or("");
        print(format_args!("{:1$}{2} {kind}", "", depth * 2, descriptor.digest))?;
        list(referrers, depth + 1)?;
    }
    Ok(())
}

/// Removes artifacts from an image.
///
/// Removes all artifacts of a type, or those with the given digests. The blobs of a layout stay until
/// gc removes them, and those of a registry until it collects its garbage.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout detach image --type application/vnd.cyclonedx+json
  oci-layout detach docker://ghcr.io/me/app:1.0 --type application/vnd.cyclonedx+json")]
pub(crate) struct Detach {
    #[command(flatten)]
    image: WholeImage,

    /// The digests of the artifacts, as discover prints them
    #[arg(value_name = "DIGEST", required_unless_present = "artifact_type")]
    digests: Vec<Digest>,

    /// Remove all artifacts of this type
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "digests")]
    artifact_type: Option<String>,

    #[command(flatten)]
    write: WriteArgs,
}

impl Detach {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let subject = root(&self.image, trust)?.0;
        let attached = in_place(&self.image, trust, |place| place.referrers(subject.digest))?;
        let missing = |digest: &&Digest| attached.iter().all(|found| found.digest != **digest);
        if let Some(digest) = self.digests.iter().find(missing) {
            let reason = "it is not attached to the image: `oci-layout discover` lists the \
                          artifacts that are";
            return Err(errors::invalid(format!("artifact {digest}"), reason));
        }
        let is_chosen = |artifact: &&Descriptor| match &self.artifact_type {
            Some(wanted) => artifact.artifact_type.as_ref() == Some(wanted),
            None => self.digests.contains(&artifact.digest),
        };
        for artifact in attached.iter().filter(is_chosen) {
            match &self.image.image {
                ImageArg::Layout(LayoutTag { layout, .. }) => {
                    let digest = artifact.digest.to_string();
                    open_layout(layout, self.write, trust)?.remove(&digest)?;
                }
                #[cfg(feature = "registry")]
                ImageArg::Registry(reference) => {
                    let client = self.image.registries.client()?;
                    client
                        .delete_referrer(&by_digest(reference, artifact.digest), subject.digest)?;
                }
            }
            say(format_args!("detached {}", artifact.digest));
        }
        // The image is no longer signed.
        let (gone, left): (Vec<_>, Vec<_>) =
            attached.iter().filter(|artifact| is_bundle(artifact)).partition(is_chosen);
        match &self.image.image {
            ImageArg::Layout(LayoutTag { layout, .. }) if !gone.is_empty() && left.is_empty() => {
                let mut layout = open_layout(layout, self.write, trust)?;
                layout.annotate(subject.digest, COSIGN_IMAGE.0, None)?;
            }
            _ => {}
        }
        if !attached.iter().any(|artifact| is_chosen(&artifact)) {
            say("no artifact of this type is attached to the image");
        }
        Ok(())
    }
}
