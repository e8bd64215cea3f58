//! `unpack` and `cp`: files of an image on this machine.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, Pool, Result, WriteOptions,
    rootfs::{FileSearch, ImageFiles, Skipped, UnpackOptions, unpack},
};

use crate::{
    Warnings, args, errors,
    files::{print_file, report},
    image_arg::{ImageArg, ImageOptions, OneImage},
    output::write_tar,
    progress,
    trust::Trust,
};

/// Copies a file or directory out of an image.
///
/// Into an existing folder, a file is copied under its own name. A directory is copied with
/// everything below it and all attributes, as by unpack, to a path that does not exist.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout cp image:/etc/os-release .
  oci-layout cp docker://alpine:/etc etc")]
pub(crate) struct Cp {
    /// The image and the path in it: IMAGE:/PATH
    #[arg(value_name = "IMAGE:PATH", value_parser = args::os(FileOfImage::parse))]
    source: FileOfImage,

    /// The file or folder to create, or - for standard output
    #[arg(value_name = "DEST")]
    destination: PathBuf,

    #[command(flatten)]
    options: ImageOptions,
}

/// `IMAGE:/PATH`.
#[derive(Clone, Debug)]
struct FileOfImage {
    image: ImageArg,
    path: PathBuf,
}

impl FileOfImage {
    fn parse(text: &OsStr) -> Result<Self, String> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = text.as_bytes();
        // A path begins with one slash; after `docker:`, there are two.
        let is_colon =
            |at: &usize| bytes[*at..].starts_with(b":/") && !bytes[*at..].starts_with(b"://");
        let Some(colon) = (0..bytes.len()).find(is_colon) else {
            return Err("it is written IMAGE:/PATH, with a path that begins with a slash".into());
        };
        let (image, path) = (&bytes[..colon], &bytes[colon + 1..]);
        let image = ImageArg::parse(OsStr::from_bytes(image))?;
        Ok(Self { image, path: OsStr::from_bytes(path).into() })
    }
}

impl Cp {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let Self { source: FileOfImage { image, path }, mut destination, options } = self;
        let (image, _lock) = options.open(&image, trust)?;
        let mut files = FileSearch::of(&image);
        if destination == Path::new("-") {
            return match files.is_dir(&path)? {
                true => {
                    let reason = "is a directory, and only a file is written to standard output: \
                                  use `oci-layout unpack --tar -`";
                    Err(errors::invalid(format!("{path:?}"), reason))
                }
                false => print_file(&mut files, &path),
            };
        }
        if destination.is_dir() {
            destination.push(path.file_name().unwrap_or_default());
        }
        if files.is_dir(&path)? {
            return into_place(&destination, warnings, |new| {
                files.copy_directory(&path, new, pool)
            });
        }
        let write = |cause| errors::write(&destination)(cause);
        if destination.exists() {
            let reason = "exists: remove it, or choose another path";
            return Err(errors::output_exists(&destination, reason));
        }
        let file = files.get(&path)?;
        let mut new = temporary().tempfile_in(parent(&destination)).map_err(write)?;
        let copied = files.copy(&path, new.as_file_mut()).and_then(|()| files.verify());
        copied.map_err(|error| match error {
            Error::Write { cause, .. } => write(cause),
            other => other,
        })?;
        set_mode(new.as_file(), file.mode & 0o777).map_err(write)?;
        new.persist_noclobber(&destination).map_err(|error| write(error.error))?;
        Ok(())
    }
}

/// Unpacks the files of an image into a folder, or writes them as one tar.
///
/// Restores permissions, times, links and extended attributes, and as root also owners and devices.
/// A file whose owner is not set does not get its setuid and setgid bits either. Warnings say what
/// is left out. Nothing is written outside of the folder, whatever the layers contain. A tar has all
/// attributes, and the same image always gives the same bytes.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout unpack image -o rootfs
  oci-layout unpack docker://alpine -o rootfs
  oci-layout unpack image --tar - | tar -t")]
pub(crate) struct Unpack {
    #[command(flatten)]
    image: OneImage,

    #[command(flatten)]
    to: UnpackTo,

    /// Do not set owners: all files are yours, without setuid and setgid bits, and this is no
    /// warning
    #[arg(long, conflicts_with = "tar")]
    no_same_owner: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct UnpackTo {
    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The tar to write, or - for standard output. An existing file is replaced
    #[arg(long, value_name = "FILE")]
    tar: Option<PathBuf>,
}

impl Unpack {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        if let Some(tar) = &self.to.tar {
            return progress::show("unpacking", |_| {
                let files = ImageFiles::of(&image, pool)?;
                report(warnings, files.skipped())?;
                let write = |out: &mut dyn io::Write| files.write_tar(out);
                write_tar(tar, WriteOptions::default(), "tar -x", write).map(drop)
            });
        }
        // One of both is required.
        let output = self.to.output.unwrap_or_default();
        into_place(&output, warnings, |new| {
            let options = UnpackOptions::from(pool).same_owner(!self.no_same_owner);
            progress::show("unpacking", |_| unpack(image.layers().iter().cloned(), new, options))
        })
    }
}

/// Makes a folder beside its place, and moves it there when it is complete.
fn into_place(
    path: &Path,
    warnings: Warnings,
    make: impl FnOnce(&Path) -> Result<Vec<Skipped>>,
) -> Result<()> {
    let write = |cause| errors::write(path)(cause);
    if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(errors::output_exists(path, "is not empty: choose another folder"));
    }
    // In the same folder: a user cannot move a directory without write permission to another one.
    let mode = fs::Permissions::from_mode(0o755);
    let new = temporary().permissions(mode).tempdir_in(parent(path)).map_err(write)?;
    let made = make(new.path())
        .map_err(|error| in_place(error, new.path(), path))
        .and_then(|skipped| report(warnings, &skipped))
        .and_then(|()| fs::rename(new.path(), path).map_err(write));
    match made {
        Ok(()) => _ = new.keep(),
        Err(_) => allow_removal(new.path()),
    }
    made
}

/// Names the path that the user knows instead of one in a temporary folder.
fn in_place(error: Error, temporary: &Path, place: &Path) -> Error {
    match error {
        Error::Write { path, cause } => {
            let path = match path.strip_prefix(temporary) {
                Ok(rest) if rest.as_os_str().is_empty() => place.to_owned(),
                Ok(rest) => place.join(rest),
                Err(_) => path,
            };
            Error::Write { path, cause }
        }
        other => other,
    }
}

/// Gives the user all rights to directories of an image, without which they cannot be removed.
fn allow_removal(directory: &Path) {
    let everything = fs::Permissions::from_mode(0o700);
    // What cannot be changed or read cannot be removed either.
    let _ = fs::set_permissions(directory, everything);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        allow_removal(&entry.path());
    }
}

/// Names of temporary files beside a path.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".oci-layout-");
    builder
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode))
}
