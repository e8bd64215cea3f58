//! One repository of the endpoint: a layout as it is now, or images that are only described.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{contents::Contents, route::is_repository};
use crate::{
    error::{Error, Result},
    image_layout::{INDEX, ImageLayout},
    image_manifest::Image,
    pool::lock,
};

/// What a repository of an [`Endpoint`](super::Endpoint) has: the images of a layout, or images that lie in none.
///
/// A layout is read again when its index has changed, so that what is appended to it while it is served is served.
pub struct Repository {
    layout: Option<PathBuf>,
    current: Mutex<Current>,
}

struct Current {
    /// Of the index that the contents were read by.
    stamp: Option<Stamp>,
    contents: Arc<Contents>,
}

/// What tells one state of a file from another.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Repository {
    /// The name of a repository with what lies at this path: the folder's name, or the archive's without `.tar`, in
    /// lower case and with `-` in the place of what no name can have.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if nothing is left of it.
    pub fn name_of(path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        // `.` and `..` have a name elsewhere.
        let full = match path.file_name() {
            None => path.canonicalize().map_err(Error::read(path))?,
            Some(_) => path.to_owned(),
        };
        let name = full.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".tar").unwrap_or(&name);
        if is_repository(name) {
            return Ok(name.to_owned());
        }
        let mut valid = String::new();
        for c in name.chars() {
            match c {
                'a'..='z' | '0'..='9' => valid.push(c),
                // Between two words there is one, whatever stood there.
                _ if !valid.ends_with(|last: char| last.is_ascii_alphanumeric()) => {}
                '.' | '_' => valid.push(c),
                _ => valid.push('-'),
            }
        }
        let valid = valid.trim_end_matches(['.', '_', '-']).to_owned();
        match is_repository(&valid) {
            true => Ok(valid),
            false => Err(Error::invalid(
                format!("layout {path:?}"),
                "no repository's name can be made of the folder's: give one, as NAME=DIR",
            )),
        }
    }

    /// What there is now. `trouble` is told why a layout that changed can't be read; it is as it was before then.
    pub(super) fn contents(&self, trouble: impl FnOnce(Error)) -> Arc<Contents> {
        // While one reads the layout, others wait for what it finds.
        let mut current = lock(&self.current);
        if let Some(path) = &self.layout {
            // The stamp first: what is written behind it is another one.
            let stamp = stamp(path);
            if stamp.is_none() || stamp != current.stamp {
                match ImageLayout::open(path) {
                    Ok(layout) => *current = Current { stamp, contents: Arc::new(Contents::of_layout(&layout)) },
                    Err(error) => trouble(error),
                }
            }
        }
        Arc::clone(&current.contents)
    }
}

/// Of a layout's index, or of the archive that it lies in.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path.join(INDEX)).or_else(|_| fs::metadata(path)).ok()?;
    let times = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
    Some((file.dev(), file.ino(), file.len(), times.0, times.1))
}

impl From<ImageLayout> for Repository {
    fn from(layout: ImageLayout) -> Self {
        let contents = Arc::new(Contents::of_layout(&layout));
        Self { layout: Some(layout.path().to_owned()), current: Mutex::new(Current { stamp: None, contents }) }
    }
}

/// Their layers are made when a client asks for them.
impl<I: Into<Image>> From<Vec<I>> for Repository {
    fn from(images: Vec<I>) -> Self {
        let images: Vec<Image> = images.into_iter().map(Into::into).collect();
        let contents = Arc::new(Contents::of_images(&images));
        Self { layout: None, current: Mutex::new(Current { stamp: None, contents }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_folders() {
        for (path, name) in [
            ("image", "image"),
            ("/a/b/My App/", "my-app"),
            ("./result", "result"),
            ("app-1.0_x", "app-1.0_x"),
            ("app.tar", "app"),
            ("a__b--c", "a__b--c"),
            ("_a..b--c__d.", "a.b-c_d"),
            ("a@#$b", "a-b"),
            ("ä1", "1"),
        ] {
            assert_eq!(Repository::name_of(path).unwrap(), name, "{path}");
        }
        for path in ["ä", "---", "/"] {
            let error = Repository::name_of(path).unwrap_err().to_string();
            assert!(error.contains("give one, as NAME=DIR"), "{error}");
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(Repository::name_of(".").unwrap(), Repository::name_of(here).unwrap());
    }
}
