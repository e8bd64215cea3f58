//! `inspect`: shows the contents of a layout, for people and for programs.

mod contents;
mod tree;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use clap::Args;
use oci_layout::{
    Digest, Error, ImageLayout, Pool, Report, Result,
    document::{Configuration, Descriptor, Index, Manifest, MediaType},
};
use serde::{Serialize, Serializer};

use self::contents::{Contents, contents};
use crate::{
    args::{self, LayoutTag},
    image_arg::local_layout,
    out, progress,
    trust::Trust,
};

/// Shows the images of a layout, their layers, and the files in them.
///
/// Each layer is read once. Missing or unreadable parts are marked, and the rest is still shown;
/// use verify to find out what is wrong with a layout.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout inspect image
  oci-layout inspect --json image | jq '.images[].configuration.config'")]
pub(crate) struct Inspect {
    /// The layout: a folder, an oci-archive or a docker-archive; with a tag or digest, only that
    /// image
    #[arg(value_name = "LAYOUT[:TAG]", value_parser = args::os(local_layout))]
    image: LayoutTag,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let _lock = self.image.lock();
        let layout = trust.open(&self.image.layout)?;
        let entries = match &self.image.tag {
            Some(tag) => vec![layout.whole_image(Some(tag))?.descriptor().clone()],
            None => layout.index()?.manifests.clone(),
        };
        let inspection =
            progress::show("reading the layers", |_| Inspection::new(&layout, &entries, pool));
        if self.json { out::print_json(&inspection) } else { tree::draw(&inspection, out::print) }
    }
}

/// Everything that is shown. Serialised, it is the JSON output.
#[derive(Serialize)]
struct Inspection<'a> {
    layout: String,
    /// The entries of the index.
    images: Vec<Entry<'a>>,
    /// Each layer once, however many images have it.
    layers: BTreeMap<Digest, Contents>,
}

#[derive(Serialize)]
struct Entry<'a> {
    descriptor: Cow<'a, Descriptor>,
    /// Shared, because an index may name one image thousands of times.
    #[serde(flatten, serialize_with = "inner")]
    what: Arc<What>,
}

fn inner<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    T::serialize(value, serializer)
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What {
    /// An image for several platforms.
    Index {
        images: Vec<Entry<'static>>,
    },
    Image {
        manifest: Manifest,
        #[serde(skip_serializing_if = "Option::is_none")]
        configuration: Option<Box<Configuration>>,
        /// Why the configuration cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    Artifact {
        manifest: Manifest,
    },
    /// A document of an unknown kind.
    Other,
    /// A document that is missing from the layout.
    Absent,
    /// A document that cannot be read.
    Unreadable {
        error: String,
    },
}

impl<'a> Inspection<'a> {
    fn new(layout: &'a ImageLayout, entries: &'a [Descriptor], pool: &Pool) -> Self {
        let mut documents = Documents { layout, seen: HashMap::new(), layers: BTreeMap::new() };
        let images = entries.iter().map(|entry| documents.entry(Cow::Borrowed(entry), 0)).collect();
        let layers = documents.layers.into_values();
        let contents = pool.map(layers, |layer| (layer.digest, contents(&*layout.blob(&layer))));
        Self {
            layout: layout.path().display().to_string(),
            images,
            layers: contents.into_iter().collect(),
        }
    }
}

/// The documents that descriptors name, each read once, and the layers below them.
struct Documents<'a> {
    layout: &'a ImageLayout,
    /// By digest, size, media type and depth.
    seen: HashMap<(Digest, u64, MediaType, usize), Arc<What>>,
    layers: BTreeMap<Digest, Descriptor>,
}

impl Documents<'_> {
    fn entry<'d>(&mut self, descriptor: Cow<'d, Descriptor>, depth: usize) -> Entry<'d> {
        let key = (descriptor.digest, descriptor.size, descriptor.media_type.clone(), depth);
        if let Some(what) = self.seen.get(&key) {
            return Entry { descriptor, what: Arc::clone(what) };
        }
        let what = Arc::new(self.what(&descriptor, depth).unwrap_or_else(|error| match error {
            Error::BlobMissing { .. } => What::Absent,
            error => What::Unreadable { error: Report(&error).to_string() },
        }));
        // Empty results are not worth the memory.
        if !matches!(*what, What::Absent | What::Other) {
            self.seen.insert(key, Arc::clone(&what));
        }
        Entry { descriptor, what }
    }

    fn what(&mut self, descriptor: &Descriptor, depth: usize) -> Result<What> {
        let Self { layout, .. } = *self;
        /// In practice, an index contains at most one level of indexes. Each level can multiply the
        /// number of entries.
        const DEEPEST: usize = 8;
        if descriptor.media_type.is_index() && depth == DEEPEST {
            return Ok(What::Unreadable {
                error: format!("indexes are nested more than {DEEPEST} deep"),
            });
        }
        if descriptor.media_type.is_index() {
            let index: Index = layout.read(descriptor)?;
            let images =
                index.manifests.into_iter().map(|entry| self.entry(Cow::Owned(entry), depth + 1));
            return Ok(What::Index { images: images.collect() });
        }
        if !descriptor.media_type.is_manifest() {
            return Ok(What::Other);
        }
        let manifest: Manifest = layout.read(descriptor)?;
        let read = manifest.layers.iter().filter(|layer| layer.media_type.is_layer());
        self.layers.extend(read.map(|layer| (layer.digest, layer.clone())));
        if manifest.config.media_type.to_oci() != MediaType::CONFIG {
            return Ok(What::Artifact { manifest });
        }
        let (configuration, error) = match layout.read(&manifest.config) {
            Ok(configuration) => (Some(Box::new(configuration)), None),
            Err(error) => (None, Some(Report(&error).to_string())),
        };
        Ok(What::Image { manifest, configuration, error })
    }
}
