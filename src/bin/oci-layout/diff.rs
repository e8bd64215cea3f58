//! `diff`: what differs between two images.

use std::process::ExitCode;

use clap::Args;
use oci_layout::{
    Pool, Result,
    rootfs::{
        BytesDiff, DiffLayer, FieldDiff, FileChange, FileDiff, ImageDiff, LayerDiff, MemberDiff,
        image_diff,
    },
};
use serde_json::Value;

use crate::{
    args,
    image_arg::{ImageArg, ImageOptions},
    out::{self, print},
    progress,
    trust::Trust,
};

/// Compares two images: configurations by member, layers, and files.
///
/// Layers that both images have at their bottom or top are not read: a file counts as added or
/// removed as the other layers say. If layers differ although their files are the same, the fields
/// of the compression and of the tar headers that differ are shown.
///
/// The exit code is 0 if the images are the same, 1 if they differ, and 2 after an error.
#[derive(Args)]
#[command(after_help = "\
Example:
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

    #[command(flatten)]
    options: ImageOptions,

    /// Print everything as JSON
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
                out::say_error(&error);
                ExitCode::from(TROUBLE)
            }
        }
    }

    /// Whether the images are the same.
    fn compare(self, pool: &Pool, trust: &Trust) -> Result<bool> {
        let (old, _old_lock) = self.options.open(&self.old, trust)?;
        let (new, _new_lock) = self.options.open(&self.new, trust)?;
        let diff = progress::show("comparing the images", |_| image_diff(&old, &new, pool))?;
        if self.json {
            out::print_json(&diff)?;
        } else {
            lines(&diff).try_for_each(print)?;
        }
        Ok(diff.is_empty())
    }
}

fn lines(diff: &ImageDiff) -> impl Iterator<Item = String> {
    let ImageDiff { manifest, configuration, layers, files, .. } = diff;
    let members = |of: &'static str, members: &[MemberDiff]| {
        members.iter().map(move |found| member(of, found)).collect::<Vec<_>>()
    };
    let layers = layers.iter().flat_map(layer);
    let files = files.iter().map(file);
    members("manifest", manifest)
        .into_iter()
        .chain(members("configuration", configuration))
        .chain(layers)
        .chain(files)
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
    let number = old.as_ref().or(new.as_ref()).map_or(0, |layer| layer.number);
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
