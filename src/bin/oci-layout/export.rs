//! `export`: from a layout into one tar.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    ArchiveFormat, ArchiveOptions, Descriptor, Error, Image, Index, Platform, Pool, Result, WriteOptions,
    WrittenArchive, image_archive,
};

use crate::{
    Warnings,
    args::{self, LayoutTag},
    out::print,
    output::OutputFile,
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Writes images of a layout as one tar, for docker, podman, containerd and others to load.
///
/// The format `both` is the layout (an oci-archive) with a manifest.json of docker's beside it: all of them load it, and
/// know the images by the same names. A bare tag is in the repository that the layout's folder is called, as it is
/// for serve: of a folder `app`, the image with the tag 1.0 is app:1.0, in full docker.io/library/app:1.0. oci-archive is the layout as it is.
/// docker-archive has each image for one platform, and no layers in zstd, which docker reads from version 23 on: those
/// are unpacked, which takes a second read.
///
/// What is no image of a container (an artifact, a signature) is in the layout alone. What an index names and the layout
/// lacks, as docker save leaves it for platforms that were not pulled, is left out with a warning.
///
/// The tar is written from its beginning to its end, every blob checked on the way, and is the same for the same images.
/// Into a file, the names of the images (or their digests) are printed on standard output, one a line. What acts on a
/// terminal, which no name that images may have contains, is escaped there as in everything that is printed.
///
/// A layout of a stranger gives no file of this machine away: no link in it is followed, a blob in a file is sent after
/// the whole of it was checked, and a recipe reads files only as the options below allow.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout export image -o - | docker load
  oci-layout export image:1.0 --tag ghcr.io/me/app:1.0 -o app.tar
  podman load -i app.tar")]
pub(crate) struct Export {
    /// The layout (a folder, an oci-archive or a docker-archive), and the tag, full name or digest (sha256:…) of an
    /// image. Without it all are taken. A colon in the layout's path is written `\:`
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(LayoutTag::parse))]
    image: LayoutTag,

    /// both, oci-archive or docker-archive
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: ArchiveFormat,

    /// Of an image for several platforms, the one to take [default: all, and for docker's manifest.json linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// The image's name in the tar, in the place of those that it has in the layout: a tag (1.0) or a full name
    /// (ghcr.io/me/app:1.0); once for each
    #[arg(long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// The file to make, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl Export {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.image.lock();
        let layout = trust.open(&self.image.layout)?.pool(pool);
        let (images, left_out) = match (&self.image.tag, &*self.tag) {
            (None, []) => layout.present_images()?,
            (tag, names) => {
                let image = layout.whole_image(tag.as_deref())?;
                (vec![names.iter().cloned().fold(image, Image::tagged)], Vec::new())
            }
        };
        warnings.report(&left_out)?;
        let options = ArchiveOptions {
            format: self.format,
            platform: self.platform,
            repository: layout.repository(),
            index: Some(head(layout.index()?)),
            progress: None,
            strict: warnings.strict,
        };
        // The images know where their blobs are, and an index of thousands is in memory twice without this.
        drop(layout);
        let written = progress::show("writing the archive", |bytes| {
            let options = ArchiveOptions { progress: Some(bytes.progress()), ..options };
            write(images, options, &self.output, self.write.options())
        })?;
        let Some(written) = written else { return Ok(()) };
        warnings.print(&written.warnings);
        match self.output == Path::new("-") {
            true => Ok(()),
            false => written.index.manifests.iter().map(name).try_for_each(print),
        }
    }
}

/// What an index says beside its manifests.
fn head(index: &Index) -> Index {
    let Index { schema_version, media_type, artifact_type, manifests: _, subject, annotations, extra } = index;
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

/// Writes the tar; nothing comes back if its reader did not want all of it.
fn write(
    images: Vec<Image>,
    options: ArchiveOptions,
    path: &Path,
    write: WriteOptions,
) -> Result<Option<WrittenArchive>> {
    if path == Path::new("-") {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            let reason =
                "it is a terminal, for which a tar is nothing: pipe it into docker load, or give a file with -o";
            return Err(Error::Invalid { what: "standard output".to_owned(), reason: reason.to_owned() });
        }
        return match archive(stdout.lock(), images, options, Path::new("standard output")) {
            // That nobody reads to the end is the reader's choice and no error.
            Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            result => result.map(Some),
        };
    }
    let written = if path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        // A device or a fifo is written to; another file in its place is not what anybody wants.
        let file = File::options().write(true).open(path);
        archive(file.map_err(|cause| Error::Write { path: path.to_owned(), cause })?, images, options, path)?
    } else {
        let mut file = OutputFile::claim(path, write)?;
        let written = archive(&mut file, images, options, path)?;
        file.keep()?;
        written
    };
    Ok(Some(written))
}

fn archive(to: impl Write, images: Vec<Image>, options: ArchiveOptions, path: &Path) -> Result<WrittenArchive> {
    image_archive(BufWriter::new(to), images, options).map_err(|error| match error {
        Error::Write { cause, .. } => Error::Write { path: path.to_owned(), cause },
        other => other,
    })
}

/// What the image is called in the tar.
fn name(image: &Descriptor) -> String {
    let annotation = |key: &str| image.annotations.get(key).cloned();
    let name = annotation("io.containerd.image.name").or_else(|| annotation("org.opencontainers.image.ref.name"));
    name.unwrap_or_else(|| image.digest.to_string())
}
