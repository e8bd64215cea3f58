//! Writes a few small files, links and directories as a store path.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    basics::error::{Error, Result},
    layer::target::{NAMELESS, names_directory},
    nix::attributes::Attributes,
};

/// Writes a folder of text files (optionally executable), symbolic links and empty directories. If
/// the destination is `/`, the file or link is the output itself.
///
/// # Errors
///
/// [`Error::Destination`] for a destination with `..`, or a text or link whose destination ends
/// with a slash; [`Error::Invalid`] for an item that is none of these or more than one, for two
/// items with the same destination, or for an item below a link; and [`Error::Write`].
pub fn files(attributes: &Attributes) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        destination: PathBuf,
        text: Option<String>,
        #[serde(default)]
        executable: bool,
        symlink: Option<PathBuf>,
        #[serde(default)]
        directory: bool,
    }
    let output = attributes.output();
    let files: Vec<File> = attributes.list("files")?;
    if files.is_empty() {
        return fs::create_dir_all(output).map_err(Error::write(output));
    }
    for File { destination, text, executable, symlink: target, directory } in files {
        let refuse = |reason: &str| Err(Error::invalid(format!("files ({destination:?})"), reason));
        let path = below(output, &destination)?;
        // A write through a link would end up elsewhere.
        if path
            .ancestors()
            .skip(1)
            .take_while(|above| above.starts_with(output))
            .any(Path::is_symlink)
        {
            return refuse("it is below another of the files, which is a link: remove one");
        }
        if path.symlink_metadata().is_ok_and(|there| !(directory && there.is_dir())) {
            return refuse("it is there twice: remove one");
        }
        if !directory && path != output && names_directory(&destination) {
            return Err(Error::Destination { destination, reason: NAMELESS });
        }
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        if executable && text.is_none() {
            return refuse("it is executable, but not a text");
        }
        let written = match (text, target, directory) {
            (Some(text), None, false) => fs::write(&path, text).and_then(|()| {
                // Of the permissions in a store path, Nix keeps only whether the owner may execute
                // the file.
                if executable {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                } else {
                    Ok(())
                }
            }),
            (None, Some(target), false) => symlink(target, &path),
            (None, None, true) => fs::create_dir_all(&path),
            _ => return refuse("expected exactly one of text, symlink and directory = true"),
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
                let reason = "contains \"..\": write the path without it";
                return Err(Error::Destination { destination: destination.to_owned(), reason });
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(path)
}
