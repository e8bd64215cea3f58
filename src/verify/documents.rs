//! Walks from `index.json` through indexes, manifests and configurations, and checks each once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

use serde_json::Value;

use crate::{
    basics::digest::Digest,
    document::{
        descriptor::{MediaType, Platform},
        layout_paths::{INDEX, MARKER, MAX_DEPTH, MAX_DOCUMENT, blob_name},
        name::{CONTAINERD_NAME, REF_NAME},
    },
    image::manifest::MOST_LAYERS,
    layout::files::LayoutFiles,
    tarfile::chunked::places::{CHECKSUM, TABLE, TAR_SPLIT},
    verify::{
        blob_use::{BlobUse, LayerUse},
        blobs::{self, Blobs},
        configuration::{self, Configuration},
        defect::Defect,
        finding::{Finding, Findings, shown},
        json,
        members::{Object, Shape, brief},
        names,
        reference::Reference,
    },
};

/// containers/image lists an image in an index twice, with gzip and with zstd, and marks the second
/// with this annotation.
const ZSTD_VARIANT: &str = "io.github.containers.compression.zstd";

/// Checks the documents of a layout.
pub(crate) struct Documents<'a> {
    files: &'a LayoutFiles,
    findings: Findings,
    looked_into: HashMap<(Digest, Kind), Rc<Configuration>>,
    blobs: Blobs,
}

/// The kind of a document.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Index,
    Manifest,
    Configuration,
}

impl Kind {
    fn of(media_type: &MediaType) -> Option<Self> {
        let kinds = [
            (MediaType::INDEX, Self::Index),
            (MediaType::MANIFEST, Self::Manifest),
            (MediaType::CONFIG, Self::Configuration),
        ];
        kinds.into_iter().find(|(name, _)| *name == media_type.to_oci()).map(|(_, kind)| kind)
    }
}

impl<'a> Documents<'a> {
    pub(crate) fn new(files: &'a LayoutFiles, findings: Findings) -> Self {
        Self { files, findings, looked_into: HashMap::new(), blobs: Blobs::default() }
    }

    /// Returns the findings, and the referenced blobs with what is known of them.
    pub(crate) fn finish(self) -> (Findings, Blobs) {
        (self.findings, self.blobs)
    }

    /// Checks the [`oci-layout`
    /// file](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#oci-layout-file).
    pub(crate) fn marker(&mut self) {
        let Some(value) = self.file(MARKER) else { return };
        let Some(object) = Object::document(&mut self.findings, MARKER, None, &value) else {
            return;
        };
        object.required_value(&mut self.findings, "imageLayoutVersion", "\"1.0.0\"");
    }

    /// Checks `index.json` and everything it refers to, or only what is below entries with one
    /// digest.
    pub(crate) fn index(&mut self, only: Option<Digest>) {
        let Some(value) = self.file(INDEX) else { return };
        let Some(object) = Object::document(&mut self.findings, INDEX, None, &value) else {
            return;
        };
        self.head(&object, Some(&MediaType::INDEX));
        let Some(list) = self.manifests(&object) else { return };
        self.subject(&object, None, 0);
        let mut named: BTreeMap<(&str, &str), (Digest, usize)> = BTreeMap::new();
        let mut listed: HashMap<(Digest, [Option<&str>; 2]), usize> = HashMap::new();
        let mut full_names = Vec::with_capacity(list.len());
        for (number, value) in list.iter().enumerate() {
            let place = object.at(&format!("manifests[{number}]"));
            let Some(entry) = Reference::read(&mut self.findings, &place, None, value) else {
                continue;
            };
            let both = [REF_NAME, CONTAINERD_NAME].map(|annotation| entry.annotation(annotation));
            full_names.resize(number, None);
            full_names.push(both[1]);
            if let (Some(digest), [Some(_), _]) = (entry.digest, both)
                && let Some(at) = listed.insert((digest, both), number)
            {
                let first = object.at(&format!("manifests[{at}]"));
                self.found(&place, None, Defect::ListedTwice { first });
            }
            for annotation in [REF_NAME, CONTAINERD_NAME] {
                let Some(name) = entry.annotation(annotation) else { continue };
                if let Some(defect) = names::check(annotation, name) {
                    self.found(&place, None, defect);
                }
                let Some(digest) = entry.digest else { continue };
                let (first, at) = *named.entry((annotation, name)).or_insert((digest, number));
                if first != digest {
                    let (name, first) = (shown(name), object.at(&format!("manifests[{at}]")));
                    let differ =
                        both[1].zip(full_names[at]).is_some_and(|(this, other)| this != other);
                    let defect = match annotation == REF_NAME && differ {
                        true => Defect::TagShared { tag: name, first },
                        false => Defect::NameAmbiguous { annotation, name, first },
                    };
                    self.found(&place, None, defect);
                }
            }
            if only.is_none() || only == entry.digest {
                self.entry(&place, &entry, 0);
            }
        }
    }

    /// Checks an index below `index.json`.
    fn nested_index(&mut self, digest: Digest, object: &Object<'_>, depth: usize) {
        let Some(list) = self.manifests(object) else { return };
        let mut platforms: HashMap<String, (Digest, usize)> = HashMap::new();
        // An index may name manifests that are stored elsewhere, but not only such:
        // https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs
        let digests = list.iter().filter_map(|entry| entry.get("digest")?.as_str()?.parse().ok());
        let partial = !digests.clone().all(|digest| is_absent(self.files, digest));
        for (number, value) in list.iter().enumerate() {
            let place = object.at(&format!("manifests[{number}]"));
            let Some(entry) = Reference::read(&mut self.findings, &place, Some(digest), value)
            else {
                continue;
            };
            if let (Some(platform), Some(entry_digest)) = (entry.platform.as_ref(), entry.digest)
                && is_choice(&entry, platform)
            {
                let key = serde_json::to_string(&platform.with_variant()).unwrap_or_default();
                let (first, at) = *platforms.entry(key).or_insert((entry_digest, number));
                if first != entry_digest {
                    let (platform, first) =
                        (described(platform), object.at(&format!("manifests[{at}]")));
                    self.found(&place, Some(digest), Defect::PlatformTwice { platform, first });
                }
            }
            let is_absent = |entry: &Reference<'_>| {
                entry.digest.is_some_and(|digest| is_absent(self.files, digest))
            };
            if partial && is_absent(&entry) {
                self.found(&place, entry.digest, Defect::ImageAbsent);
                continue;
            }
            self.entry(&place, &entry, depth);
        }
    }

    /// Checks what an entry of an index refers to.
    fn entry(&mut self, place: &str, entry: &Reference<'_>, depth: usize) {
        let Some(configuration) = self.refer(place, entry, depth, true) else { return };
        if let (Some(index), Some(of_image)) = (&entry.platform, &configuration.platform)
            && !same_platform(index, of_image)
        {
            let (index, configuration) = (described(index), described(of_image));
            entry.object.report(
                &mut self.findings,
                "platform",
                Defect::PlatformDiffers { index, configuration },
            );
        }
    }

    fn manifest(&mut self, digest: Digest, object: &Object<'_>, depth: usize) -> Rc<Configuration> {
        let mut image = None;
        let (mut in_image, mut config_digest) = (true, None);
        let config_place = object.at("config");
        if let Some(value) = object.required(&mut self.findings, "config", "a descriptor")
            && let Some(config) =
                Reference::read(&mut self.findings, &config_place, Some(digest), value)
        {
            image = self.refer(&config_place, &config, depth, true);
            config_digest = config.digest;
            in_image = config
                .media_type
                .as_ref()
                .is_none_or(|media_type| media_type.to_oci() == MediaType::CONFIG);
            // https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
            if config.media_type == Some(MediaType::EMPTY) && object.get("artifactType").is_none() {
                object.report(&mut self.findings, "artifactType", Defect::ArtifactTypeMissing);
            }
        }
        let image = image.unwrap_or_default();
        let layers = object
            .required_list(&mut self.findings, "layers", "a list of descriptors")
            .unwrap_or_default();
        if object.get("layers") == Some(&Value::Array(Vec::new())) {
            object.report(&mut self.findings, "layers", Defect::LayersEmpty);
        }
        // Artifacts may have any number of layers.
        if image.diff_ids.is_some() && layers.len() > MOST_LAYERS {
            let defect = Defect::ManyLayers { layers: layers.len(), most: MOST_LAYERS };
            object.report(&mut self.findings, "layers", defect);
        }
        let diff_ids = match &image.diff_ids {
            Some(ids) if ids.len() != layers.len() => {
                let (layers, diff_ids) = (layers.len(), ids.len());
                object.report(
                    &mut self.findings,
                    "layers",
                    Defect::LayerCount { layers, diff_ids },
                );
                &[]
            }
            Some(ids) => &ids[..],
            None => &[],
        };
        let mut unpacked = true;
        for (number, value) in layers.iter().enumerate() {
            let place = object.at(&format!("layers[{number}]"));
            if let Some(layer) = Reference::read(&mut self.findings, &place, Some(digest), value) {
                unpacked &= layer.media_type.as_ref().is_none_or(MediaType::is_layer);
                self.layer(&place, &layer, diff_ids.get(number).copied().flatten(), in_image);
            }
        }
        // Signatures have an image configuration without a platform.
        for member in image.empty.iter().filter(|_| unpacked) {
            self.found(&format!("{config_place}, {member}"), config_digest, Defect::PlatformEmpty);
        }
        image
    }

    fn layer(
        &mut self,
        place: &str,
        layer: &Reference<'_>,
        diff_id: Option<Digest>,
        in_image: bool,
    ) {
        let Some(digest) = layer.digest else { return };
        let media_type = layer.media_type.clone().filter(MediaType::is_layer);
        // A layer that may not be distributed may be missing.
        let elsewhere = media_type
            .as_ref()
            .is_some_and(|name| name.to_oci().as_str().contains("nondistributable"))
            && layer.object.get("urls").is_some();
        let annotation = |key: &&str| Some(((*key).to_owned(), layer.annotation(key)?.to_owned()));
        let table = [CHECKSUM, TABLE, TAR_SPLIT].iter().filter_map(annotation).collect();
        let layer_use =
            media_type.map(|media_type| LayerUse { media_type, diff_id, in_image, table });
        self.blobs.refer(BlobUse {
            place,
            digest,
            size: layer.size,
            required: !elsewhere,
            layer: layer_use,
        });
    }

    /// Follows a descriptor. Returns the configuration of an image, or an empty one.
    fn refer(
        &mut self,
        place: &str,
        reference: &Reference<'_>,
        depth: usize,
        required: bool,
    ) -> Option<Rc<Configuration>> {
        let digest = reference.digest?;
        self.blobs.refer(BlobUse { place, digest, size: reference.size, required, layer: None });
        let media_type = reference.media_type.as_ref()?;
        let kind = Kind::of(media_type)?;
        if let Some(known) = self.looked_into.get(&(digest, kind)) {
            return Some(Rc::clone(known));
        }
        if depth > MAX_DEPTH {
            self.found(place, None, Defect::TooDeep { limit: MAX_DEPTH });
            return None;
        }
        let bytes = self.blobs.document(self.files, digest)?;
        let value = self.parse(place, Some(digest), &bytes);
        drop(bytes);
        let configuration =
            value.map(|value| self.look_into(place, digest, kind, media_type, &value, depth));
        let configuration = configuration.unwrap_or_default();
        self.looked_into.insert((digest, kind), Rc::clone(&configuration));
        Some(configuration)
    }

    fn look_into(
        &mut self,
        place: &str,
        digest: Digest,
        kind: Kind,
        media_type: &MediaType,
        value: &Value,
        depth: usize,
    ) -> Rc<Configuration> {
        if kind == Kind::Configuration {
            return Rc::new(configuration::check(&mut self.findings, place, digest, value));
        }
        let Some(object) = Object::document(&mut self.findings, place, Some(digest), value) else {
            return Rc::default();
        };
        let has = |name| object.get(name).is_some();
        let (found, kind_found) = if has("manifests") && !has("config") && !has("layers") {
            ("image index", Kind::Index)
        } else if (has("config") || has("layers")) && !has("manifests") {
            ("image manifest", Kind::Manifest)
        } else {
            ("", kind)
        };
        if kind_found != kind {
            let said = media_type.clone();
            self.found(place, Some(digest), Defect::OtherDocument { said, found });
        }
        self.head(&object, (kind_found == kind).then_some(media_type));
        self.subject(&object, Some(digest), depth + 1);
        match kind_found {
            Kind::Index => {
                self.nested_index(digest, &object, depth + 1);
                Rc::default()
            }
            _ => self.manifest(digest, &object, depth),
        }
    }

    /// Checks the `subject`. It may be stored elsewhere:
    /// <https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#image-manifest-property-descriptions>
    fn subject(&mut self, object: &Object<'_>, document: Option<Digest>, depth: usize) {
        let Some(value) = object.get("subject") else { return };
        let place = object.at("subject");
        if let Some(subject) = Reference::read(&mut self.findings, &place, document, value) {
            self.refer(&place, &subject, depth, false);
        }
    }

    /// Checks the members that indexes and manifests share. `media_type` is that of the descriptor.
    fn head(&mut self, object: &Object<'_>, media_type: Option<&MediaType>) {
        let findings = &mut self.findings;
        object.required_value(findings, "schemaVersion", "2");
        if let Some(expected) = media_type.cloned() {
            match object.get("mediaType") {
                None => object.report(findings, "mediaType", Defect::MediaTypeMissing { expected }),
                Some(Value::String(found)) if *found == expected.as_str() => {}
                Some(other) => {
                    let found = brief(other);
                    object.report(
                        findings,
                        "mediaType",
                        Defect::MediaTypeDiffers { found, expected },
                    );
                }
            }
        }
        object.optional(
            findings,
            &[("artifactType", Shape::MediaType), ("annotations", Shape::TextMap)],
        );
    }

    fn manifests<'v>(&mut self, object: &Object<'v>) -> Option<&'v [Value]> {
        object.required_list(
            &mut self.findings,
            "manifests",
            "a list of descriptors, which may be empty",
        )
    }

    /// Reads a document that is not a blob.
    fn file(&mut self, name: &'static str) -> Option<Value> {
        match blobs::read(self.files, name, MAX_DOCUMENT) {
            Ok(bytes) => self.parse(name, None, &bytes),
            Err(defect) => {
                self.found(name, None, defect);
                None
            }
        }
    }

    fn parse(&mut self, place: &str, digest: Option<Digest>, bytes: &[u8]) -> Option<Value> {
        match json::parse(bytes) {
            Ok(parsed) => {
                for member in parsed.twice {
                    self.found(&format!("{place}, {member}"), digest, Defect::MemberTwice);
                }
                Some(parsed.value)
            }
            Err(reason) => {
                self.found(place, digest, Defect::NotJson { reason });
                None
            }
        }
    }

    fn found(&mut self, place: &str, digest: Option<Digest>, defect: Defect) {
        self.findings.add(Finding::new(place, digest, defect));
    }
}

/// Whether the file of a blob does not exist.
fn is_absent(files: &LayoutFiles, digest: Digest) -> bool {
    matches!(files.kind(&blob_name(digest)), Ok(None))
}

/// Whether readers select this entry of an index by its platform. They do not select BuildKit's
/// attestations and other artifacts.
fn is_choice(entry: &Reference<'_>, platform: &Platform) -> bool {
    !platform.is_unknown()
        && entry.object.get("artifactType").is_none()
        && entry.annotation(ZSTD_VARIANT).is_none()
}

/// Whether the platform in an index matches the image, with any aliases. Members only for Windows
/// may be in just one of the two.
fn same_platform(index: &Platform, image: &Platform) -> bool {
    let (index, image) = (index.with_variant(), image.with_variant());
    let version =
        |platform: &Platform| platform.os_version.clone().filter(|version| !version.is_empty());
    let features =
        |platform: &Platform| platform.os_features.iter().cloned().collect::<HashSet<_>>();
    index.os == image.os
        && index.architecture == image.architecture
        && index.variant == image.variant
        && version(&index).zip(version(&image)).is_none_or(|(index, image)| index == image)
        && (index.os_features.is_empty()
            || image.os_features.is_empty()
            || features(&index) == features(&image))
}

/// Formats everything that [`same_platform`] compares.
fn described(platform: &Platform) -> String {
    let mut text = platform.to_string();
    if let Some(version) = &platform.os_version {
        text.push_str(&format!(" {version}"));
    }
    if !platform.os_features.is_empty() {
        text.push_str(&format!(" with {}", platform.os_features.join(", ")));
    }
    shown(&text)
}
