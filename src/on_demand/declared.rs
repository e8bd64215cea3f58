//! Images that an operator declares in a file or a folder, which can change while they are served.

pub(crate) mod document;
pub(crate) mod image;
pub(crate) mod strict_value;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    basics::error::{Error, Result},
    on_demand::{
        contents::ImageContents,
        declared::document::{Language, MOST_BYTES, declarations},
        image_names::{ImageNames, NamedContents},
        names::Names,
    },
    pool::lock,
    registry::{NamedImageError, NamedImageErrorKind},
    store::checked::Stamp,
};

pub use crate::on_demand::declared::image::DeclaredImage;

/// The definition of declared images as objects of Kubernetes: a `CustomResourceDefinition` in YAML.
pub const IMAGE_CRD: &str = include_str!("declared/crd.yaml");

/// The maximum number of files in a folder.
const MOST_FILES: usize = 200;

/// Declared images, and all images of packages: a name that is declared comes before packages.
///
/// The images are in a file, or in the files of a folder whose names end in `.toml`, `.yaml`, `.yml`
/// or `.json` and do not begin with a dot, such as a mounted `ConfigMap` of Kubernetes.
/// [`refresh`](Self::refresh) reads files that changed. Unless all of them are valid, the earlier
/// images stay.
pub struct DeclaredImages {
    path: Option<PathBuf>,
    /// The files that were read last, valid or not, and what names mean when they are valid.
    seen: Mutex<(Seen, Names)>,
    current: Mutex<Arc<Current>>,
}

/// What names mean.
#[derive(PartialEq)]
struct Current {
    images: Images,
    names: Names,
}

/// Files, and what identifies their contents.
type Seen = Vec<(PathBuf, Option<Stamp>)>;

/// The contents of images by their names and tags.
type Images = BTreeMap<String, BTreeMap<String, NamedContents>>;

impl DeclaredImages {
    /// Reads a file or a folder. The images that it does not declare are those of the names. Without
    /// a path, all are.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if a file cannot be read. [`Error::Invalid`] and [`Error::UnknownMember`] if
    /// a file is not valid, or if two images have the same name and tag.
    pub fn open(path: Option<&Path>, names: Names) -> Result<Self> {
        // Before reading: if a file changes meanwhile, the next comparison detects it.
        let seen = Mutex::new((stamps(path), names.clone()));
        let current = Mutex::new(Arc::new(Current { images: read(path, &names)?, names }));
        Ok(Self { path: path.map(Path::to_owned), seen, current })
    }

    /// Reads the files again if one of them changed. Returns whether the images did.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open), once for each change. The images stay as they were.
    pub fn refresh(&self) -> Result<bool> {
        let mut seen = lock(&self.seen);
        let now = stamps(self.path.as_deref());
        if seen.0 == now {
            return Ok(false);
        }
        seen.0 = now;
        self.read(&seen.1)
    }

    /// The same, even if the files seem unchanged.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn reload(&self) -> Result<bool> {
        let mut seen = lock(&self.seen);
        seen.0 = stamps(self.path.as_deref());
        self.read(&seen.1)
    }

    /// The same, with other metapackages, aliases and defaults for all images.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open). Everything stays as it was, until the files are read
    /// again and are valid with the new names.
    pub fn set_names(&self, names: Names) -> Result<bool> {
        let mut seen = lock(&self.seen);
        *seen = (stamps(self.path.as_deref()), names);
        self.read(&seen.1)
    }

    fn read(&self, names: &Names) -> Result<bool> {
        let images = read(self.path.as_deref(), names)?;
        let new = Current { images, names: names.clone() };
        let mut current = lock(&self.current);
        let is_changed = **current != new;
        *current = Arc::new(new);
        Ok(is_changed)
    }

    /// The references of the declared images, `NAME:TAG`, sorted by bytes.
    pub fn references(&self) -> Vec<String> {
        let of = |(name, tags): (&String, &BTreeMap<String, NamedContents>)| -> Vec<String> {
            tags.keys().map(|tag| format!("{name}:{tag}")).collect()
        };
        self.current().images.iter().flat_map(of).collect()
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&lock(&self.current))
    }
}

impl ImageNames for DeclaredImages {
    fn image(&self, name: &str, tag: &str) -> Result<NamedContents, NamedImageError> {
        let current = self.current();
        let Some(tags) = current.images.get(name) else { return current.names.image(name, tag) };
        tags.get(tag).cloned().ok_or_else(|| {
            let tags: Vec<_> = tags.keys().map(String::as_str).collect();
            let message = format!("the tags of {name} are {}", tags.join(", "));
            NamedImageError::new(NamedImageErrorKind::TagUnknown, message)
        })
    }

    fn contents(&self, name: &str) -> Result<Vec<ImageContents>, NamedImageError> {
        let current = self.current();
        match current.images.get(name) {
            Some(tags) => Ok(tags.values().map(|image| image.contents.clone()).collect()),
            None => ImageNames::contents(&current.names, name),
        }
    }

    fn tags(&self, name: &str) -> Result<Option<Vec<String>>, NamedImageError> {
        let current = self.current();
        match current.images.get(name) {
            Some(tags) => Ok(Some(tags.keys().cloned().collect())),
            None => current.names.tags(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let current = self.current();
        current.images.keys().cloned().chain(current.names.names()).collect()
    }
}

impl fmt::Debug for DeclaredImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredImages").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The files with declarations, sorted by path.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(Error::read(path))?;
    // In a mounted `ConfigMap`, names with a dot are earlier and later versions.
    let is_hidden = |file: &Path| {
        file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let files = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|file| !is_hidden(file) && Language::of(file).is_some()).collect();
    if files.len() > MOST_FILES {
        let reason = format!("the folder has more than {MOST_FILES} files with images");
        return Err(Error::invalid(format!("{path:?}"), reason));
    }
    files.sort();
    Ok(files)
}

fn stamps(path: Option<&Path>) -> Seen {
    let Some(path) = path else { return Seen::new() };
    let files = files(path).unwrap_or_else(|_| vec![path.to_owned()]);
    files.into_iter().map(|file| (file.clone(), Stamp::at(&file))).collect()
}

fn read(path: Option<&Path>, names: &Names) -> Result<Images> {
    let mut all = Vec::new();
    for file in path.map(files).transpose()?.into_iter().flatten() {
        all.extend(read_file(&file)?);
    }
    images(all, names)
}

/// The contents of images, each with its place for messages.
fn images(declared: Vec<(String, DeclaredImage)>, names: &Names) -> Result<Images> {
    let mut places = BTreeMap::new();
    let mut images = Images::new();
    for (place, image) in declared {
        let contents = image.image_contents(&place, names)?;
        for tag in image.tags {
            match places.entry((image.name.clone(), tag.clone())) {
                Entry::Vacant(entry) => entry.insert(place.clone()),
                Entry::Occupied(other) => {
                    let (name, first) = (image.name, other.get());
                    let reason =
                        format!("{name}:{tag} is declared already in {first}: remove one of them");
                    return Err(Error::invalid(place, reason));
                }
            };
            let (contents, source) = (contents.clone(), image.source.clone());
            let named = NamedContents { contents, tag: source, is_declared: true };
            images.entry(image.name.clone()).or_default().insert(tag, named);
        }
    }
    Ok(images)
}

/// The images in a file, each with its place for messages.
fn read_file(path: &Path) -> Result<Vec<(String, DeclaredImage)>> {
    let file = format!("{path:?}");
    let Some(language) = Language::of(path) else {
        let reason = "the language is not known: name the file .toml, .yaml or .json";
        return Err(Error::invalid(file, reason));
    };
    let mut text = String::new();
    let is_file = fs::metadata(path).map_err(Error::read(path))?.is_file();
    if !is_file {
        return Err(Error::invalid(file, "expected a file or a folder"));
    }
    let open = File::open(path).map_err(Error::read(path))?;
    open.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(Error::read(path))?;
    if text.len() as u64 > MOST_BYTES {
        let reason = "the file has more than 1 MiB: put the images into several files of a folder";
        return Err(Error::invalid(file, reason));
    }
    parse(&file, &text, language)
}

/// The images in the text of a file.
pub(crate) fn parse(
    file: &str,
    text: &str,
    language: Language,
) -> Result<Vec<(String, DeclaredImage)>> {
    let declared = declarations(file, text, language)?;
    if declared.is_empty() && text.trim().is_empty() {
        // A file that is being written.
        return Err(Error::invalid(file, "the file is empty: write images: [] for no images"));
    }
    let image = |(place, value): (String, _)| {
        DeclaredImage::from_value(&place, value).map(|image| (place, image))
    };
    declared.into_iter().map(image).collect()
}

#[cfg(test)]
mod tests;
