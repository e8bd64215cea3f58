//! The contents of a repository: everything that its index reaches, found once by reading its
//! manifests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    basics::{digest::Digest, error::Result},
    blob::{chunks::read_document, traits::Blob},
    document::{
        descriptor::{Descriptor, MediaType},
        layout_paths::MAX_DEPTH,
        name::{CONTAINERD_NAME, ImageName, REF_NAME},
    },
    image::{existing::Document, graph::Image},
    layout::read::ImageLayout,
    registry::referrer::Referrer,
};

/// The blobs and manifests of a repository, by tag and digest. Nothing else is served.
#[derive(Default)]
pub(crate) struct Contents {
    /// Sorted by bytes.
    pub(crate) tags: BTreeMap<String, Digest>,
    /// Tags that several images have. They resolve to none of them.
    pub(crate) ambiguous: BTreeSet<String>,
    /// The entries of the index, in its order, without those that only refer to another manifest.
    roots: Vec<Digest>,
    manifests: HashMap<Digest, Content>,
    blobs: HashMap<Digest, Content>,
    referrers: HashMap<Digest, Vec<Descriptor>>,
}

/// A blob, and what is known of it without reading its bytes.
#[derive(Clone)]
pub(crate) struct Content {
    /// The media type that the document declares, or else that of its descriptor.
    pub(crate) media_type: MediaType,
    pub(crate) blob: Arc<dyn Blob>,
    in_layout: bool,
}

impl Content {
    /// Whether the bytes are stored, rather than built on demand.
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
            // Without annotations and other members: in an index with many entries, these are most
            // of its size.
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

    /// Adds a manifest or index and everything below it. A document that cannot be read has nothing
    /// below it: the error is reported to the client that requests it.
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
        let document =
            read_document(&found.blob).ok().and_then(|bytes| Document::parse(&bytes).ok());
        // Clients refuse a manifest whose `mediaType` differs from the registry's `Content-Type`:
        // https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
        if let Some((media_type, _)) = &document {
            found.media_type.clone_from(media_type);
        }
        self.manifests.insert(descriptor.digest, found.clone());
        self.blobs.entry(descriptor.digest).or_insert(found.clone());
        let Some((_, document)) = document else { return };
        let described =
            Descriptor::new(found.media_type, descriptor.digest, found.blob.descriptor().size);
        if let Some(Referrer { subject, entry }) = Referrer::of(&document, &described) {
            referring.insert(descriptor.digest);
            self.referrers.entry(subject).or_default().push(entry);
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

    /// The roots without a tag, in the order of the index.
    pub(crate) fn untagged(&self) -> impl Iterator<Item = &Digest> {
        let tagged: HashSet<&Digest> = self.tags.values().collect();
        self.roots.iter().filter(move |digest| !tagged.contains(digest))
    }

    pub(crate) fn manifest(&self, digest: Digest) -> Option<&Content> {
        self.manifests.get(&digest)
    }

    /// Any blob. Manifests are included, because they are blobs in a layout.
    pub(crate) fn blob(&self, digest: Digest) -> Option<&Content> {
        self.blobs.get(&digest)
    }

    pub(crate) fn referrers(&self, digest: Digest) -> &[Descriptor] {
        self.referrers.get(&digest).map_or(&[], Vec::as_slice)
    }
}

/// The tags that an entry of an index has.
fn names(descriptor: &Descriptor) -> BTreeSet<String> {
    let named = |key| descriptor.annotations.get(key).and_then(|name| tag(name));
    // If a program wrote both annotations, both contain the same tag.
    named(REF_NAME).or_else(|| named(CONTAINERD_NAME)).into_iter().collect()
}

/// The tag of a name. Some programs write the full name.
fn tag(name: &str) -> Option<String> {
    name.parse::<ImageName>().ok().map(|name| name.tag)
}
