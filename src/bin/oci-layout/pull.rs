//! `pull`: fetches an image from a registry into a layout.

use std::path::PathBuf;

use clap::Args;
use oci_layout::{
    Error, Image, LayoutOptions, Pool, Result,
    document::Platform,
    image_layout,
    registry::{Reference, download_pool},
};

use crate::{
    attached::Place,
    image_arg::reference,
    out::{self, print, say},
    output::{self, Output},
    progress,
    registries::{Registries, in_bar},
    trust::Trust,
    write_args::WriteArgs,
};

/// Fetches an image from a registry into a layout, without changing a byte.
///
/// Fetches all platforms of an image, unless --platform selects one. The image gets the tag of REF,
/// if REF has one. An existing layout keeps its images, and blobs that it already has are not
/// fetched again. Prints the digest of the image.
///
/// An image in Docker's format from before OCI is kept in that format. podman and skopeo do not
/// find it in a layout, but crane does, and it can be used as a base.
///
/// Credentials come from the files of docker and podman. TLS is required, except for a registry on
/// this machine that does not support it. Trusted certificates are those that SSL_CERT_FILE names,
/// or else those of the system or of this program, and those in the registry's folder in certs.d of
/// podman and docker. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY configure proxies.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout pull docker.io/library/alpine:3.20 --platform linux/amd64 -o alpine
  oci-layout build -f app:/bin/app --base alpine:3.20 -o image")]
pub(crate) struct Pull {
    /// The image: [REGISTRY/]PATH[:TAG][@DIGEST]. A digest always refers to the same image
    #[arg(value_name = "REF", value_parser = reference)]
    image: Reference,

    /// The layout to create, or to add the image to
    #[arg(short, long, value_name = "DIR", required_unless_present = "manifest")]
    output: Option<PathBuf>,

    /// The platform to fetch from an image for several platforms [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Print the manifest unchanged, and fetch nothing else
    #[arg(long, conflicts_with = "output")]
    manifest: bool,

    /// Also fetch the artifacts that are attached to the image, and what is attached to those
    #[arg(long, conflicts_with = "manifest")]
    referrers: bool,

    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

impl Pull {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let Self { image: reference, output, platform, referrers, registries, write, .. } = self;
        let write = write.options();
        let client = registries.client()?;
        let Some(output) = output else {
            let manifest = client.manifest(&reference, platform.as_ref())?;
            return out::print_document(manifest.bytes());
        };
        let digest = progress::show("pulling", |bytes| {
            let client = in_bar(client, bytes);
            let image = client.image(&reference, platform.as_ref())?;
            let digest = image.digest();
            let mut images = match referrers {
                true => Place::Registry(&client, &reference).attached(&image)?,
                false => Vec::new(),
            };
            images.insert(0, reference.tag.iter().cloned().fold(image, Image::tagged));
            let pool = download_pool(pool);
            if output::settled(&output, write)? {
                trust.open(&output)?.write_options(write).append(images, &pool)?;
                return Ok::<_, Error>(digest);
            }
            let output = Output::claim(&output, write)?;
            image_layout(output.dir(), images, LayoutOptions::default().write(write).pool(&pool))?;
            output.keep()?;
            Ok(digest)
        })?;
        if reference.digest.is_none() {
            say(format_args!(
                "oci-layout: note: the tag can change: to pin this image, use {}",
                reference.at(digest)
            ));
        }
        print(digest)
    }
}
