//! `diff`: what differs between two images.

use std::{iter, process::ExitCode};

use clap::Args;
use oci_layout::{
    Image, PlatformImage, Pool, Result,
    document::Platform,
    rootfs::{
        BytesDiff, DiffLayer, FieldDiff, FileChange, FileDiff, ImageDiff, LayerDiff, MemberDiff,
        image_diff, index_diff,
    },
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    advice, args,
    image_arg::{ImageArg, Registries},
    out::{self, print},
    progress,
    trust::Trust,
};

/// Compares two images: configurations by member, layers, and files.
///
/// Images for several platforms are compared for all of them, with their indexes, unless --platform
/// selects one. A platform that only one image has is a difference. If both images have one
/// platform, they are compared even if it is not the same.
///
/// Layers that both images have at their top are not read. Those that both have at their bottom are
/// read only if the layers above add, replace or remove other paths in one image than in the other.
/// If layers differ although their files are the same, the fields of the compression and of the tar
/// headers that differ are shown. Layers count from 1 here, and from 0 with --json.
///
/// The exit code is 0 if the images are the same, 1 if they differ, and 2 after an error.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout diff image:1.0 image:1.1
  oci-layout diff --json docker://alpine:3.20 docker://alpine:3.21 | jq '.files[].path'")]
pub(crate) struct Diff {
    /// The old image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "OLD", value_parser = args::os(ImageArg::parse))]
    old: ImageArg,

    /// The new image
    #[arg(value_name = "NEW", value_parser = args::os(ImageArg::parse))]
    new: ImageArg,

    /// Compare one platform of images for several platforms [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    #[command(flatten)]
    registries: Registries,

    /// Print everything as JSON. Images for several platforms have a list of `platforms`, each with
    /// its `diff`, and the differences of the `index`
    #[arg(long)]
    json: bool,
}

/// As of `diff` and `cmp`.
const TROUBLE: u8 = 2;

impl Diff {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> ExitCode {
        match self.compare(pool, trust) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                out::say_error(&advice::error(&error));
                ExitCode::from(TROUBLE)
            }
        }
    }

    /// Whether the images are the same.
    fn compare(self, pool: &Pool, trust: &Trust) -> Result<bool> {
        let _locks = [self.old.lock(), self.new.lock()];
        let ((old, old_platforms), (new, mut new_platforms)) =
            (self.images(&self.old, trust)?, self.images(&self.new, trust)?);
        let index = match old.zip(new) {
            Some((old, new)) => index_diff(&old, &new)?,
            None => Vec::new(),
        };
        let compare = |old: &PlatformImage, new: &PlatformImage| {
            progress::show("comparing the images", |_| image_diff(old, new, pool))
        };
        if let ([(_, old)], [(_, new)]) = (&*old_platforms, &*new_platforms) {
            let diff = compare(old, new)?;
            let is_same = diff.is_empty() && index.is_empty();
            match self.json {
                true => out::print_json(&OneDiff { diff, index })?,
                false => members("index", &index).chain(lines(&diff)).try_for_each(print)?,
            }
            return Ok(is_same);
        }
        let mut platforms = Vec::new();
        for (platform, old) in old_platforms {
            let is_same = |(other, _): &OfPlatform| {
                platform.accepts(other) && platform.os_version == other.os_version
            };
            platforms.push(match new_platforms.iter().position(is_same) {
                Some(at) => PlatformDiff {
                    platform: platform.to_string(),
                    change: FileChange::Changed,
                    diff: Some(compare(&old, &new_platforms.remove(at).1)?),
                },
                None => PlatformDiff::only(&platform, FileChange::Removed),
            });
        }
        let added = |(platform, _): &OfPlatform| PlatformDiff::only(platform, FileChange::Added);
        platforms.extend(new_platforms.iter().map(added));
        platforms.retain(|found| found.diff.as_ref().is_none_or(|diff| !diff.is_empty()));
        let is_same = platforms.is_empty() && index.is_empty();
        match self.json {
            true => out::print_json(&json!({ "platforms": platforms, "index": index }))?,
            false => members("index", &index)
                .chain(platforms.iter().flat_map(PlatformDiff::lines))
                .try_for_each(print)?,
        }
        Ok(is_same)
    }

    /// The whole image, and that for each platform; or only the image for the platform that is
    /// selected.
    fn images(&self, image: &ImageArg, trust: &Trust) -> Result<(Option<Image>, Vec<OfPlatform>)> {
        if self.platform.is_none() {
            let whole = image.whole(&self.registries, trust)?;
            let platforms = whole.platform_images()?;
            if !platforms.is_empty() {
                return Ok((Some(whole), platforms));
            }
        }
        let image = image.open(self.platform.as_ref(), &self.registries, trust)?;
        Ok((None, vec![(image.configuration().platform(), image)]))
    }
}

/// What differs between images for one platform.
#[derive(Serialize)]
struct OneDiff {
    #[serde(flatten)]
    diff: ImageDiff,
    index: Vec<MemberDiff>,
}

type OfPlatform = (Platform, PlatformImage);

/// What differs for one platform of images for several.
#[derive(Serialize)]
struct PlatformDiff {
    platform: String,
    /// Whether only one image has the platform.
    change: FileChange,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<ImageDiff>,
}

impl PlatformDiff {
    fn only(platform: &Platform, change: FileChange) -> Self {
        Self { platform: platform.to_string(), change, diff: None }
    }

    fn lines(&self) -> Vec<String> {
        let Self { platform, change, diff } = self;
        match (change, diff) {
            (_, Some(diff)) => {
                iter::once(format!("platform {platform}:")).chain(lines(diff)).collect()
            }
            (FileChange::Added, None) => vec![format!("added platform {platform}")],
            (_, None) => vec![format!("removed platform {platform}")],
        }
    }
}

fn lines(diff: &ImageDiff) -> impl Iterator<Item = String> {
    let ImageDiff { manifest, configuration, layers, files, .. } = diff;
    let layers = layers.iter().flat_map(layer);
    let files = files.iter().map(file);
    members("manifest", manifest)
        .chain(members("configuration", configuration))
        .chain(layers)
        .chain(files)
}

fn members<'a>(
    of: &'static str,
    members: &'a [MemberDiff],
) -> impl Iterator<Item = String> + use<'a> {
    members.iter().map(move |found| member(of, found))
}

fn member(of: &str, MemberDiff { member, old, new, .. }: &MemberDiff) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), Value::to_string);
    let what = match &**member {
        "" => format!("{of}: same members in other bytes"),
        member => format!("{of} {member}"),
    };
    format!("{what}: {} -> {}", shown(old), shown(new))
}

fn layer(LayerDiff { old, new, bytes, .. }: &LayerDiff) -> Vec<String> {
    let number = old.as_ref().or(new.as_ref()).map_or(0, |layer| layer.number) + 1;
    let shown = |layer: &Option<DiffLayer>| match layer {
        None => "none".to_owned(),
        Some(DiffLayer { digest, size, media_type, .. }) => {
            format!("{digest}, {size} bytes of {media_type}")
        }
    };
    let mut lines = vec![format!("layer {number}: {} -> {}", shown(old), shown(new))];
    lines.extend(bytes.iter().map(|found| {
        let BytesDiff { path, count, field, .. } = found;
        let place = path.as_ref().map(|path| match count {
            1 => format!(" ({})", path.display()),
            count => format!(" ({} and {} more)", path.display(), count - 1),
        });
        format!("layer {number}, {}{}", change(field), place.unwrap_or_default())
    }));
    lines
}

fn file(FileDiff { path, change: what, fields, .. }: &FileDiff) -> String {
    let path = path.display();
    match what {
        FileChange::Added => format!("added {path}"),
        FileChange::Removed => format!("removed {path}"),
        FileChange::Changed => {
            let fields: Vec<_> = fields.iter().map(change).collect();
            format!("changed {path}: {}", fields.join(", "))
        }
    }
}

fn change(FieldDiff { field, old, new, .. }: &FieldDiff) -> String {
    let shown = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
    match &**field {
        // Digests say no more.
        "contents" => field.clone(),
        field => format!("{field} {} -> {}", shown(old), shown(new)),
    }
}
