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
    let mut group_of: HashMap<Vec<String>, usize> = HashMap::new();
    for image in images {
        // An image that keeps its name from the index of another layout, or that has several
        // platforms, is not combined.
        let named = !image.names().is_empty()
            || !image.descriptor().annotations.contains_key(name::REF_NAME);
        let single = image.platform().is_some() && named;
        match group_of.get(image.names()).filter(|_| single) {
            Some(&group) => groups[group].push(image),
            None => {
                if single {
                    group_of.insert(image.names().to_vec(), groups.len());
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
            let names = group[0].names().to_vec();
            let index = image_index(group.into_iter().map(Image::without_names), extra.clone())?;
            Ok(names.into_iter().fold(Image::from(index), Image::tagged))
        }
    });
    nested.collect()
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
