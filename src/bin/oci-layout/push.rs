//! `push`: sends an image of a layout to registries.

use clap::Args;
use oci_layout::{Error, Image, Pool, Result, document::Platform, registry::Reference};

use crate::{
    args::{self, LayoutTag},
    attached::{Place, push_attached},
    errors,
    image_arg::{local_image, reference},
    out::print,
    progress,
    registries::{Registries, in_bar},
    trust::Trust,
};

/// Sends an image of a layout to registries, without changing a byte.
///
/// Sends all platforms of an image, unless --platform selects one. Blobs that a repository already
/// has are not sent, and their layers are not read; several tags of one repository share an upload.
/// Blobs that another repository of the same registry has are mounted from there. Candidates are
/// the first of several REFs, the repository of the image's base (annotation
/// org.opencontainers.image.base.name), and those of --mount-from. Prints the name of the image
/// with its digest, one line per repository.
///
/// An interrupted upload resumes where it stopped. Credentials come from the files of docker and
/// podman. TLS is required, except for a registry on this machine that does not support it. Trusted
/// certificates are those that SSL_CERT_FILE names, or else those of the system or of this program,
/// and those in the registry's folder in certs.d of podman and docker. HTTPS_PROXY, HTTP_PROXY,
/// ALL_PROXY and NO_PROXY configure proxies.
///
/// A layout from others cannot expose files of this machine: links in it are not followed, a blob
/// in a file is verified before it is sent, and a recipe reads only files that the options below
/// allow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout push image ghcr.io/me/app:1.0
  oci-layout push image:1.0 ghcr.io/me/app:1.0 ghcr.io/me/app:latest
  oci-layout push image localhost:5000/app --mount-from library/base")]
pub(crate) struct Push {
    /// The layout, oci-archive or docker-archive, with a tag or digest (sha256:…) if it has several
    /// images
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(local_image))]
    image: LayoutTag,

    /// The name to push to: [REGISTRY/]PATH[:TAG]
    #[arg(value_name = "REF", required = true, value_parser = reference)]
    references: Vec<Reference>,

    /// The platform to send from an image for several platforms [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Path of a repository in the same registry that may have some of the layers. May be repeated
    #[arg(long, value_name = "PATH")]
    mount_from: Vec<String>,

    /// Also send the artifacts that are attached to the image, and what is attached to those
    #[arg(long)]
    referrers: bool,

    #[command(flatten)]
    registries: Registries,
}

impl Push {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let Self { image, references, platform, mount_from, referrers, registries } = self;
        let _lock = image.lock();
        let (layout, tag) = (trust.open(&image.layout)?.pool(pool), image.tag.as_deref());
        let image = match &platform {
            Some(platform) => Image::from(layout.image(tag, Some(platform))?),
            None => layout.whole_image(tag)?,
        };
        errors::refuse_partial(&image, "push one platform with --platform")?;
        let attached = match referrers {
            true => Place::Layout(&layout).attached(&image)?,
            false => Vec::new(),
        };
        let client = mount_from
            .into_iter()
            .fold(registries.client()?, |client, path| client.mount_from(path));
        let pushed = progress::show("pushing", |bytes| {
            let client = in_bar(client, bytes);
            let pushed = client.push(&image, &references)?;
            push_attached(&client, &attached, &references)?;
            Ok::<_, Error>(pushed)
        })?;
        pushed.iter().try_for_each(print)
    }
}
