//! `pull`: from a registry into a layout.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, Image, ImageLayout, LayoutOptions, Platform, Pool, Result, image_layout,
    registry::{Client, Credentials, Reference, download_pool},
};

use crate::{certificates, output::Output, print, progress, say};

/// Fetches an image from a registry into a layout, every byte as it is there.
///
/// Of an image for several platforms all are fetched, unless --platform chooses one. The image has its tag in the layout,
/// if one was given. A layout that is there gets the image in addition, and what it has already is not fetched again.
/// The image's digest is printed on standard output.
///
/// An image in the format that Docker had before OCI stays in it: podman and skopeo do not find it in a layout, but crane
/// does, and as a base it is like any other.
///
/// Who has logged in with docker or podman is known to the registry. The proxies that https_proxy and http_proxy name
/// are used, and the certificates that SSL_CERT_FILE names, or the system has, or this program.
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

    /// Ask the registry without TLS, as one on this machine always is
    #[arg(long)]
    plain_http: bool,
}

impl Pull {
    pub(crate) fn run(self, pool: &Pool) -> Result<()> {
        let Self { image: reference, output, platform, plain_http, .. } = self;
        let client = client()?.plain_http(plain_http);
        let Some(output) = output else {
            let manifest = client.manifest(&reference, platform.as_ref())?;
            let write = |cause| Error::Write { path: Path::new("standard output").to_owned(), cause };
            return io::stdout().write_all(manifest.bytes()).map_err(write);
        };
        let digest = progress::show("pulling", |bytes| {
            let image = client.progress(bytes.progress()).image(&reference, platform.as_ref())?;
            let digest = image.digest();
            let image = reference.tag.iter().cloned().fold(image, Image::tagged);
            let pool = download_pool(pool);
            if output.join("oci-layout").exists() {
                ImageLayout::open(&output)?.append([image], &pool)?;
                return Ok(digest);
            }
            let output = Output::claim(&output)?;
            image_layout(output.dir(), [image], LayoutOptions::default().pool(&pool))?;
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

/// A client that knows what the environment says of registries.
pub(crate) fn client() -> Result<Client> {
    let client = Client::default().authorities(certificates::authorities()?);
    Ok(client.credentials(Credentials::Files(credentials(|name| env::var_os(name)))))
}

/// Where [podman](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md) and docker write to
/// when one logs in.
fn credentials(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    // Nix sets what nobody has set to nothing.
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let below = |name: &str, file: &str| Some(PathBuf::from(variable(name)?).join(file));
    let files = [
        below("XDG_RUNTIME_DIR", "containers/auth.json"),
        below("XDG_CONFIG_HOME", "containers/auth.json").or_else(|| below("HOME", ".config/containers/auth.json")),
        below("DOCKER_CONFIG", "config.json").or_else(|| below("HOME", ".docker/config.json")),
    ];
    files.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_where_others_write_them() {
        let with = |variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            credentials(value).iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(with(&[("REGISTRY_AUTH_FILE", "/a"), ("HOME", "/h")]), ["/a"]);
        assert_eq!(with(&[("HOME", "/h")]), ["/h/.config/containers/auth.json", "/h/.docker/config.json"]);
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r"), ("XDG_CONFIG_HOME", "/x"), ("DOCKER_CONFIG", "/d")]),
            ["/r/containers/auth.json", "/x/containers/auth.json", "/d/config.json"]
        );
        assert!(with(&[("REGISTRY_AUTH_FILE", "")]).is_empty());
    }
}
