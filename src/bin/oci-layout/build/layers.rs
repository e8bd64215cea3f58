//! The layers of an image, from arguments in the order of the command line.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use oci_layout::{
    BaseFiles, Blob, Compression, FileMapping, ImageConfig, Layer, LayerOptions, LayerSpec,
    PlatformImage, Pool, Result, TarLayer, WriteOptions, folder, missing_libraries,
    split::SplitOptions,
};

use crate::{
    Warnings,
    base_args::{AboveArgs, BaseArgs},
    layer_args::{FILES, LayerArgs, at},
    reuse_args::ReuseArgs,
    steps::{pack, pack_split, read_spec},
    trust::Trust,
};

/// The options that begin a layer.
#[derive(Args)]
#[command(next_help_heading = FILES)]
struct OrderArgs {
    /// Begin a new layer. The files of all options after this one go into it, above the layers
    /// before. May be repeated
    #[arg(long, action = ArgAction::Append, num_args = 0, default_missing_value = "true")]
    new_layer: Vec<bool>,

    /// JSON file that describes a separate layer: its files and their attributes; - is standard
    /// input. Options for files do not apply to it. May be repeated
    #[arg(long, value_name = "FILE")]
    spec: Vec<PathBuf>,

    /// Folder of a layer, written by layer-tar. May be repeated
    #[arg(long, value_name = "DIR")]
    layer: Vec<PathBuf>,
}

/// Where layers begin, each with the position of its argument.
#[derive(Clone)]
pub(crate) struct LayerOrder(Vec<(usize, Plan)>);

/// A layer to be made or opened.
#[derive(Clone)]
pub(super) enum Plan {
    Files(Vec<FileMapping>),
    Spec(PathBuf),
    Folder(PathBuf),
}

impl FromArgMatches for LayerOrder {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let OrderArgs { new_layer, spec, layer } = OrderArgs::from_arg_matches(matches)?;
        let new = at(matches, "new_layer", new_layer).into_iter();
        let spec = at(matches, "spec", spec).into_iter();
        let layer = at(matches, "layer", layer).into_iter();
        let all = new
            .map(|(at, _)| (at, Plan::Files(Vec::new())))
            .chain(spec.map(|(at, path)| (at, Plan::Spec(path))))
            .chain(layer.map(|(at, path)| (at, Plan::Folder(path))));
        Ok(Self(all.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for LayerOrder {
    fn augment_args(command: Command) -> Command {
        OrderArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        OrderArgs::augment_args_for_update(command)
    }
}

impl LayerOrder {
    /// Returns the layers, lowest first. Files without a layer before them begin one.
    pub(super) fn plan(&self, args: &LayerArgs) -> Result<Vec<Plan>> {
        let ignore = args.ignore_files()?;
        let files = args
            .files
            .0
            .iter()
            .map(|(at, file)| (*at, Plan::Files(vec![args.complete(file.clone(), &ignore)])));
        let is_new = |plan: &Plan| matches!(plan, Plan::Files(files) if files.is_empty());
        let mut all: Vec<_> = self.0.iter().cloned().chain(files).collect();
        all.sort_by_key(|(at, _)| *at);
        let mut plans: Vec<Plan> = Vec::new();
        for (_, next) in all {
            match (plans.last_mut(), next) {
                (Some(Plan::Files(files)), Plan::Files(next)) if !next.is_empty() => {
                    files.extend(next);
                }
                (_, next) => plans.push(next),
            }
        }
        plans.retain(|plan| !is_new(plan));
        Ok(plans)
    }
}

/// What all layers of a build have in common.
pub(super) struct Packer<'a> {
    pub(super) args: &'a LayerArgs,
    pub(super) base: &'a BaseArgs,
    pub(super) above: AboveArgs,
    pub(super) reuse: &'a ReuseArgs,
    pub(super) compression: Option<Compression>,
    pub(super) lazy: bool,
    /// Whether there is more than one layer of files.
    pub(super) several: bool,
    /// The folder for blobs.
    pub(super) dir: &'a Path,
    pub(super) write: WriteOptions,
    pub(super) pool: &'a Pool,
    pub(super) warnings: Warnings,
    pub(super) trust: &'a Trust,
}

/// The layers above the base image, lowest first.
#[derive(Clone, Default)]
pub(super) struct Packed {
    pub(super) all: Vec<Arc<dyn Layer>>,
    /// Those of them that were just made. Layers of folders are not.
    made: Vec<TarLayer>,
}

impl Packed {
    /// Splits the image into the layers that were just made and what is below them. `None` if a
    /// layer of a folder is above one of them.
    pub(super) fn split(&self, base: Option<&PlatformImage>) -> Option<(&[TarLayer], BaseFiles)> {
        let (below, above) = self.all.split_at(self.all.len() - self.made.len());
        let digest = |layer: &dyn Blob| layer.descriptor().digest;
        let is_made = above.iter().zip(&self.made).all(|(one, made)| digest(one) == digest(made));
        let base = base.map_or_else(BaseFiles::default, BaseFiles::from);
        let base = below.iter().fold(base, |base, layer| base.and(Arc::clone(layer)));
        is_made.then_some((&self.made, base))
    }
}

impl Packer<'_> {
    /// Makes these layers above the base image.
    pub(super) fn pack(
        &self,
        plans: &[Plan],
        base: Option<&PlatformImage>,
        split: Option<&SplitOptions>,
    ) -> Result<Packed> {
        let mut packed = Packed::default();
        plans.iter().try_for_each(|plan| self.add(plan, base, split, &mut packed))?;
        Ok(packed)
    }

    /// Makes one more layer above all others, or several if it is split.
    pub(super) fn add(
        &self,
        plan: &Plan,
        base: Option<&PlatformImage>,
        split: Option<&SplitOptions>,
        packed: &mut Packed,
    ) -> Result<()> {
        let below = base.map(BaseFiles::from);
        let below = packed
            .all
            .iter()
            .fold(below, |below, layer| Some(below.unwrap_or_default().and(Arc::clone(layer))));
        let LayerSpec { files, options, .. } = match plan {
            Plan::Files(files) => LayerSpec {
                files: files.clone(),
                options: self.args.apply(LayerOptions::default())?,
            },
            Plan::Spec(path) => read_spec(path)?,
            Plan::Folder(path) => {
                for layer in folder::open_layers(std::slice::from_ref(path), &self.trust.recipes())?
                {
                    if let Some(below) = &below {
                        self.above.check(self.base, below, &layer, self.warnings)?;
                    }
                    packed.all.push(Arc::new(layer));
                }
                return Ok(());
            }
        };
        let compression = self.compression.unwrap_or(options.compression);
        let mut options = self.above.options(options, self.base, below);
        if self.several {
            // A glob may match in another layer.
            let rules = options.permissions.iter().map(|rule| &rule.glob);
            let globs = options.include.iter().chain(&options.exclude).chain(rules);
            let globs: Vec<_> = globs.cloned().collect();
            options.optional_globs.extend(globs);
        }
        let options = options.compression(compression).write(self.write).pool(self.pool);
        let options = self.reuse.options(options, self.base, self.trust)?;
        let split = split.filter(|_| matches!(plan, Plan::Files(_)));
        let layers = match split {
            Some(split) => pack_split(files, options, split, self.lazy, self.dir, self.warnings)?,
            None => vec![pack(files, options, self.lazy, self.dir, self.warnings)?],
        };
        for layer in layers {
            packed.made.push(layer.clone());
            packed.all.push(layer.into());
        }
        Ok(())
    }

    /// Adds the libraries of this machine that the image lacks.
    pub(super) fn add_libraries(
        &self,
        config: &ImageConfig,
        base: Option<&PlatformImage>,
        packed: &mut Packed,
    ) -> Result<()> {
        let Some((made, below)) = packed.split(base) else { return Ok(()) };
        let libraries = missing_libraries(config, made, Some(&self.base.cached(below)))?;
        if libraries.is_empty() {
            return Ok(());
        }
        let files = libraries.into_iter().map(FileMapping::at_source).collect();
        self.add(&Plan::Files(files), base, None, packed)
    }
}
