//! `inspect`: what is in a layout, for people and for programs.

mod contents;
mod tree;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{Configuration, Descriptor, Digest, ImageLayout, Index, Manifest, MediaType, Pool, Result};
use serde::Serialize;

use self::contents::{Contents, contents};
use crate::{args::open_layout, print, progress};

/// Shows the images of a layout, their layers, and what is in them.
///
/// Every layer is read once. What is wrong with a layout is for verify to say.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout inspect image
  oci-layout inspect --json image | jq '.images[].configuration.config'")]
pub(crate) struct Inspect {
    /// The layout: a folder, or an oci-archive
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    /// All of it as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self, pool: &Pool) -> Result<()> {
        let inspection = progress::show("reading the layers", |_| Inspection::new(&self.layout, pool))?;
        if self.json {
            print(serde_json::to_string_pretty(&inspection).expect("its keys are strings"))
        } else {
            print(tree::tree(&inspection))
        }
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
        configuration: Box<Configuration>,
    },
    Artifact {
        manifest: Manifest,
    },
    /// Nothing that this program knows.
    Other,
}

impl Inspection {
    fn new(path: &Path, pool: &Pool) -> Result<Self> {
        let layout = open_layout(path)?;
        let mut layers = BTreeMap::new();
        let images = entries(&layout, &layout.index()?.manifests, &mut layers)?;
        let contents = pool.map(layers.into_values(), |layer| (layer.digest, contents(&*layout.blob(&layer))));
        Ok(Self { layout: path.display().to_string(), images, layers: contents.into_iter().collect() })
    }
}

/// What these descriptors name, and the layers below all of it.
fn entries(
    layout: &ImageLayout,
    descriptors: &[Descriptor],
    layers: &mut BTreeMap<Digest, Descriptor>,
) -> Result<Vec<Entry>> {
    let entry = |descriptor: &Descriptor| {
        let what = if descriptor.media_type.is_index() {
            What::Index { images: entries(layout, &layout.read::<Index>(descriptor)?.manifests, layers)? }
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = layout.read(descriptor)?;
            let read = manifest.layers.iter().filter(|layer| layer.media_type.is_layer());
            layers.extend(read.map(|layer| (layer.digest, layer.clone())));
            if manifest.config.media_type.to_oci() == MediaType::CONFIG {
                What::Image { configuration: Box::new(layout.read(&manifest.config)?), manifest }
            } else {
                What::Artifact { manifest }
            }
        } else {
            What::Other
        };
        Ok(Entry { descriptor: descriptor.clone(), what })
    };
    descriptors.iter().map(entry).collect()
}
