//! A few small files and links, as a store path.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::Attributes;
use crate::error::{Error, Result};

/// Makes a folder of texts and symbolic links; or the output itself, if the destination is `/`.
///
/// # Errors
///
/// [`Error::Destination`] for a destination with `..`, [`Error::Invalid`] for what is neither a text nor a link, and
/// [`Error::Write`].
pub fn files(attributes: &Attributes) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        destination: PathBuf,
        text: Option<String>,
        symlink: Option<PathBuf>,
    }
    for File { destination, text, symlink: target } in attributes.list("files")? {
        let path = below(attributes.output(), &destination)?;
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        let written = match (text, target) {
            (Some(text), None) => fs::write(&path, text),
            (None, Some(target)) => symlink(target, &path),
            _ => return Err(Error::invalid(format!("files ({destination:?})"), "it is a text or a symlink")),
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
