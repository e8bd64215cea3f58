//! `pull`: from a registry into a layout.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, Image, LayoutOptions, Platform, Pool, Result, image_layout,
    registry::{Reference, download_pool},
};

use crate::{
    out::{self, print, say},
    output::{self, Output},
    progress,
    registries::Registries,
    trust::Trust,
    write_args::WriteArgs,
};

/// Fetches an image from a registry into a layout, every byte as it is there.
///
/// Of an image for several platforms all are fetched, unless --platform chooses one. The image has its tag in the layout,
/// if one was given. A layout that is there gets the image in addition, and what it has already is not fetched again.
/// The image's digest is printed on standard output.
///
/// An image in the format that Docker had before OCI stays in it: podman and skopeo do not find it in a layout, but crane
/// does, and as a base it is like any other.
///
/// Credentials are those that docker and podman have stored. The registry is asked with TLS, except one on this machine that
/// does not speak it. Trusted are the certificates that SSL_CERT_FILE names, or those of the system or of this program, and
/// those in the registry's folder in certs.d of podman and docker. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name
/// proxies.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout pull docker.io/library/alpine:3.20 --platform linux/amd64 -o alpine
  oci-layout build -f app:/bin/app --base alpine:3.20 -o image")]
pub(crate) struct Pull {
    /// The image: [REGISTRY/]PATH[:TAG][@DIGEST]. With a digest it is the same image for ever
    #[arg(value_name = "REF")]
    image: Reference,

    /// The layout to make, or to add the image to
    #[arg(short, long, value_name = "DIR", required_unless_present = "manifest")]
    output: Option<PathBuf>,

    /// Of an image for several platforms, the one to take [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Print the manifest, byte for byte, and fetch nothing else
    #[arg(long, conflicts_with = "output")]
    manifest: bool,

    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

impl Pull {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let Self { image: reference, output, platform, registries, write, .. } = self;
        let write = write.options();
        let client = registries.client()?;
        let Some(output) = output else {
            let manifest = client.manifest(&reference, platform.as_ref())?;
            let write = |cause| Error::Write { path: Path::new("standard output").to_owned(), cause };
            // Its digest is that of its bytes. A terminal has no use for that, and acts on some of them.
            return match io::stdout().is_terminal() {
                true => out::print_json_text(manifest.bytes()),
                false => io::stdout().write_all(manifest.bytes()).map_err(write),
            };
        };
        let digest = progress::show("pulling", |bytes| {
            let image = client.progress(bytes.progress()).image(&reference, platform.as_ref())?;
            let digest = image.digest();
            let image = reference.tag.iter().cloned().fold(image, Image::tagged);
            let pool = download_pool(pool);
            if output::settled(&output, write)? {
                trust.open(&output)?.write_options(write).append([image], &pool)?;
                return Ok::<_, Error>(digest);
            }
            let output = Output::claim(&output, write)?;
            image_layout(output.dir(), [image], LayoutOptions::default().write(write).pool(&pool))?;
            output.keep()?;
            Ok(digest)
        })?;
        if reference.digest.is_none() {
            say(format_args!(
                "oci-layout: note: the tag may mean another image tomorrow: pin it as {}",
                reference.at(digest)
            ));
        }
        print(digest)
    }
}
