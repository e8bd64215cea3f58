//! The options of the library that a configuration means.

use std::path::Path;

use serde_json::Value;

use crate::{
    basics::error::Result,
    closure::plan::LayerPlan,
    on_demand::{Eviction, Layering, NameOptions, Names, NixOptions, SourceOptions},
    registry::MakingLimits,
    serve_config::{config::ServeConfig, packages::MOST_REMEMBERED},
};

impl ServeConfig {
    /// How Nix is run. Its programs and environment are not part of the configuration.
    pub fn nix_options(&self) -> NixOptions {
        let Self { packages, limits, .. } = self;
        NixOptions {
            settings: packages.nix.clone(),
            allow_builds: packages.allow_builds,
            jobs: limits.builds.0,
            evaluation_time: limits.evaluation_time.0,
            realisation_time: limits.nix_timeout.0,
            silent_time: limits.silent_time.0,
            evaluation_memory: limits.evaluation_memory.map(|size| size.0),
            closure_size: limits.closure_size.0,
            ..NixOptions::default()
        }
    }

    /// What tags mean.
    pub fn source_options(&self) -> SourceOptions {
        let packages = &self.packages;
        SourceOptions {
            tags: packages.tags.clone(),
            branches: packages.branches.clone(),
            channels: packages.channels.clone(),
            // The state remembers a tag for the rest of the time.
            remember: packages.pin.0.min(MOST_REMEMBERED),
        }
    }

    /// What names mean.
    ///
    /// # Errors
    ///
    /// The errors of [`Names::new`].
    pub fn parsed_names(&self) -> Result<Names> {
        Names::new(NameOptions {
            platform: self.names.platform.0.clone(),
            aliases: self.names.aliases.clone(),
            always: self.names.always.clone(),
            metapackages: self.metapackages.clone(),
        })
    }

    /// How many images are made.
    pub fn making_limits(&self) -> MakingLimits {
        MakingLimits {
            at_once: self.limits.at_once.0 as usize,
            queued: self.limits.queue.0 as usize,
            of_client: self.limits.per_client.0 as usize,
            remember_failures: self.limits.retry.0,
        }
    }

    /// Which images are forgotten, if any are.
    pub fn eviction(&self) -> Option<Eviction> {
        let eviction = Eviction {
            max_age: self.eviction.keep.map(|time| time.0),
            max_bytes: self.eviction.max_size.map(|size| size.0),
            ..Eviction::default()
        };
        (eviction.max_age.is_some() || eviction.max_bytes.is_some()).then_some(eviction)
    }

    /// How store paths become layers. `read` reads the plan.
    ///
    /// # Errors
    ///
    /// Those of `read`, and of [`LayerPlan::from_value`].
    pub fn layering(&self, read: impl FnOnce(&Path) -> Result<Value>) -> Result<Layering> {
        let layering = Layering::default()
            .max_layers(self.packages.max_layers.0 as usize)
            .compression(self.packages.compression.0);
        match &self.packages.plan {
            Some(plan) => Ok(layering.plan(LayerPlan::from_value(read(plan)?)?)),
            None => Ok(layering),
        }
    }
}
