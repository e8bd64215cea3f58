//! The images of a layout as a tree for people.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use indicatif::{DecimalBytes, HumanCount};
use oci_layout::{
    Result,
    document::{Annotations, Configuration, Descriptor, Manifest},
};
use serde_json::value::RawValue;

use super::{
    Entry, Inspection, What,
    contents::Contents,
    tree::{Tree, short},
};
use crate::image_arg::image_name;

/// Draws an inspection line by line. Only the tree of one image is in memory at a time.
pub(super) fn draw(
    inspection: &Inspection<'_>,
    mut line: impl FnMut(String) -> Result<()>,
) -> Result<()> {
    let images = each_once(&inspection.images);
    Tree::new(&inspection.layout, []).draw_root(&mut line)?;
    if images.is_empty() {
        return Tree::new("no images", []).draw("", true, &mut line);
    }
    let count = images.len();
    images.iter().enumerate().try_for_each(|(at, (entry, names))| {
        entry_tree(entry, names, inspection).draw("", at + 1 == count, &mut line)
    })
}

/// The images in their order, each once, with all names that it has.
fn each_once<'e>(entries: &'e [Entry<'e>]) -> Vec<(&'e Entry<'e>, Vec<&'e str>)> {
    let mut images: Vec<(&Entry<'_>, Vec<&str>)> = Vec::new();
    let mut places = HashMap::new();
    for entry in entries {
        let descriptor = &*entry.descriptor;
        let place = *places.entry((descriptor.digest, &descriptor.platform)).or_insert_with(|| {
            images.push((entry, Vec::new()));
            images.len() - 1
        });
        images[place].1.extend(image_name(descriptor));
    }
    images
}

fn entry_tree(entry: &Entry<'_>, names: &[&str], inspection: &Inspection<'_>) -> Tree {
    const SHOWN: usize = 8;
    let Entry { descriptor, what } = entry;
    let descriptor: &Descriptor = descriptor;
    let mut line = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        let _ = write!(line, " and {} more", HumanCount((names.len() - SHOWN) as u64));
    }
    if !names.is_empty() {
        line.push_str("  ");
    }
    let below: Vec<Tree> = match &**what {
        What::Index { images } => {
            let platforms = images.iter().filter(|image| is_for_platform(image)).count();
            let _ = match platforms {
                1 => write!(line, "for one platform"),
                0 => write!(line, "index of {}", images.len()),
                platforms => write!(line, "for {platforms} platforms"),
            };
            let images = each_once(images).into_iter();
            images.map(|(image, names)| entry_tree(image, &names, inspection)).collect()
        }
        What::Image { manifest, configuration, error } => {
            let size = manifest.layers.iter().map(|layer| layer.size).sum();
            let platform = configuration.as_ref().map_or_else(
                || platform(descriptor),
                |configuration| {
                    let platform = configuration.platform();
                    if platform.os.is_empty() {
                        "for no platform".to_owned()
                    } else {
                        platform.to_string()
                    }
                },
            );
            let _ = write!(line, "{platform}  {}", DecimalBytes(size));
            let layers = layer_trees(manifest, configuration.as_deref(), inspection);
            let unreadable = error
                .iter()
                .map(|error| Tree::new(format!("configuration cannot be read: {error}"), []));
            let configuration =
                configuration.iter().map(|document| configuration_tree(document, &manifest.config));
            let annotations = annotations_tree(&manifest.annotations);
            unreadable.chain(configuration).chain(annotations).chain(layers).collect()
        }
        What::Artifact { manifest } => {
            let kind =
                manifest.artifact_type.as_deref().unwrap_or(manifest.config.media_type.as_str());
            let _ = write!(line, "artifact {kind}");
            let subject = manifest
                .subject
                .iter()
                .map(|subject| Tree::new(format!("of {}", short(subject.digest)), []));
            subject.chain(layer_trees(manifest, None, inspection)).collect()
        }
        What::Other => {
            let _ = write!(line, "{}  {}", descriptor.media_type, DecimalBytes(descriptor.size));
            Vec::new()
        }
        What::Absent => {
            let _ = write!(line, "{}  absent", platform(descriptor));
            Vec::new()
        }
        What::Unreadable { error } => {
            let _ = write!(line, "{}  cannot be read", platform(descriptor));
            vec![Tree::new(error, [])]
        }
    };
    Tree::new(format!("{line}  {}", short(descriptor.digest)), below)
}

/// Whether an entry of an index appears to be an image that can be run.
fn is_for_platform(entry: &Entry<'_>) -> bool {
    let unknown = |os: &str| os == "unknown";
    match &*entry.what {
        What::Image { configuration: Some(configuration), .. } => {
            !unknown(&configuration.platform().os)
        }
        What::Artifact { .. } | What::Other => false,
        _ => entry.descriptor.platform.as_ref().is_none_or(|platform| !unknown(&platform.os)),
    }
}

/// Returns the platform in the index, or else the media type.
fn platform(descriptor: &Descriptor) -> String {
    let platform = descriptor.platform.as_ref().map(ToString::to_string);
    platform.unwrap_or_else(|| descriptor.media_type.to_string())
}

fn configuration_tree(configuration: &Configuration, descriptor: &Descriptor) -> Tree {
    // Parsed as raw text, because only the beginning of each member is shown.
    let config = serde_json::to_string(&configuration.config).unwrap_or_default();
    let config: BTreeMap<String, &RawValue> = serde_json::from_str(&config).unwrap_or_default();
    let members =
        config.into_iter().map(|(key, value)| Tree::new(format_args!("{key} {value}"), []));
    let created =
        configuration.created.iter().map(|created| Tree::new(format!("created {created}"), []));
    Tree::new(format!("configuration  {}", short(descriptor.digest)), created.chain(members))
}

fn annotations_tree(annotations: &Annotations) -> Option<Tree> {
    let line = |(key, value): (&String, &String)| Tree::new(format!("{key} {value:?}"), []);
    let lines: Vec<_> = annotations.iter().map(line).collect();
    (!lines.is_empty()).then(|| Tree::new("annotations", lines))
}

fn layer_trees(
    manifest: &Manifest,
    configuration: Option<&Configuration>,
    inspection: &Inspection<'_>,
) -> Vec<Tree> {
    let history = configuration.into_iter().flat_map(|configuration| &configuration.history);
    let mut history = history.filter(|entry| entry.empty_layer != Some(true));
    let layer = |(index, layer): (usize, &Descriptor)| {
        let media_type = layer.media_type.as_str();
        let media_type =
            media_type.strip_prefix("application/vnd.oci.image.layer.v1.").unwrap_or(media_type);
        let made =
            history.next().and_then(|entry| entry.created_by.clone()).filter(|by| !by.is_empty());
        let below = made.map(|by| Tree::new(by, [])).into_iter();
        let below =
            below.chain(inspection.layers.get(&layer.digest).into_iter().flat_map(contents_trees));
        let line = format!(
            "layer {}  {media_type}  {}  {}",
            index + 1,
            DecimalBytes(layer.size),
            short(layer.digest)
        );
        Tree::new(line, below)
    };
    manifest.layers.iter().enumerate().map(layer).collect()
}

fn contents_trees(contents: &Contents) -> Vec<Tree> {
    const SHOWN: usize = 5;
    let (entries, size, whiteouts, largest) = match contents {
        Contents::Read { entries, size, whiteouts, largest } => {
            (*entries, *size, *whiteouts, largest)
        }
        Contents::Unreadable { error } => {
            return vec![Tree::new(format!("cannot be read: {error}"), [])];
        }
    };
    let removed = if whiteouts > 0 {
        format!(", {} of them whiteouts", HumanCount(whiteouts))
    } else {
        String::new()
    };
    let parts = largest
        .iter()
        .take(SHOWN)
        .map(|part| Tree::new(format!("{}  {}", part.path, DecimalBytes(part.size)), []));
    let more = largest.get(SHOWN..).filter(|more| !more.is_empty()).map(|more| {
        let size = more.iter().map(|part| part.size).sum();
        Tree::new(format!("{} more  {}", HumanCount(more.len() as u64), DecimalBytes(size)), [])
    });
    let noun = if entries == 1 { "entry" } else { "entries" };
    let line = format!("{} {noun}{removed}, {} unpacked", HumanCount(entries), DecimalBytes(size));
    vec![Tree::new(line, parts.chain(more))]
}
