//! Edits an existing layout: `append`, `delete`, `gc`, `fill`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::DecimalBytes;
use oci_layout::{Error, Image, ImageLayout, Pool, Result};

use crate::{
    Warnings,
    args::{self, LayoutTag},
    errors,
    image_arg::{image_name, names},
    named_image::{NamedImage, lock_images, open_images},
    out::{print, say},
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Adds images to a layout, replacing images with the same tags.
///
/// Several processes may append to the same layout at once. The blobs of replaced images stay until
/// gc removes them. A sparse layout stays sparse: layers are added as recipes where possible. Prints
/// the digest of each image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout append 1.1=manifest -o image
  oci-layout append stable=other:1.0 -o image")]
pub(crate) struct Append {
    /// The folder of an image, written by image-manifest; an image of a layout or archive; or a
    /// layout or archive, with all of its images. TAG is a tag or a full name. Without it, images
    /// keep their names. An equals sign in a path is written `\=`
    #[arg(value_name = "[TAG=]IMAGE", required = true, value_parser = args::os(NamedImage::parse))]
    images: Vec<NamedImage>,

    /// The layout to add images to
    #[arg(short, long, value_name = "LAYOUT")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl Append {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let layout = open_layout(&self.output, self.write, trust)?;
        let mut layout = if layout.is_sparse() { layout.trust(trust.sealing()) } else { layout };
        let _locks = lock_images(&self.images);
        let images = open_images(&self.images, warnings, trust)?;
        let named = |image: &Image| match names(image) {
            names if names.is_empty() => image.digest().to_string(),
            names => names.join(", "),
        };
        let added: Vec<_> = images.iter().map(named).collect();
        let mut digests: Vec<_> = images.iter().map(Image::digest).collect();
        digests.dedup();
        let replaced = progress::show("writing the layout", |_| layout.append(images, pool))?;
        say(format_args!("added {} to {}", added.join(", "), self.output.display()));
        for old in &replaced {
            say(format_args!("{} was {}", image_name(old).unwrap_or("an image"), old.digest));
        }
        digests.iter().try_for_each(print)
    }
}

/// Removes a tag from a layout.
pub(crate) fn remove(image: LayoutTag, write: WriteArgs, trust: &Trust) -> Result<()> {
    let LayoutTag { layout, tag: Some(tag) } = image else {
        let reason =
            "needs a tag here: write LAYOUT:TAG; to remove the whole layout, remove its folder";
        return Err(errors::layout(image.layout, reason));
    };
    open_layout(&layout, write, trust)?.remove(&tag)?;
    say(format_args!(
        "removed {tag} from {}; `oci-layout gc` removes blobs that no image uses",
        layout.display()
    ));
    Ok(())
}

/// Removes blobs and recipes of a layout that no image refers to.
///
/// Also removes temporary files left by programs that were killed. Waits until no other program
/// writes to the layout.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout gc image")]
pub(crate) struct Gc {
    /// The layout
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl Gc {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let layout = open_layout(&self.layout, self.write, trust)?;
        let collected = progress::show("waiting until no program uses the layout", |_| {
            layout.collect_garbage()
        })?;
        for file in &collected.files {
            say(format_args!("removed {}", file.display()));
        }
        say(format_args!("{} files, {}", collected.files.len(), DecimalBytes(collected.bytes)));
        Ok(())
    }
}

/// Turns a sparse layout into a full one by building the layers of its recipes.
///
/// The digests are the same as in a layout that was written without recipes. If a source has
/// changed, its layer stays a recipe; restore the source and run the same command again to
/// continue.
///
/// A recipe names files of this machine. One that someone else wrote could name your private files,
/// so that they end up in an image. Every command therefore follows a recipe only if you wrote it on
/// this machine, if it reads only the Nix store, or if --recipe-root or --trust-recipes allows it.
/// Every command has these two options, although the help of most does not list them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout build -f app:/bin/app --entrypoint /bin/app --sparse -o image
  oci-layout fill image")]
pub(crate) struct Fill {
    /// The layout
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl Fill {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let layout = open_layout(&self.layout, self.write, trust)?;
        let filled = progress::show("building the layers", |_| layout.fill(pool))?;
        let bytes = filled.iter().map(|blob| blob.size).sum();
        say(format_args!("{} blobs made, {}", filled.len(), DecimalBytes(bytes)));
        Ok(())
    }
}

pub(crate) fn open_layout(path: &Path, write: WriteArgs, trust: &Trust) -> Result<ImageLayout> {
    let layout = trust.open(path).map(|layout| layout.write_options(write.options()));
    layout.map_err(|error| match error {
        Error::NotALayout { path, reason } => {
            let reason = format!("{reason}; `oci-layout image-layout` creates one");
            Error::NotALayout { path, reason }
        }
        other => other,
    })
}
