//! `inspect`: what is in a layout, for people and for programs.

mod contents;
mod tree;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Configuration, Descriptor, Digest, Error, ImageLayout, Index, Manifest, MediaType, Pool, ReadLock, Result,
};
use serde::Serialize;

use self::contents::{Contents, contents};
use crate::{out, progress, trust::Trust};

/// Shows the images of a layout, their layers, and what is in them.
///
/// Every layer is read once. What is absent or cannot be read is shown as that, and the rest all the same: what is wrong
/// with a layout is for verify to say.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout inspect image
  oci-layout inspect --json image | jq '.images[].configuration.config'")]
pub(crate) struct Inspect {
    /// The layout: a folder, an oci-archive or a docker-archive
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    /// All of it as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let inspection = progress::show("reading the layers", |_| Inspection::new(&self.layout, pool, trust))?;
        if self.json { out::print_json(&inspection) } else { out::print_lines(tree::tree(&inspection)) }
    }
}

/// All that is shown, and the form of the JSON.
#[derive(Serialize)]
struct Inspection {
    layout: String,
    /// What the index names.
    images: Vec<Entry>,
    /// Each layer once, however many images have it.
    layers: BTreeMap<Digest, Contents>,
}

#[derive(Serialize)]
struct Entry {
    descriptor: Descriptor,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What {
    /// An image for several platforms.
    Index {
        images: Vec<Entry>,
    },
    Image {
        manifest: Manifest,
        #[serde(skip_serializing_if = "Option::is_none")]
        configuration: Option<Box<Configuration>>,
        /// Why there is no configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    Artifact {
        manifest: Manifest,
    },
    /// Nothing that this program knows.
    Other,
    /// A document that the layout lacks.
    Absent,
    /// A document that cannot be read.
    Unreadable {
        error: String,
    },
}

impl Inspection {
    fn new(path: &Path, pool: &Pool, trust: &Trust) -> Result<Self> {
        let _lock = ReadLock::new(path);
        let layout = trust.open(path)?;
        let mut layers = BTreeMap::new();
        let images = entries(&layout, &layout.index()?.manifests, 0, &mut layers);
        let contents = pool.map(layers.into_values(), |layer| (layer.digest, contents(&*layout.blob(&layer))));
        Ok(Self { layout: path.display().to_string(), images, layers: contents.into_iter().collect() })
    }
}

/// What these descriptors name, and the layers below all of it.
fn entries(
    layout: &ImageLayout,
    descriptors: &[Descriptor],
    depth: usize,
    layers: &mut BTreeMap<Digest, Descriptor>,
) -> Vec<Entry> {
    let entry = |descriptor: &Descriptor| {
        let what = what(layout, descriptor, depth, layers).unwrap_or_else(|error| match error {
            Error::BlobMissing { .. } => What::Absent,
            error => What::Unreadable { error: error.to_string() },
        });
        Entry { descriptor: descriptor.clone(), what }
    };
    descriptors.iter().map(entry).collect()
}

fn what(
    layout: &ImageLayout,
    descriptor: &Descriptor,
    depth: usize,
    layers: &mut BTreeMap<Digest, Descriptor>,
) -> Result<What> {
    /// Everybody writes one index in another at most. Each level can name many times what the next has.
    const DEEPEST: usize = 8;
    if descriptor.media_type.is_index() && depth == DEEPEST {
        return Ok(What::Unreadable { error: format!("it lies more than {DEEPEST} indexes deep") });
    }
    if descriptor.media_type.is_index() {
        let index: Index = layout.read(descriptor)?;
        return Ok(What::Index { images: entries(layout, &index.manifests, depth + 1, layers) });
    }
    if !descriptor.media_type.is_manifest() {
        return Ok(What::Other);
    }
    let manifest: Manifest = layout.read(descriptor)?;
    let read = manifest.layers.iter().filter(|layer| layer.media_type.is_layer());
    layers.extend(read.map(|layer| (layer.digest, layer.clone())));
    if manifest.config.media_type.to_oci() != MediaType::CONFIG {
        return Ok(What::Artifact { manifest });
    }
    let (configuration, error) = match layout.read(&manifest.config) {
        Ok(configuration) => (Some(Box::new(configuration)), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(What::Image { manifest, configuration, error })
}
