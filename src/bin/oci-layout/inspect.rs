//! `inspect`: shows the images of a layout, and why an image is large, for people and for programs.

mod contents;
mod explanation;
mod overview;
mod page;
mod size;
mod tree;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
#[cfg(feature = "registry")]
use oci_layout::PlatformImage;
use oci_layout::{
    Digest, Error, ImageLayout, Pool, Result,
    document::{Configuration, Descriptor, Index, Manifest, MediaType, Platform},
    report::image_report,
};
use serde::{Serialize, Serializer};

use self::{
    contents::{Contents, contents},
    explanation::Explanation,
};
use crate::{
    advice,
    args::{LayoutTag, os},
    image_arg::{ImageArg, Registries, image_name},
    out, progress,
    trust::Trust,
};

/// Shows the images of a layout, their layers, and the files in them.
///
/// Each layer is read once. Missing or unreadable parts are marked, and the rest is still shown;
/// the exit code is then 1. Use verify to find out what is wrong with a layout. The layers of an
/// image in a registry are read only with --size or --html.
///
/// With --size or --html, explains the size of one image: its largest files, and the bytes that
/// layers overwrite, delete or have several times. Also finds files with setuid or setgid, and
/// programs that cannot start. Sizes of files are those before compression.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout inspect image
  oci-layout inspect --size image:latest
  oci-layout inspect --html page.html docker://alpine
  oci-layout inspect --json image | jq '.images[].configuration.config'")]
pub(crate) struct Inspect {
    /// The image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]. Without a tag, all images of the layout are shown
    #[arg(value_name = "IMAGE", value_parser = os(ImageArg::parse))]
    image: ImageArg,

    /// Only the image for this platform [default: all; with --size and --html linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    #[command(flatten)]
    registries: Registries,

    /// Explain the size of one image
    #[arg(long)]
    size: bool,

    /// With --size, how many files to show of each kind
    #[arg(long, value_name = "N", default_value_t = 10, requires = "size")]
    files: usize,

    /// Write a page for a browser that explains one image. It needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        match (&self.image, self.size || self.html.is_some()) {
            (_, true) => self.explain(trust),
            (ImageArg::Layout(layout), false) => self.show_layout(layout, pool, trust),
            #[cfg(feature = "registry")]
            (ImageArg::Registry(reference), false) => {
                let image = self.image.open(self.platform.as_ref(), &self.registries, trust)?;
                self.show(&Inspection::of_image(reference.to_string(), &image))
            }
        }
    }

    fn explain(&self, trust: &Trust) -> Result<ExitCode> {
        let _lock = self.image.lock();
        let image = self.image.open(self.platform.as_ref(), &self.registries, trust)?;
        let report = progress::show("reading the layers", |_| image_report(&image))?;
        let explanation = Explanation::new(self.image.to_string(), &image, &report);
        if let Some(html) = &self.html {
            page::write(html, &explanation)?;
            out::say(format_args!("wrote {}", html.display()));
        }
        match (self.size, self.json) {
            (_, true) => out::print_json(&explanation.with_files(|file| file))?,
            (true, false) => size::draw(&explanation, self.files)?,
            (false, false) => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show_layout(&self, named: &LayoutTag, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        let _lock = named.lock();
        let layout = trust.open(&named.layout)?;
        let mut entries: Vec<_> = layout.index()?.manifests.iter().map(Cow::Borrowed).collect();
        if let Some(tag) = &named.tag {
            entries.retain(|entry| image_name(entry) == Some(tag));
        }
        if self.platform.is_some() || (entries.is_empty() && named.tag.is_some()) {
            let image = layout.image(named.tag.as_deref(), self.platform.as_ref())?;
            entries = vec![Cow::Owned(image.descriptor().clone())];
        }
        let inspection =
            progress::show("reading the layers", |_| Inspection::new(&layout, entries, pool));
        self.show(&inspection)
    }

    /// Prints what was found. The exit code is 1 if a part of it cannot be read.
    fn show(&self, inspection: &Inspection<'_>) -> Result<ExitCode> {
        match self.json {
            true => out::print_json(inspection)?,
            false => overview::draw(inspection, out::print)?,
        }
        let is_whole = inspection.images.iter().all(|entry| entry.what.is_readable())
            && inspection.layers.values().all(Contents::is_readable);
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

impl What {
    /// Whether all documents can be read, except for those that are absent.
    fn is_readable(&self) -> bool {
        match self {
            Self::Index { images } => images.iter().all(|entry| entry.what.is_readable()),
            Self::Image { error, .. } => error.is_none(),
            Self::Unreadable { .. } => false,
            Self::Artifact { .. } | Self::Other | Self::Absent => true,
        }
    }
}

impl<'a> Inspection<'a> {
    fn new(layout: &ImageLayout, entries: Vec<Cow<'a, Descriptor>>, pool: &Pool) -> Self {
        let mut documents = Documents { layout, seen: HashMap::new(), layers: BTreeMap::new() };
        let images = entries.into_iter().map(|entry| documents.entry(entry, 0)).collect();
        let layers = documents.layers.into_values();
        let contents = pool.map(layers, |layer| (layer.digest, contents(&*layout.blob(&layer))));
        let layers = contents.into_iter().collect();
        Self { layout: layout.path().display().to_string(), images, layers }
    }

    /// An image without the contents of its layers.
    #[cfg(feature = "registry")]
    fn of_image(name: String, image: &'a PlatformImage) -> Self {
        let what = What::Image {
            manifest: image.manifest().clone(),
            configuration: Some(Box::new(image.configuration().clone())),
            error: None,
        };
        let entry = Entry { descriptor: Cow::Borrowed(image.descriptor()), what: Arc::new(what) };
        Self { layout: name, images: vec![entry], layers: BTreeMap::new() }
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
            error => What::Unreadable { error: advice::error(&error) },
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
            Err(error) => (None, Some(advice::error(&error))),
        };
        Ok(What::Image { manifest, configuration, error })
    }
}
