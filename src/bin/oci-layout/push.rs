//! `push`: from a layout to registries.

use clap::Args;
use oci_layout::{Error, Image, Platform, Pool, Result, registry::Reference};

use crate::{
    args::{self, LayoutTag},
    out::print,
    progress,
    registries::Registries,
    trust::Trust,
};

/// Sends an image of a layout to registries, every byte as it is here.
///
/// An image for several platforms goes as one, unless --platform chooses one of them. What a repository has already is
/// not sent, nor are layers read for it; several tags of one repository are one upload. What another repository of the
/// same registry has is taken from there: from the first of several, from the one that the image's base is in
/// (annotation org.opencontainers.image.base.name), and from those that --mount-from names. The image's name by its
/// digest is printed on standard output, one line for each repository.
///
/// An upload that breaks off goes on where it ended. Credentials are those that docker and podman have stored. Registries
/// are asked with TLS, except those on this machine that do not speak it. Trusted are the certificates that SSL_CERT_FILE
/// names, or those of the system or of this program, and those in the registry's folder in certs.d of podman and docker.
/// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name proxies.
///
/// A layout of a stranger gives no file of this machine away: no link in it is followed, a blob in a file is sent after
/// the whole of it was checked, and a recipe reads files only as the options below allow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout push image ghcr.io/me/app:1.0
  oci-layout push image:1.0 ghcr.io/me/app:1.0 ghcr.io/me/app:latest
  oci-layout push image localhost:5000/app --mount-from library/base")]
pub(crate) struct Push {
    /// The layout, oci-archive or docker-archive; with a tag or digest (sha256:…) if it has several images
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(LayoutTag::parse))]
    image: LayoutTag,

    /// What the image shall be called: [REGISTRY/]PATH[:TAG]
    #[arg(value_name = "REF", required = true)]
    references: Vec<Reference>,

    /// Of an image for several platforms, the one to send [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// A repository of the same registry, by its path there, that may have some of the layers
    #[arg(long, value_name = "PATH")]
    mount_from: Vec<String>,

    #[command(flatten)]
    registries: Registries,
}

impl Push {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let Self { image, references, platform, mount_from, registries } = self;
        let _lock = image.lock();
        let (layout, tag) = (trust.open(&image.layout)?.pool(pool), image.tag.as_deref());
        let image = match &platform {
            Some(platform) => Image::from(layout.image(tag, Some(platform))?),
            None => layout.whole_image(tag)?,
        };
        if let Some(warning) = image.warnings().first() {
            let reason = format!("{warning}, and registries take no such index: push one platform, with --platform");
            return Err(Error::Invalid { what: format!("image {}", image.digest()), reason });
        }
        let client = mount_from.into_iter().fold(registries.client()?, |client, path| client.mount_from(path));
        let pushed = progress::show("pushing", |bytes| client.progress(bytes.progress()).push(&image, &references))?;
        pushed.iter().try_for_each(print)
    }
}
