//! What a repository has: everything that an index reaches, found once by reading its manifests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    basics::{digest::Digest, error::Result, json},
    blob::{chunks::read_document, traits::Blob},
    document::{
        descriptor::{Descriptor, MediaType},
        layout_paths::MAX_DEPTH,
        manifest::{Index, Manifest},
        name::{CONTAINERD_NAME, ImageName, REF_NAME},
    },
    image::graph::Image,
    layout::read::ImageLayout,
};

/// What there is, by tag and by digest. Nothing else can be asked for.
#[derive(Default)]
pub(crate) struct Contents {
    /// Sorted by their bytes.
    pub(crate) tags: BTreeMap<String, Digest>,
    /// Tags that several images have, and that mean none of them.
    pub(crate) ambiguous: BTreeSet<String>,
    /// What the index itself names, in its order, but for what refers to another manifest.
    roots: Vec<Digest>,
    manifests: HashMap<Digest, Content>,
    blobs: HashMap<Digest, Content>,
    referrers: HashMap<Digest, Vec<Descriptor>>,
}

/// A blob, and what is known of it without a look at its bytes.
#[derive(Clone)]
pub(crate) struct Content {
    /// As the document itself says it, where it does.
    pub(crate) media_type: MediaType,
    pub(crate) blob: Arc<dyn Blob>,
    in_layout: bool,
}

impl Content {
    /// Whether its bytes lie somewhere, or have to be made.
    pub(crate) fn is_at_hand(&self) -> bool {
        match self.blob.recipe() {
            Some(recipe) => recipe.lies_in().is_some(),
            None => self.in_layout || self.blob.file().is_some(),
        }
    }
}

impl Contents {
    pub(crate) fn of_layout(layout: &ImageLayout) -> Result<Self> {
        let content = |descriptor: &Descriptor| {
            let media_type = descriptor.media_type.clone();
            // Not its annotations and whatever else it has: of many entries, that is most of the
            // index.
            let blob = layout.blob(&Descriptor::new(
                media_type.clone(),
                descriptor.digest,
                descriptor.size,
            ));
            Content { media_type, blob, in_layout: true }
        };
        let named =
            layout.index()?.manifests.iter().map(|descriptor| (descriptor, names(descriptor)));
        Ok(Self::new(named, &|descriptor| Some(content(descriptor))))
    }

    pub(crate) fn of_images(images: &[Image]) -> Self {
        let all = images.iter().flat_map(Image::blobs).map(|blob| (blob.descriptor().digest, blob));
        let blobs: HashMap<Digest, &Arc<dyn Blob>> = all.collect();
        let content = |descriptor: &Descriptor| {
            let blob = Arc::clone(blobs.get(&descriptor.digest)?);
            Some(Content { media_type: descriptor.media_type.clone(), blob, in_layout: false })
        };
        let named = images.iter().map(|image| match image.names() {
            [] => (image.descriptor(), names(image.descriptor())),
            given => (image.descriptor(), given.iter().filter_map(|name| tag(name)).collect()),
        });
        Self::new(named, &content)
    }

    fn new<'a>(
        named: impl Iterator<Item = (&'a Descriptor, BTreeSet<String>)>,
        content: &dyn Fn(&Descriptor) -> Option<Content>,
    ) -> Self {
        let mut contents = Self::default();
        let (mut referring, mut seen) = (HashSet::new(), HashSet::new());
        for (descriptor, tags) in named {
            contents.add(descriptor, 0, content, &mut referring);
            if seen.insert(descriptor.digest) {
                contents.roots.push(descriptor.digest);
            }
            for tag in tags {
                if contents
                    .tags
                    .insert(tag.clone(), descriptor.digest)
                    .is_some_and(|other| other != descriptor.digest)
                {
                    contents.ambiguous.insert(tag);
                }
            }
        }
        contents.tags.retain(|tag, _| !contents.ambiguous.contains(tag));
        let tagged: HashSet<Digest> = contents.tags.values().copied().collect();
        contents.roots.retain(|digest| tagged.contains(digest) || !referring.contains(digest));
        if let [only] = contents.roots[..]
            && tagged.is_empty()
        {
            contents.tags.insert("latest".to_owned(), only);
        }
        contents
    }

    /// A manifest or index and all below it. What can't be read has nothing below it: asking for it
    /// says why.
    fn add(
        &mut self,
        descriptor: &Descriptor,
        depth: usize,
        content: &dyn Fn(&Descriptor) -> Option<Content>,
        referring: &mut HashSet<Digest>,
    ) {
        if depth > MAX_DEPTH || self.manifests.contains_key(&descriptor.digest) {
            return;
        }
        let Some(mut found) = content(descriptor) else { return };
        let document = read_document(&found.blob)
            .ok()
            .and_then(|bytes| Document::parse(&descriptor.media_type, &bytes));
        if let Some(media_type) = document.as_ref().and_then(Document::media_type) {
            found.media_type = media_type;
        }
        self.manifests.insert(descriptor.digest, found.clone());
        self.blobs.entry(descriptor.digest).or_insert(found.clone());
        let Some(document) = document else { return };
        if let Some((subject, referrer)) = document.referrer(&found) {
            referring.insert(descriptor.digest);
            self.referrers.entry(subject).or_default().push(referrer);
        }
        match document {
            Document::Index(index) => {
                index
                    .manifests
                    .iter()
                    .for_each(|entry| self.add(entry, depth + 1, content, referring));
            }
            Document::Manifest(manifest) => {
                for named in manifest.layers.iter().chain([&manifest.config]) {
                    if let Some(found) = content(named) {
                        self.blobs.entry(named.digest).or_insert(found);
                    }
                }
            }
        }
    }

    /// The roots that no tag means, in the order of the index.
    pub(crate) fn untagged(&self) -> impl Iterator<Item = &Digest> {
        let tagged: HashSet<&Digest> = self.tags.values().collect();
        self.roots.iter().filter(move |digest| !tagged.contains(digest))
    }

    pub(crate) fn manifest(&self, digest: Digest) -> Option<&Content> {
        self.manifests.get(&digest)
    }

    /// Any blob, manifests among them: in a layout they are blobs.
    pub(crate) fn blob(&self, digest: Digest) -> Option<&Content> {
        self.blobs.get(&digest)
    }

    pub(crate) fn referrers(&self, digest: Digest) -> &[Descriptor] {
        self.referrers.get(&digest).map_or(&[], Vec::as_slice)
    }
}

enum Document {
    Manifest(Box<Manifest>),
    Index(Box<Index>),
}

impl Document {
    fn parse(media_type: &MediaType, bytes: &[u8]) -> Option<Self> {
        if media_type.is_index() {
            json::from_slice(bytes).map(|index| Self::Index(Box::new(index))).ok()
        } else if media_type.is_manifest() {
            json::from_slice(bytes).map(|manifest| Self::Manifest(Box::new(manifest))).ok()
        } else {
            None
        }
    }

    /// A client refuses a manifest that says of itself another media type than the registry says of
    /// it: [pulling
    /// manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests).
    fn media_type(&self) -> Option<MediaType> {
        match self {
            Self::Manifest(manifest) => manifest.media_type.clone(),
            Self::Index(index) => index.media_type.clone(),
        }
    }

    /// What this refers to, and its entry in the list of those that do: [listing
    /// referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers).
    fn referrer(&self, content: &Content) -> Option<(Digest, Descriptor)> {
        let (subject, artifact_type, annotations) = match self {
            Self::Manifest(manifest) => {
                let artifact_type = manifest.artifact_type.clone().filter(|name| !name.is_empty());
                let artifact_type =
                    artifact_type.unwrap_or_else(|| manifest.config.media_type.to_string());
                (manifest.subject.as_ref()?, Some(artifact_type), &manifest.annotations)
            }
            Self::Index(index) => {
                let artifact_type = index.artifact_type.clone().filter(|name| !name.is_empty());
                (index.subject.as_ref()?, artifact_type, &index.annotations)
            }
        };
        let Descriptor { digest, size, .. } = *content.blob.descriptor();
        let annotations = annotations.clone();
        let plain = Descriptor::new(content.media_type.clone(), digest, size);
        Some((subject.digest, Descriptor { artifact_type, annotations, ..plain }))
    }
}

/// The tags that an entry of an index gives: by one of its names, or by both.
fn names(descriptor: &Descriptor) -> BTreeSet<String> {
    let named = |key| descriptor.annotations.get(key).and_then(|name| tag(name));
    // The full name has the same tag, where one program wrote both.
    named(REF_NAME).or_else(|| named(CONTAINERD_NAME)).into_iter().collect()
}

/// The tag of a name, which others write in full.
fn tag(name: &str) -> Option<String> {
    name.parse::<ImageName>().ok().map(|name| name.tag)
}
