//! `ls` and `cat`: the files of an image.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, Pool, Result,
    rootfs::{FileEntry, FileKind, FileSearch, ImageFiles, Skipped},
};
use serde::Serialize;

use crate::{
    Warnings, errors,
    image_arg::OneImage,
    out::{self, print, say},
    progress,
    trust::Trust,
};

/// Lists the files of an image.
///
/// Shows the files that a container sees: layers on top of each other, without what whiteouts
/// remove.
#[derive(Args)]
#[command(after_help = "\
Examples:
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

    /// Show the number of the layer that contains each file; the lowest is 1
    #[arg(long)]
    layers: bool,

    /// Print everything as JSON, where the lowest layer is 0
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
            return out::print_json_list(found.map(|(path, file)| Listed::new(&path, &file)));
        }
        for (path, file) in found {
            let layer = if self.layers { format!("{:>3} ", file.layer + 1) } else { String::new() };
            match self.long {
                true => print(format_args!("{layer}{}", long(&path, &file)))?,
                false => print(format_args!("{layer}{}", path.display()))?,
            }
        }
        Ok(())
    }
}

/// A file as JSON.
#[derive(Serialize)]
struct Listed {
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
    target: Option<String>,
    layer: usize,
}

impl Listed {
    fn new(path: &Path, file: &FileEntry) -> Self {
        let target = match &file.kind {
            FileKind::Symlink { target } => Some(target.to_string_lossy().into_owned()),
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
/// Symbolic links are followed inside of the image. Layers in a registry are read only up to the
/// file. Those of a layout are verified after the file, so that an error can come after its bytes.
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
        self.paths.iter().try_for_each(|path| print_file(&mut files, path))?;
        if self.image.is_local() { files.verify() } else { Ok(()) }
    }
}

/// Writes a file to standard output.
pub(crate) fn print_file(files: &mut FileSearch, path: &Path) -> Result<()> {
    match files.copy(path, &mut io::stdout()) {
        // A reader may stop early.
        Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        copied => copied,
    }
}

/// Prints what was left out, or returns the first as an error if warnings are errors.
pub(crate) fn report(warnings: Warnings, skipped: &[Skipped]) -> Result<()> {
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
