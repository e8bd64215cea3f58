//! Reads a docker-archive as a layout of its images. `docker save` before Docker 25, `podman save`,
//! kaniko, jib, crane and Bazel write such tars.
//!
//! The format is that of [`docker image
//! save`](https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format):
//! `manifest.json` names the configuration and the layers of each image. Configurations and layers
//! are read in place. Only the manifests and the index, which a docker-archive lacks, are created.
//! They depend only on the archive, so an image has the same digest wherever its archive is read.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Read},
};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{
    basics::{Digest, HashRead, json},
    document::{
        Annotations, CONTAINERD_NAME, Descriptor, INDEX, ImageName, Index, MARKER, MAX_DOCUMENT,
        Manifest, MediaType, Platform, REF_NAME, blob_name, extra::Extra, marker,
    },
    layout::archive::{Archive, Member},
    tarfile::Packing,
};

/// The file that lists the images.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The file that names the images in an archive of Docker before 1.10, which has no
/// `manifest.json`.
pub(crate) const REPOSITORIES: &str = "repositories";

/// The maximum number of symbolic and hard links that are followed from one path.
const MAX_LINKS: usize = 8;

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    layers: Vec<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Returns the files of the layout that replace those of the docker-archive. An error says why it
/// has no layout.
pub(crate) fn layout(archive: &Archive) -> Result<BTreeMap<String, Member>, String> {
    let bytes = small(archive, MANIFEST)?
        .ok_or_else(|| format!("is a docker-archive without {MANIFEST}: save the image again"))?;
    let saved: Vec<Saved> = json::from_slice(&bytes).map_err(|error| {
        format!(
            "is a docker-archive with a {MANIFEST} that cannot be read ({error}): save the image \
             again"
        )
    })?;
    let mut view = View { archive, members: BTreeMap::new(), layers: HashMap::new() };
    let images = saved.iter().map(|image| view.image(image)).collect::<Result<Vec<_>, _>>()?;

    let mut index = Index::of(Vec::new());
    let shared = shared_tags(
        saved.iter().zip(&images).map(|(image, descriptor)| (descriptor.digest, image)),
    );
    for (image, descriptor) in saved.iter().zip(images) {
        if image.repo_tags.is_empty() {
            index.manifests.push(descriptor.clone());
        }
        for name in &image.repo_tags {
            let mut descriptor = descriptor.clone();
            annotate(&mut descriptor, name, &shared);
            index.manifests.push(descriptor);
        }
    }
    let mut seen = Vec::new();
    index.manifests.retain(|entry| {
        !seen.contains(entry) && {
            seen.push(entry.clone());
            true
        }
    });

    let mut members = view.members;
    for folder in ["blobs", "blobs/sha256"] {
        members.insert(folder.to_owned(), Member::folder());
    }
    members.insert(MARKER.to_owned(), Member::made(marker()));
    members.insert(INDEX.to_owned(), Member::made(json::to_bytes(&index)));
    Ok(members)
}

/// The layout while it is created.
struct View<'a> {
    archive: &'a Archive,
    members: BTreeMap<String, Member>,
    /// Descriptors of layers by their names in the archive. Images share them.
    layers: HashMap<(String, Option<Digest>), Descriptor>,
}

impl View<'_> {
    /// Creates the manifest of an image, and returns its descriptor for an index.
    fn image(&mut self, saved: &Saved) -> Result<Descriptor, String> {
        let config_bytes = small(self.archive, &saved.config)?
            .ok_or_else(|| absent("configuration", &saved.config))?;
        let config = Descriptor::of(MediaType::CONFIG, &config_bytes);
        if let Some((_, member)) = resolve(self.archive, &saved.config) {
            self.members.insert(blob_name(config.digest), member.clone());
        }
        let document: Value = json::value(&config_bytes).unwrap_or_default();
        let diff_ids = diff_ids(&document).filter(|ids| ids.len() == saved.layers.len());
        let layer = |(number, path): (usize, &String)| {
            self.layer(path, diff_ids.as_ref().map(|ids| ids[number]))
        };
        let layers = saved.layers.iter().enumerate().map(layer).collect::<Result<_, _>>()?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::MANIFEST),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: Annotations::new(),
            extra: Extra::default(),
        };
        let bytes = json::to_bytes(&manifest);
        let descriptor = Descriptor {
            platform: platform(&document),
            ..Descriptor::of(MediaType::MANIFEST, &bytes)
        };
        self.members.insert(blob_name(descriptor.digest), Member::made(bytes));
        Ok(descriptor)
    }

    /// Returns the descriptor of a layer. The digest of an uncompressed layer is its diff ID, which
    /// is verified when the layer is read. A compressed layer is read once here.
    fn layer(&mut self, path: &str, diff_id: Option<Digest>) -> Result<Descriptor, String> {
        let Some((name, member)) = resolve(self.archive, path) else {
            // A layer that is named but not present is a missing blob.
            let digest = diff_id.ok_or_else(|| absent("layer", path))?;
            return Ok(Descriptor::new(MediaType::LAYER, digest, 0));
        };
        let key = (name.to_owned(), diff_id);
        if let Some(known) = self.layers.get(&key) {
            return Ok(known.clone());
        }
        let unreadable = |cause| unreadable(path, &cause);
        let mut start = Vec::new();
        let mut beginning = self.archive.contents(member).take(Packing::START as u64);
        beginning.read_to_end(&mut start).map_err(unreadable)?;
        let media_type = match Packing::of(&start) {
            Packing::Gzip => MediaType::LAYER_GZIP,
            Packing::Zstd => MediaType::LAYER_ZSTD,
            Packing::Plain | Packing::Xz | Packing::Bzip2 => MediaType::LAYER,
        };
        let digest = match diff_id.filter(|_| media_type == MediaType::LAYER) {
            Some(digest) => digest,
            None => {
                let mut reader = HashRead::new(self.archive.contents(member));
                std::io::copy(&mut reader, &mut std::io::sink()).map_err(unreadable)?;
                reader.finish().0
            }
        };
        self.members.insert(blob_name(digest), member.clone());
        let descriptor = Descriptor::new(media_type, digest, member.size);
        self.layers.insert(key, descriptor.clone());
        Ok(descriptor)
    }
}

/// Returns the tags that several images have, each in its own repository.
fn shared_tags<'a>(images: impl Iterator<Item = (Digest, &'a Saved)>) -> BTreeSet<String> {
    let mut first = BTreeMap::new();
    let mut shared = BTreeSet::new();
    for (digest, image) in images {
        for name in image.repo_tags.iter().filter_map(|name| name.parse::<ImageName>().ok()) {
            if *first.entry(name.tag.clone()).or_insert(digest) != digest {
                shared.insert(name.tag);
            }
        }
    }
    shared
}

/// Gives an image its name. If images of several repositories share a tag, they get no bare tag.
fn annotate(descriptor: &mut Descriptor, name: &str, shared: &BTreeSet<String>) {
    match name.parse::<ImageName>() {
        Ok(ImageName { tag, full: Some(full) }) if shared.contains(&tag) => {
            descriptor.annotations.insert(REF_NAME.to_owned(), full.clone());
            descriptor.annotations.insert(CONTAINERD_NAME.to_owned(), full);
        }
        Ok(name) => name.annotate(descriptor),
        Err(_) => {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
    }
}

fn diff_ids(configuration: &Value) -> Option<Vec<Digest>> {
    let list = configuration.get("rootfs")?.get("diff_ids")?.as_array()?;
    list.iter().map(|id| id.as_str()?.parse().ok()).collect()
}

/// Returns the platform in the configuration, if it has one.
fn platform(configuration: &Value) -> Option<Platform> {
    let text =
        |name| configuration.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let features = configuration.get("os.features").and_then(Value::as_array).into_iter().flatten();
    let mut platform = Platform::new(text("os")?, text("architecture")?);
    platform.variant = text("variant");
    platform.os_version = text("os.version");
    platform.os_features = features.filter_map(Value::as_str).map(str::to_owned).collect();
    Some(platform)
}

/// Follows links of the archive to a file. Docker writes a layer that images share once, and links
/// the others to it.
fn resolve<'a>(archive: &'a Archive, path: &str) -> Option<(&'a str, &'a Member)> {
    let mut path = normal("", path)?;
    for _ in 0..=MAX_LINKS {
        let (name, member) = archive.member(&path)?;
        match &member.link {
            None => return member.is_file().then_some((name, member)),
            // A symbolic link is relative to its folder, a hard link to the root of the archive.
            Some((target, true)) => {
                path = normal(path.rsplit_once('/').map_or("", |(folder, _)| folder), target)?
            }
            Some((target, false)) => path = normal("", target)?,
        }
    }
    None
}

/// Resolves a path relative to a folder of the archive. Returns `None` if it leads out of the
/// archive.
fn normal(folder: &str, path: &str) -> Option<String> {
    let folder = if path.starts_with('/') { "" } else { folder };
    let mut names = Vec::new();
    for name in folder.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// Reads a document in the archive.
fn small(archive: &Archive, path: &str) -> Result<Option<Vec<u8>>, String> {
    let Some((_, member)) = resolve(archive, path) else { return Ok(None) };
    if member.size > MAX_DOCUMENT {
        let size = member.size;
        return Err(format!(
            "is a docker-archive whose {path:?} has {size} bytes, more than the maximum of \
             {MAX_DOCUMENT}: save the image again"
        ));
    }
    let mut bytes = Vec::new();
    archive.contents(member).read_to_end(&mut bytes).map_err(|cause| unreadable(path, &cause))?;
    Ok(Some(bytes))
}

fn unreadable(path: &str, cause: &io::Error) -> String {
    format!("is an archive whose member {path:?} cannot be read ({cause}): save the image again")
}

fn absent(what: &str, path: &str) -> String {
    format!(
        "is a docker-archive whose {MANIFEST} names the {what} {path:?}, which the archive lacks: \
         save the image again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_archive() {
        for (folder, path, normal_path) in [
            ("", "a/layer.tar", Some("a/layer.tar")),
            ("", "./a//layer.tar", Some("a/layer.tar")),
            ("b", "../a/layer.tar", Some("a/layer.tar")),
            ("b", "/a/layer.tar", Some("a/layer.tar")),
            ("b/c", "layer.tar", Some("b/c/layer.tar")),
            ("b", "../../a", None),
            ("", "..", None),
        ] {
            assert_eq!(normal(folder, path).as_deref(), normal_path, "{folder} {path}");
        }
    }
}
