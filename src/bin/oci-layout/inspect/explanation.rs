//! Why an image is as large as it is, as data for programs and for pages.

use std::cmp::Reverse;

use oci_layout::{
    Digest, PlatformImage,
    document::{Configuration, Manifest, MediaType},
    report::{Fate, ImageReport, ReportedFile},
};
use serde::{Serialize, Serializer};

/// What is known of an image. Serialised [with its files](Explanation::with_files), it is the JSON
/// output.
#[derive(Serialize)]
pub(super) struct Explanation<'a> {
    /// The image as the user named it.
    pub(super) image: String,
    pub(super) digest: Digest,
    pub(super) platform: String,
    /// The sizes of all blobs of layers, of all files in them, and of the files that a container
    /// sees.
    pub(super) compressed: u64,
    pub(super) unpacked: u64,
    pub(super) visible: Amount,
    pub(super) overwritten: Amount,
    pub(super) deleted: Amount,
    /// What would be saved if files with the same contents were one file.
    pub(super) duplicated: Amount,
    pub(super) manifest: &'a Manifest,
    pub(super) configuration: &'a Configuration,
    pub(super) layers: Vec<LayerPart<'a>>,
    /// What wastes most comes first.
    pub(super) duplicates: Vec<Duplicates>,
    pub(super) setuid: Vec<FilePart<'a>>,
    /// What keeps a container from starting, and what the layers contain and no file system can.
    pub(super) warnings: Vec<String>,
    /// The files of all layers, largest first.
    #[serde(skip)]
    pub(super) files: Vec<FilePart<'a>>,
}

#[derive(Serialize)]
pub(super) struct WithFiles<'a, F> {
    #[serde(flatten)]
    explanation: &'a Explanation<'a>,
    files: Vec<F>,
}

/// A number of files, and their size.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Amount {
    pub(super) files: u64,
    pub(super) size: u64,
}

#[derive(Serialize)]
pub(super) struct LayerPart<'a> {
    pub(super) digest: Digest,
    pub(super) media_type: &'a MediaType,
    pub(super) compressed: u64,
    pub(super) unpacked: u64,
    pub(super) entries: u64,
    pub(super) whiteouts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_by: Option<&'a str>,
}

/// Files with the same contents.
#[derive(Serialize)]
pub(super) struct Duplicates {
    /// The size of one.
    pub(super) size: u64,
    pub(super) paths: Vec<String>,
}

/// A file of a layer.
#[derive(Clone, Copy)]
pub(super) struct FilePart<'a>(pub(super) &'a ReportedFile);

impl Serialize for FilePart<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'a> {
            path: String,
            layer: usize,
            size: u64,
            mode: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            digest: Option<Digest>,
            state: &'a str,
            /// The layer that overwrites or deletes it.
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<usize>,
        }
        let ReportedFile { layer, size, mode, digest, .. } = *self.0;
        let (state, by) = self.state();
        let (path, mode) = (self.path(), format!("{mode:04o}"));
        Members { path, layer, size, mode, digest, state, by }.serialize(serializer)
    }
}

impl FilePart<'_> {
    pub(super) fn path(&self) -> String {
        self.0.path.display().to_string()
    }

    /// What became of the file, and by which layer.
    pub(super) fn state(&self) -> (&'static str, Option<usize>) {
        match self.0.fate {
            Fate::Visible => ("visible", None),
            Fate::Overwritten { by } => ("overwritten", Some(by)),
            Fate::Deleted { by } => ("deleted", Some(by)),
        }
    }
}

impl<'a> Explanation<'a> {
    pub(super) fn new(image: String, of: &'a PlatformImage, report: &'a ImageReport) -> Self {
        let (manifest, configuration) = (of.manifest(), of.configuration());
        let mut files: Vec<_> = report.files.iter().map(FilePart).collect();
        files.sort_by_key(|FilePart(file)| Reverse(file.size));
        let duplicates: Vec<_> = report.duplicates().into_iter().map(Duplicates::new).collect();
        let copies = duplicates.iter().map(|group| (group.paths.len() as u64 - 1, group.size));
        let skipped = report.skipped.iter().map(ToString::to_string);
        let layers = layers(manifest, configuration, report);
        Self {
            image,
            digest: of.descriptor().digest,
            platform: configuration.platform().to_string(),
            compressed: Amount::of(layers.iter().map(|layer| layer.compressed)).size,
            unpacked: Amount::of(layers.iter().map(|layer| layer.unpacked)).size,
            visible: Amount::of(report.visible().map(|file| file.size)),
            overwritten: Amount::of(report.overwritten().map(|file| file.size)),
            deleted: Amount::of(report.deleted().map(|file| file.size)),
            duplicated: Amount::of_groups(copies),
            manifest,
            configuration,
            layers,
            duplicates,
            setuid: report.setuid().map(FilePart).collect(),
            warnings: report.warnings.iter().map(ToString::to_string).chain(skipped).collect(),
            files,
        }
    }

    /// The explanation with each file in some form.
    pub(super) fn with_files<F>(&self, file: impl Fn(FilePart<'a>) -> F) -> WithFiles<'_, F> {
        WithFiles { explanation: self, files: self.files.iter().copied().map(file).collect() }
    }

    /// The bytes that the image has more than it needs.
    pub(super) fn waste(&self) -> Amount {
        let parts = [self.overwritten, self.deleted, self.duplicated];
        let files = parts.iter().map(|part| part.files).sum();
        Amount { files, ..Amount::of(parts.map(|part| part.size)) }
    }
}

fn layers<'a>(
    manifest: &'a Manifest,
    configuration: &'a Configuration,
    report: &ImageReport,
) -> Vec<LayerPart<'a>> {
    let mut history = configuration.history.iter().filter(|entry| entry.empty_layer != Some(true));
    let layers = report.layers.iter().zip(&manifest.layers);
    let layer = layers.map(|(layer, descriptor)| LayerPart {
        digest: layer.digest,
        media_type: &descriptor.media_type,
        compressed: layer.blob_size,
        unpacked: layer.size,
        entries: layer.entries,
        whiteouts: layer.whiteouts,
        created_by: history.next().and_then(|entry| entry.created_by.as_deref()),
    });
    layer.collect()
}

impl Duplicates {
    fn new(group: Vec<&ReportedFile>) -> Self {
        let size = group.first().map_or(0, |file| file.size);
        Self { size, paths: group.into_iter().map(|file| FilePart(file).path()).collect() }
    }
}

impl Amount {
    /// The size is the largest number if the sum is larger: a sparse file may claim any size.
    fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        Self::of_groups(sizes.into_iter().map(|size| (1, size)))
    }

    /// Numbers of files of one size.
    fn of_groups(groups: impl IntoIterator<Item = (u64, u64)>) -> Self {
        groups.into_iter().fold(Self { files: 0, size: 0 }, |sum, (files, size)| Self {
            files: sum.files + files,
            size: sum.size.saturating_add(size.saturating_mul(files)),
        })
    }
}
