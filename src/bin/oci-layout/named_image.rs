//! Images with new names, which `append` and `image-layout` put into a layout.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use oci_layout::{Image, ReadLock, Result, folder};

use crate::{
    Warnings,
    args::{self, LayoutTag},
    errors,
    image_arg::local_image,
    trust::Trust,
};

/// `[TAG=]IMAGE`: the folder of an image, or a layout or archive, with an optional tag of one of its
/// images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedImage {
    name: Option<String>,
    image: LayoutTag,
}

impl NamedImage {
    /// The name must be a tag or the full name of an image.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let (name, rest) = args::named("[TAG=]IMAGE", text)?;
        name.as_deref().map_or(Ok(()), |tag| args::name(tag).map(|_| ()))?;
        let path = PathBuf::from(args::unescape(rest));
        // A path that exists is not split at a colon.
        let image = match path.exists() {
            true => LayoutTag { layout: path, tag: None },
            false => local_image(rest)?,
        };
        Ok(Self { name, image })
    }
}

/// Locks the layouts among these folders against garbage collection until the last blob of their
/// images has been read.
pub(crate) fn lock_images(images: &[NamedImage]) -> Vec<ReadLock> {
    images.iter().map(|named| named.image.lock()).collect()
}

/// Opens images, under the given names.
pub(crate) fn open_images(
    images: &[NamedImage],
    warnings: Warnings,
    trust: &Trust,
) -> Result<Vec<Image>> {
    let mut opened = Vec::new();
    for NamedImage { name, image: LayoutTag { layout, tag } } in images {
        let named = |image: Image| match name {
            Some(name) => image.without_names().tagged(name),
            None => image,
        };
        if tag.is_some() {
            let image = trust.open(layout)?.whole_image(tag.as_deref())?;
            warnings.report(image.warnings())?;
            opened.push(named(image));
            continue;
        }
        if !is_layout(layout) {
            opened.push(named(folder::open_image(layout, &trust.recipes())?));
            continue;
        }
        let (all, left_out) = trust.open(layout)?.present_images()?;
        warnings.report(&left_out)?;
        all.iter().try_for_each(|image| warnings.report(image.warnings()))?;
        if let (Some(name), true) = (name, all.len() != 1) {
            let reason = format!(
                "has {} images, but {name} can name only one: write {name}=LAYOUT:TAG to choose \
                 it, or no name to add all of them unchanged",
                all.len()
            );
            return Err(errors::layout(layout, reason));
        }
        opened.extend(all.into_iter().map(named));
    }
    Ok(opened)
}

/// Whether this is a layout, in a folder or an archive, rather than the folder of an image.
fn is_layout(path: &Path) -> bool {
    path.is_file() || path.join("oci-layout").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_before_images() {
        for (text, name, layout, tag) in [
            (r"one", None, "one", None),
            (r"latest=one", Some("latest"), "one", None),
            (r"latest=one:old", Some("latest"), "one", Some("old")),
            (r"latest=oci:one:old", Some("latest"), "one", Some("old")),
            (r"a\=b", None, "a=b", None),
            (r"ghcr.io/me/app:1.0=a\=b\:c", Some("ghcr.io/me/app:1.0"), "a=b:c", None),
        ] {
            let image = LayoutTag { layout: layout.into(), tag: tag.map(str::to_owned) };
            let expected = NamedImage { name: name.map(str::to_owned), image };
            assert_eq!(NamedImage::parse(text.as_ref()), Ok(expected), "{text}");
        }
        for text in ["", "=dir", "tag=", "a=b=c", "a=one:", "a=dir:one", "a=docker://b"] {
            NamedImage::parse(text.as_ref()).unwrap_err();
        }
    }
}
