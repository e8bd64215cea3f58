//! `ls`, `cat`, `cp` and `unpack`: the files of an image.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, FileEntry, FileKind, FileSearch, ImageFiles, Platform, Pool, Result, Skipped,
    WriteOptions, unpack,
};
use serde::Serialize;

use crate::{
    Warnings, args, errors,
    image_arg::{ImageArg, OneImage, open},
    out::{self, print, say},
    output::write_tar,
    progress,
    trust::Trust,
};

/// Lists the files of an image.
///
/// Shows the files that a container sees: layers on top of each other, without what whiteouts
/// remove.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout ls image
  oci-layout ls -l image '/usr/bin/*'
  oci-layout ls --json docker://alpine /etc | jq '.[].path'")]
pub(crate) struct Ls {
    #[command(flatten)]
    image: OneImage,

    /// Only paths that match, and what is below them. `*` does not match a slash, `**` does
    #[arg(value_name = "GLOB", default_value = "**", hide_default_value = true)]
    glob: String,

    /// Show type, mode, owner, group, size, time and link target
    #[arg(short, long)]
    long: bool,

    /// Show the number of the layer that contains each file; the lowest is 0
    #[arg(long)]
    layers: bool,

    /// Print everything as JSON
    #[arg(long, conflicts_with_all = ["long", "layers"])]
    json: bool,
}

impl Ls {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let files = progress::show("reading the layers", |_| ImageFiles::of(&image, pool))?;
        report(warnings, files.skipped())?;
        let found = files.matching(&self.glob)?;
        if self.json {
            let list: Vec<_> = found.iter().map(|(path, file)| Listed::new(path, file)).collect();
            return out::print_json(&list);
        }
        for (path, file) in found {
            let layer = if self.layers { format!("{:>3} ", file.layer) } else { String::new() };
            match self.long {
                true => print(format_args!("{layer}{}", long(&path, file)))?,
                false => print(format_args!("{layer}{}", path.display()))?,
            }
        }
        Ok(())
    }
}

/// A file as JSON.
#[derive(Serialize)]
struct Listed<'a> {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// As chmod takes it.
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<std::borrow::Cow<'a, str>>,
    layer: usize,
}

impl<'a> Listed<'a> {
    fn new(path: &Path, file: &'a FileEntry) -> Self {
        let target = match &file.kind {
            FileKind::Symlink { target } => Some(target.to_string_lossy()),
            _ => None,
        };
        Self {
            path: path.display().to_string(),
            kind: file.kind.name(),
            mode: format!("{:04o}", file.mode),
            uid: file.uid,
            gid: file.gid,
            size: file.size(),
            mtime: file.mtime,
            target,
            layer: file.layer,
        }
    }
}

/// The letter of `ls -l`.
fn letter(file: &FileEntry) -> char {
    match file.kind {
        FileKind::Directory => 'd',
        FileKind::Symlink { .. } => 'l',
        FileKind::CharDevice { .. } => 'c',
        FileKind::BlockDevice { .. } => 'b',
        FileKind::Fifo => 'p',
        _ => '-',
    }
}

/// A line of `ls -l`. Times are in UTC.
fn long(path: &Path, file: &FileEntry) -> String {
    let time = jiff::Timestamp::from_second(file.mtime)
        .map_or_else(|_| file.mtime.to_string(), |time| time.strftime("%F %R").to_string());
    let size = match file.kind {
        FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            format!("{major},{minor}")
        }
        _ => file.size().to_string(),
    };
    let target = match &file.kind {
        FileKind::Symlink { target } => format!(" -> {}", target.display()),
        _ => String::new(),
    };
    let (uid, gid, path) = (file.uid, file.gid, path.display());
    let kind = letter(file);
    format!("{kind}{} {uid:>5} {gid:>5} {size:>10} {time} {path}{target}", permissions(file.mode))
}

/// `rwxr-xr-x`, with setuid, setgid and sticky.
fn permissions(mode: u32) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut text = String::new();
    for (shift, (bit, set, without_x)) in [6, 3, 0].into_iter().zip(special) {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & bit != 0) {
            (true, true) => set,
            (false, true) => without_x,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Prints a file of an image.
///
/// Symbolic links are followed inside of the image. Layers are read only up to the file.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout cat image /etc/os-release")]
pub(crate) struct Cat {
    #[command(flatten)]
    image: OneImage,

    /// The paths in the image
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

impl Cat {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let mut files = FileSearch::of(&image);
        for path in self.paths {
            match files.copy(path, &mut io::stdout()) {
                // A reader may stop early.
                Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(());
                }
                copied => copied?,
            }
        }
        Ok(())
    }
}

/// Copies a file or directory out of an image.
///
/// Into an existing folder, a file is copied under its own name. A directory is copied with
/// everything below it, to a path that does not exist.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout cp image:/etc/os-release .
  oci-layout cp docker://alpine:/etc etc")]
pub(crate) struct Cp {
    /// The image and the path in it: IMAGE:/PATH
    #[arg(value_name = "IMAGE:PATH", value_parser = args::os(FileOfImage::parse))]
    source: FileOfImage,

    /// The file or folder to create
    #[arg(value_name = "DEST")]
    destination: PathBuf,

    /// The platform, if the image has several [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
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
        let Self { source: FileOfImage { image, path }, mut destination, platform } = self;
        let (image, _lock) = open(&image, platform.as_ref(), trust)?;
        let mut files = FileSearch::of(&image);
        if destination.is_dir() {
            destination.push(path.file_name().unwrap_or_default());
        }
        let file = files.get(&path)?;
        if file.is_dir() {
            return into_place(&destination, warnings, |new| {
                files.copy_directory(&path, new, pool)
            });
        }
        let write = |cause| errors::write(&destination)(cause);
        if destination.exists() {
            let reason = "exists: remove it, or choose another path";
            return Err(errors::output_exists(&destination, reason));
        }
        let mut new = temporary().tempfile_in(parent(&destination)).map_err(write)?;
        files.copy(&path, new.as_file_mut())?;
        set_mode(new.as_file(), file.mode & 0o777).map_err(write)?;
        new.persist_noclobber(&destination).map_err(|error| write(error.error))?;
        Ok(())
    }
}

/// Unpacks the files of an image into a folder, or writes them as one tar.
///
/// Restores permissions, times, links, owners, devices and extended attributes as far as you may:
/// owners and devices take root. What is left out is a warning. Nothing is written outside of the
/// folder, whatever the layers contain. A tar has them all, and the same image always gives the
/// same bytes.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout unpack image -o rootfs
  oci-layout unpack docker://alpine -o rootfs
  oci-layout unpack image --tar - | tar -t")]
pub(crate) struct Unpack {
    #[command(flatten)]
    image: OneImage,

    #[command(flatten)]
    to: UnpackTo,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct UnpackTo {
    /// The folder to create
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The tar to write, or - for standard output
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
            progress::show("unpacking", |_| unpack(image.layers().iter().cloned(), new, pool))
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
    let scratch = temporary().tempdir_in(parent(path)).map_err(write)?;
    let new = scratch.path().join("root");
    let skipped = make(&new)?;
    report(warnings, &skipped)?;
    fs::rename(&new, path).map_err(write)
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
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Prints what was left out, or returns the first as an error if warnings are errors.
fn report(warnings: Warnings, skipped: &[Skipped]) -> Result<()> {
    match skipped.first() {
        Some(first) if warnings.strict => {
            Err(errors::invalid(format!("{:?}", first.path), format!("{} (strict)", first.reason)))
        }
        _ if warnings.quiet => Ok(()),
        _ => {
            skipped.iter().for_each(|skipped| say(format_args!("oci-layout: warning: {skipped}")));
            Ok(())
        }
    }
}
