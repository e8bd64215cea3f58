//! The small verbs: `tag`, `tags`, `config`, `manifest`, `digest` and `delete`.

use clap::Args;
#[cfg(feature = "registry")]
use oci_layout::Blob;
use oci_layout::{Image, PlatformImage, Result, document::Descriptor};

#[cfg(feature = "registry")]
use crate::errors;
use crate::{
    args::{self, LayoutTag},
    edit::{open_layout, remove},
    image_arg::{ImageArg, OneImage, Registries, WholeImage},
    out::{self, print, say},
    trust::Trust,
    write_args::WriteArgs,
};

/// Gives another name to an image of a layout or a registry.
///
/// The image keeps its other names. A tag of another image moves to this one. Prints the digest of
/// the image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout tag image:1.0 latest
  oci-layout tag docker://ghcr.io/me/app:1.0 latest")]
pub(crate) struct Tag {
    /// The image: LAYOUT[:TAG], or docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "IMAGE", value_parser = args::os(ImageArg::parse))]
    image: ImageArg,

    /// The new name: a tag (1.0) or, in a layout, a full name (ghcr.io/me/app:1.0)
    #[arg(value_name = "NAME", value_parser = args::name)]
    name: String,

    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

impl Tag {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let Self { image, name, .. } = self;
        match image {
            ImageArg::Layout(LayoutTag { layout, tag }) => {
                let digest = open_layout(&layout, self.write, trust)?.tag(tag.as_deref(), &name)?;
                say(format_args!("tagged {} as {name}", layout.display()));
                print(digest)
            }
            #[cfg(feature = "registry")]
            ImageArg::Registry(reference) => {
                if name.contains(['/', ':']) {
                    let reason = "is not a tag: a repository has only tags; use `oci-layout copy` \
                        to copy an image to another repository";
                    return Err(errors::invalid(format!("name {name:?}"), reason));
                }
                let client = self.registries.client()?;
                let image = client.image(&reference, None)?;
                let mut new = reference.clone();
                (new.tag, new.digest) = (Some(name.clone()), None);
                client.push(&image, &[new])?;
                say(format_args!("tagged {reference} as {name}"));
                print(image.digest())
            }
        }
    }
}

/// Lists the tags of a layout or of a repository in a registry.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout tags image
  oci-layout tags docker://alpine")]
pub(crate) struct Tags {
    /// The layout, or docker://REGISTRY/PATH
    #[arg(value_name = "LAYOUT|REPOSITORY", value_parser = args::os(ImageArg::parse))]
    image: ImageArg,

    #[command(flatten)]
    registries: Registries,
}

impl Tags {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        match self.image {
            ImageArg::Layout(LayoutTag { layout, .. }) => {
                trust.open(layout)?.tags()?.into_iter().try_for_each(print)
            }
            #[cfg(feature = "registry")]
            ImageArg::Registry(reference) => {
                self.registries.client()?.tags(&reference)?.into_iter().try_for_each(print)
            }
        }
    }
}

/// Prints the configuration of an image, byte for byte.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout config docker://alpine | jq .config")]
pub(crate) struct Config {
    #[command(flatten)]
    image: OneImage,
}

impl Config {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let digest = image.manifest().config.digest;
        out::print_document(&Image::from(image).document(digest)?)
    }
}

/// Prints the manifest of an image, byte for byte.
///
/// For an image for several platforms, this is the index, or with --platform the manifest for this
/// platform.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout manifest docker://alpine --platform linux/arm64 | jq .layers")]
pub(crate) struct Manifest {
    #[command(flatten)]
    image: WholeImage,
}

impl Manifest {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let (_, bytes) = root(&self.image, trust)?;
        out::print_document(&bytes)
    }
}

/// Prints the digest of an image.
///
/// For an image for several platforms, this is the digest of the index, or with --platform that of
/// the manifest for this platform.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout digest docker://alpine:3.20")]
pub(crate) struct ImageDigest {
    #[command(flatten)]
    image: WholeImage,
}

impl ImageDigest {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        print(root(&self.image, trust)?.0.digest)
    }
}

/// Removes a tag from a layout or a registry.
///
/// In a registry, PATH@DIGEST deletes an image with all its tags. Many registries delete only by
/// digest, or must be configured to delete. Blobs stay until gc, or the registry, removes them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout delete docker://registry.example/me/app:1.0
  oci-layout delete image:1.0")]
pub(crate) struct Delete {
    /// The image: LAYOUT:TAG, or docker://REGISTRY/PATH:TAG or docker://REGISTRY/PATH@DIGEST
    #[arg(value_name = "IMAGE", value_parser = args::os(ImageArg::parse))]
    image: ImageArg,

    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

impl Delete {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        match self.image {
            ImageArg::Layout(image) => remove(image, self.write, trust),
            #[cfg(feature = "registry")]
            ImageArg::Registry(reference) => {
                if reference.tag.is_none() && reference.digest.is_none() {
                    let reason = "a tag or a digest is missing: a whole repository is not deleted";
                    return Err(errors::invalid(reference.to_string(), reason));
                }
                self.registries.client()?.delete(&reference)?;
                say(format_args!("deleted {reference}"));
                Ok(())
            }
        }
    }
}

/// Returns the descriptor and the bytes of the manifest for the platform; without a platform, those
/// of the manifest or index that the name means. The descriptor has nothing optional.
pub(crate) fn root(image: &WholeImage, trust: &Trust) -> Result<(Descriptor, Vec<u8>)> {
    let WholeImage { image, platform, registries } = image;
    let _lock = image.lock();
    let bare = |of: &Descriptor| Descriptor::new(of.media_type.clone(), of.digest, of.size);
    let found: Image = match (image, platform) {
        #[cfg(feature = "registry")]
        (ImageArg::Registry(reference), platform) => {
            let client = registries.client()?;
            let manifest = client.manifest(reference, platform.as_ref())?;
            return Ok((bare(manifest.descriptor()), manifest.bytes().to_vec()));
        }
        (_, Some(platform)) => {
            PlatformImage::into(image.open(Some(platform), registries, trust)?)
        }
        (_, None) => image.whole(registries, trust)?,
    };
    Ok((bare(found.descriptor()), found.document(found.digest())?))
}
