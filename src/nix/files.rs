//! A few small files, links and directories, as a store path.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::Attributes;
use crate::error::{Error, Result};

/// Makes a folder of texts, symbolic links and empty directories; or the output itself, if the destination is `/`.
///
/// # Errors
///
/// [`Error::Destination`] for a destination with `..`, [`Error::Invalid`] for what is none of these or two of them, and
/// [`Error::Write`].
pub fn files(attributes: &Attributes) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        destination: PathBuf,
        text: Option<String>,
        symlink: Option<PathBuf>,
        #[serde(default)]
        directory: bool,
    }
    for File { destination, text, symlink: target, directory } in attributes.list("files")? {
        let path = below(attributes.output(), &destination)?;
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        let written = match (text, target, directory) {
            (Some(text), None, false) => fs::write(&path, text),
            (None, Some(target), false) => symlink(target, &path),
            (None, None, true) => fs::create_dir_all(&path),
            _ => {
                let reason = "it is exactly one of text, symlink and directory = true";
                return Err(Error::invalid(format!("files ({destination:?})"), reason));
            }
        };
        written.map_err(Error::write(&path))?;
    }
    Ok(())
}

fn below(output: &Path, destination: &Path) -> Result<PathBuf> {
    let mut path = output.to_owned();
    for component in destination.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                let reason = "has \"..\" in it: write the path without";
                return Err(Error::Destination { destination: destination.to_owned(), reason });
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(path)
}
