//! `export`: writes images of a layout as one tar.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Image, Pool, Result,
    archive::{ArchiveFormat, ArchiveOptions, image_archive},
    document::{Descriptor, Index, Platform},
};

#[cfg(feature = "registry")]
use oci_layout::registry::Reference;

use crate::{
    Warnings,
    args::{self, LayoutTag},
    attached::Place,
    image_arg::{ImageArg, Registries, image_name},
    out::print,
    output::write_tar,
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Writes images of a layout as one tar that docker, podman, containerd and others can load.
///
/// All of them see the same image names. As in serve, a bare tag belongs to the repository named
/// after the layout's folder: in a folder `app`, the tag 1.0 is app:1.0, in full
/// docker.io/library/app:1.0. For a docker-archive, zstd layers, which docker reads since version 23,
/// are decompressed, which takes a second read.
///
/// Artifacts and signatures, which are not container images, are only in the layout. Images that an
/// index names and the layout lacks, as docker save leaves them for platforms that were not pulled,
/// are left out with a warning.
///
/// The tar is written sequentially, each blob is verified during the copy, and the same images
/// always give the same bytes. If the output is a file, the names of the images (or their digests)
/// are printed on standard output, one per line.
///
/// A layout from others cannot expose files of this machine: links in it are not followed, a blob
/// in a file is verified before it is sent, and a recipe reads only files that the options below
/// allow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout export image -o - | docker load
  oci-layout export image:1.0 --tag ghcr.io/me/app:1.0 -o app.tar
  podman load -i app.tar")]
pub(crate) struct Export {
    /// The layout (a folder, an oci-archive or a docker-archive), with the tag, full name or digest
    /// (sha256:…) of an image. Without it, all images are exported. A colon in the path of the
    /// layout is written `\:`. Or an image in a registry: docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(ImageArg::parse))]
    image: ImageArg,

    /// Format of the tar
    #[arg(long, value_name = "FORMAT", default_value_t, value_parser = args::one_of(&FORMATS))]
    format: ArchiveFormat,

    /// The platform to export from images for several platforms [default: all, and linux/amd64 for
    /// docker's manifest.json]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Name of the image in the tar, instead of its names in the layout: a tag (1.0) or a full name
    /// (ghcr.io/me/app:1.0). May be repeated
    #[arg(long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// The file to write, or - for standard output. An existing file is replaced
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// With the image, also export the artifacts that are attached to it, and what is attached to
    /// those. Without TAG, a layout is exported with all artifacts anyway
    #[arg(long)]
    referrers: bool,

    #[command(flatten)]
    registries: Registries,

    #[command(flatten)]
    write: WriteArgs,
}

const FORMATS: [(&str, ArchiveFormat, &str); 3] = [
    ("both", ArchiveFormat::Both, "The layout with docker's manifest.json, for all programs"),
    ("oci-archive", ArchiveFormat::Oci, "The layout as it is"),
    (
        "docker-archive",
        ArchiveFormat::Docker,
        "Docker's own format: one platform of each image, and no zstd layers",
    ),
];

impl Export {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.image.lock();
        let options = ArchiveOptions::default().format(self.format).strict(warnings.strict);
        let named = |image| self.tag.iter().cloned().fold(image, Image::tagged);
        let (images, mut options) = match &self.image {
            ImageArg::Layout(LayoutTag { layout, tag }) => {
                let layout = trust.open(layout)?.pool(pool);
                let (images, left_out) = match (tag, &*self.tag) {
                    (None, []) => layout.present_images()?,
                    _ => {
                        let image = layout.whole_image(tag.as_deref())?;
                        let attached = self.attached(&Place::Layout(&layout), &image)?;
                        ([vec![named(image)], attached].concat(), Vec::new())
                    }
                };
                warnings.report(&left_out)?;
                let mut options = options.index(head(layout.index()?));
                options.repository = layout.repository();
                // The images know where their blobs are. The layout ends here: an index of
                // thousands of images would be in memory twice.
                (images, options)
            }
            #[cfg(feature = "registry")]
            ImageArg::Registry(reference) => {
                let client = self.registries.client()?;
                let image = client.image(reference, self.platform.as_ref())?;
                let attached = self.attached(&Place::Registry(&client, reference), &image)?;
                let named = match (&*self.tag, &reference.tag, reference.digest) {
                    ([], None, Some(_)) => image,
                    ([], tag, _) => {
                        let tag = tag.as_deref().unwrap_or("latest");
                        let Reference { registry, repository, .. } = reference;
                        image.tagged(format!("{registry}/{repository}:{tag}"))
                    }
                    _ => named(image),
                };
                ([vec![named], attached].concat(), options)
            }
        };
        options.platform = self.platform;
        let written = progress::show("writing the archive", |bytes| {
            let options = options.progress(bytes.progress());
            let write = |tar: &mut dyn Write| image_archive(tar, images, options);
            write_tar(&self.output, self.write.options(), "docker load", write)
        })?;
        let Some(written) = written else { return Ok(()) };
        warnings.print(&written.warnings);
        match self.output == Path::new("-") {
            true => Ok(()),
            false => written.index.manifests.iter().map(name).try_for_each(print),
        }
    }

    fn attached(&self, place: &Place<'_>, image: &Image) -> Result<Vec<Image>> {
        if self.referrers { place.attached(image) } else { Ok(Vec::new()) }
    }
}

/// Returns the members of an index other than `manifests`.
fn head(index: &Index) -> Index {
    let Index {
        schema_version,
        media_type,
        artifact_type,
        manifests: _,
        subject,
        annotations,
        extra,
    } = index;
    Index {
        schema_version: *schema_version,
        media_type: media_type.clone(),
        artifact_type: artifact_type.clone(),
        manifests: Vec::new(),
        subject: subject.clone(),
        annotations: annotations.clone(),
        extra: extra.clone(),
    }
}

/// Returns the name of the image in the tar.
fn name(image: &Descriptor) -> String {
    image_name(image).map_or_else(|| image.digest.to_string(), str::to_owned)
}
