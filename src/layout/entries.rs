//! Entries of an index: images by name, with the images for several platforms combined under one
//! name.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::{
    basics::{Digest, Error, Result, json},
    document::{Descriptor, ImageName, name},
    image::{Image, index::image_index},
};

/// Combines images with the same names into one index. It gets the annotations of the layout's own
/// index, which a registry does not receive.
pub(crate) fn nest(images: Vec<Image>, annotations: Option<&Value>) -> Result<Vec<Image>> {
    let mut groups: Vec<Vec<Image>> = Vec::new();
    let mut group_of: HashMap<_, usize> = HashMap::new();
    for image in images {
        let names = (image.names().to_vec(), kept_names(&image));
        // An image that has several platforms is not combined.
        let is_single = image.platform().is_some();
        let group = group_of.get(&names).filter(|_| is_single).copied();
        let members = group.map_or(&[][..], |group: usize| &groups[group]);
        let is_kept = !names.1.is_empty();
        if is_kept && members.iter().any(|other| other.digest() == image.digest()) {
            continue;
        }
        let conflicts = members.iter().any(|other| other.platform() == image.platform());
        match group.filter(|_| !(is_kept && conflicts)) {
            Some(group) => groups[group].push(image),
            None => {
                if is_single {
                    group_of.entry(names).or_insert(groups.len());
                }
                groups.push(vec![image]);
            }
        }
    }
    let extra =
        annotations.map_or(Value::Null, |annotations| json!({ "annotations": annotations }));
    let nested = groups.into_iter().map(|mut group| match group.len() {
        1 => Ok(group.remove(0)),
        _ => {
            let (names, kept) = (group[0].names().to_vec(), kept_names(&group[0]));
            let index = image_index(group.into_iter().map(Image::without_names), extra.clone())?;
            let index = names.into_iter().fold(Image::from(index), Image::tagged);
            Ok(kept.into_iter().fold(index, |index, (key, name)| index.annotated(key, name)))
        }
    });
    nested.collect()
}

/// The names that an image has in the index of another layout, unless it gets others.
fn kept_names(image: &Image) -> Vec<(&'static str, String)> {
    if !image.names().is_empty() {
        return Vec::new();
    }
    let name = |key| Some((key, image.descriptor().annotations.get(key)?.clone()));
    [name::REF_NAME, name::CONTAINERD_NAME].into_iter().filter_map(name).collect()
}

/// Returns the descriptors of these images for the index of a layout, one for each name of an
/// image.
pub(crate) fn entries(images: &[Image]) -> Result<Vec<Descriptor>> {
    let mut entries: Vec<Descriptor> = Vec::new();
    let mut known = HashSet::new();
    for image in images {
        if image.names().is_empty() {
            entries.push(image.descriptor().clone());
        }
        for name in image.names() {
            let mut descriptor = image.descriptor().clone();
            name.parse::<ImageName>()?.annotate(&mut descriptor);
            if known.insert(json::to_bytes(&descriptor)) {
                entries.push(descriptor);
            }
        }
    }
    let mut tagged: HashMap<&str, Digest> = HashMap::new();
    for entry in &entries {
        let Some(tag) = entry.annotations.get(name::REF_NAME) else { continue };
        let first = *tagged.entry(tag).or_insert(entry.digest);
        if first != entry.digest {
            return Err(Error::Images {
                first: first.to_string(),
                second: entry.digest.to_string(),
                reason: format!("both have the tag {tag:?}: give one of them another"),
            });
        }
    }
    Ok(entries)
}
