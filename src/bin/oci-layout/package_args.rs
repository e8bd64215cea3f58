//! Options of `serve` for images of packages, which are made when somebody pulls them.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use oci_layout::{
    Result,
    on_demand::{SourceKind, StoredLayers},
    serve_config::{Number, Period, ServeConfig, Size, Source, Stored},
};

use crate::{
    args,
    serve::config::{help, set},
};

/// The heading of these options in the help.
const PACKAGES: &str = "Images of packages";

/// What says that packages are served: an option, or a file that may do so.
const SERVED: &str = "served";

#[derive(Args)]
#[command(group(ArgGroup::new(SERVED).args(["packages", "config"]).multiple(true)))]
pub(crate) struct PackageArgs {
    #[arg(long, value_name = "SOURCE", value_parser = source, help_heading = PACKAGES)]
    #[arg(help = help("packages.source"))]
    packages: Option<SourceKind>,

    #[arg(long, value_name = "FILE|DIR", requires = SERVED, help_heading = PACKAGES)]
    #[arg(help = help("packages.images"))]
    images: Option<PathBuf>,

    #[arg(long, value_name = "DIR", requires = SERVED, help_heading = PACKAGES)]
    #[arg(help = help("packages.state"))]
    state: Option<PathBuf>,

    #[arg(long, requires = SERVED, help_heading = PACKAGES, help = help("packages.allow-builds"))]
    allow_builds: bool,

    #[arg(long, value_name = "SECONDS", requires = SERVED, help_heading = PACKAGES)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=7 * 24 * 60 * 60))]
    #[arg(help = help("limits.nix-timeout"))]
    nix_timeout: Option<u64>,

    #[arg(long, value_name = "DAYS", requires = SERVED, help_heading = PACKAGES)]
    #[arg(help = help("eviction.keep"))]
    keep: Option<u32>,

    #[arg(long, value_name = "GIB", requires = SERVED, help_heading = PACKAGES)]
    #[arg(help = help("eviction.max-size"))]
    max_size: Option<u32>,

    #[arg(long, value_name = "FILE", requires = SERVED, help_heading = PACKAGES)]
    #[arg(help = help("packages.plan"))]
    plan: Option<PathBuf>,

    #[arg(long, value_name = "COUNT", requires = SERVED, help_heading = PACKAGES)]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=127))]
    #[arg(help = help("packages.max-layers"))]
    max_layers: Option<u32>,

    #[arg(long, value_name = "WHICH", requires = SERVED, help_heading = PACKAGES)]
    #[arg(value_parser = args::one_of(STORED), help = help("packages.store-layers"))]
    store_layers: Option<StoredLayers>,

    #[arg(long, requires = SERVED, help_heading = PACKAGES, help = help("packages.allow-root"))]
    allow_root: bool,
}

const STORED: &[(&str, StoredLayers, &str)] = &[
    ("never", StoredLayers::Never, "None"),
    ("built", StoredLayers::Built, "Those with packages that were built on this machine"),
    ("always", StoredLayers::Always, "All"),
];

fn source(text: &str) -> Result<SourceKind> {
    text.parse()
}

impl PackageArgs {
    /// Replaces what the options say.
    pub(crate) fn apply(&self, config: &mut ServeConfig) {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let ServeConfig { packages, limits, eviction, .. } = config;
        set(&mut packages.source, self.packages.clone().map(|source| Some(Source(source))));
        set(&mut packages.images, self.images.clone().map(Some));
        set(&mut packages.state, self.state.clone().map(Some));
        packages.allow_builds |= self.allow_builds;
        set(&mut limits.nix_timeout, self.nix_timeout.map(Period::seconds));
        set(&mut eviction.keep, self.keep.map(|days| Some(Period(DAY * days))));
        set(&mut eviction.max_size, self.max_size.map(|gib| Some(Size(u64::from(gib) << 30))));
        set(&mut packages.plan, self.plan.clone().map(Some));
        set(&mut packages.max_layers, self.max_layers.map(Number));
        set(&mut packages.store_layers, self.store_layers.map(Stored));
        packages.allow_root |= self.allow_root;
    }
}
