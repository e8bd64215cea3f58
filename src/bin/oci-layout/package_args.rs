//! Options of `serve` for images of packages, which are made when somebody pulls them.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use clap::Args;
use oci_layout::{
    Pool, Report, Result,
    closure::LayerPlan,
    on_demand::{
        Eviction, Layering, NameOptions, Names, NixOptions, NixPackages, PackageImages,
        PackageImagesOptions, SourceKind, SourceOptions,
    },
};

use crate::{args, base_folders, declared::Declared, errors, serve_log::ServeLog};

/// The heading of these options in the help.
const PACKAGES: &str = "Images of packages";

#[derive(Args)]
pub(crate) struct PackageArgs {
    /// Serve images of packages by their names: shell/git/htop has a shell and two packages, which
    /// Nix substitutes when somebody pulls it. The package set is path:DIR (a folder with a
    /// default.nix, such as nixpkgs), git:URL, channel:NAME or flake:REF
    #[arg(long, value_name = "SOURCE", value_parser = source, help_heading = PACKAGES)]
    packages: Option<SourceKind>,

    /// Serve the images that this file or folder declares by names of their own: TOML, YAML or JSON.
    /// Changes are served within seconds
    #[arg(long, value_name = "FILE|DIR", requires = "packages", help_heading = PACKAGES)]
    images: Option<PathBuf>,

    /// Folder that remembers images, and keeps the garbage collector away from their packages. By
    /// default, it is in $XDG_STATE_HOME or ~/.local/state
    #[arg(long, value_name = "DIR", requires = "packages", help_heading = PACKAGES)]
    state: Option<PathBuf>,

    /// Build packages that no binary cache has. Otherwise, they are errors
    #[arg(long, requires = "packages", help_heading = PACKAGES)]
    allow_builds: bool,

    /// How long Nix may substitute and build the packages of one image
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1800,
        value_parser = clap::value_parser!(u64).range(1..=7 * 24 * 60 * 60),
        requires = "packages",
        help_heading = PACKAGES
    )]
    nix_timeout: u64,

    /// Once an hour, forget images that nobody pulled for so many days. Nix's garbage collector can
    /// then remove their packages
    #[arg(long, value_name = "DAYS", requires = "packages", help_heading = PACKAGES)]
    keep: Option<u32>,

    /// Once an hour, forget the images that nobody pulled for the longest time, until the packages
    /// of the others have this size. Images of the last hour stay
    #[arg(long, value_name = "GIB", requires = "packages", help_heading = PACKAGES)]
    max_size: Option<u32>,

    /// Plan that plan-layers wrote, by which images share layers. Another plan gives every image other
    /// layers
    #[arg(long, value_name = "FILE", requires = "packages", help_heading = PACKAGES)]
    plan: Option<PathBuf>,

    /// The maximum number of layers of an image, at least 2
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 60,
        value_parser = clap::value_parser!(u16).range(2..=127),
        requires = "packages",
        help_heading = PACKAGES
    )]
    max_layers: u16,

    /// Run as root. Nix's evaluator then reads untrusted package sets as root too
    #[arg(long, requires = "packages", help_heading = PACKAGES)]
    allow_root: bool,
}

fn source(text: &str) -> Result<SourceKind> {
    text.parse()
}

impl PackageArgs {
    /// The images, if there is a package set, and those among them that are declared.
    pub(crate) fn images(
        self,
        pool: &Pool,
        log: ServeLog,
    ) -> Result<Option<(Arc<PackageImages>, Option<Declared>)>> {
        let eviction = self.eviction();
        let Some(source) = self.packages else { return Ok(None) };
        let reason = "this user has no home directory: name a folder for the state";
        let default = || base_folders::state("packages");
        let state = self.state.or_else(default);
        let state = state.ok_or_else(|| errors::invalid("--state", reason))?;
        let names = Names::new(NameOptions::default())?;
        let declared = self.images.map(|path| Declared::open(&path, names.clone(), log));
        let declared = declared.transpose()?;
        let mut options = NixOptions::default();
        options.environment.extend(environment());
        options.allow_builds = self.allow_builds;
        options.realisation_time = Duration::from_secs(self.nix_timeout);
        let packages = NixPackages::new(&source, SourceOptions::default(), options, &state)?;
        packages.check(self.allow_root)?;
        let mut layering = Layering::default().max_layers(self.max_layers.into());
        if let Some(plan) = self.plan {
            layering = layering.plan(LayerPlan::from_value(args::read_json(&plan)?)?);
        }
        let options = PackageImagesOptions::new(state).layering(layering);
        let mut options = options.pool(pool);
        if let Some(store) =
            env::var_os("NIX_STORE_DIR").filter(|store| Path::new(store).is_absolute())
        {
            options = options.store(store);
        }
        let images = Arc::new(match &declared {
            Some(declared) => {
                declared.watch().map_err(|cause| errors::invalid("--images", cause.to_string()))?;
                PackageImages::open(packages, Arc::clone(&declared.images), options)?
            }
            None => PackageImages::open(packages, names, options)?,
        });
        if let Some(eviction) = eviction {
            evict_each_hour(&images, eviction, log)
                .map_err(|cause| errors::invalid("--keep or --max-size", cause.to_string()))?;
        }
        Ok(Some((images, declared)))
    }

    /// Which images are forgotten, if any are.
    fn eviction(&self) -> Option<Eviction> {
        let day = Duration::from_secs(24 * 60 * 60);
        let eviction = match self.keep {
            Some(days) => Eviction::default().max_age(day * days),
            None => Eviction::default(),
        };
        match (self.keep, self.max_size) {
            (None, None) => None,
            (_, None) => Some(eviction),
            (_, Some(size)) => Some(eviction.max_bytes(u64::from(size) << 30)),
        }
    }
}

/// Starts a thread that evicts images now and each hour, as long as they are served.
fn evict_each_hour(
    images: &Arc<PackageImages>,
    eviction: Eviction,
    log: ServeLog,
) -> io::Result<()> {
    let images = Arc::downgrade(images);
    let evict = move || {
        while let Some(images) = images.upgrade() {
            match images.evict(&eviction) {
                Ok(evicted) if evicted.images > 0 => log.note(&format!(
                    "{} images are forgotten; {} are left, whose packages have {} MiB",
                    evicted.images,
                    evicted.left,
                    evicted.bytes >> 20
                )),
                Ok(_) => {}
                Err(error) => log.warning(&format!("no images are forgotten: {}", Report(&error))),
            }
            drop(images);
            thread::sleep(Duration::from_secs(60 * 60));
        }
    };
    thread::Builder::new().spawn(evict).map(drop)
}

/// What Nix and git need of the environment: where programs are, which store and which proxy. The
/// search path of Nix expressions is not among it.
fn environment() -> BTreeMap<String, String> {
    let is_needed = |name: &str| {
        let name = name.to_ascii_uppercase();
        let is_proxy = name.ends_with("_PROXY");
        let is_nix = name.starts_with("NIX_") && name != "NIX_PATH";
        is_proxy || is_nix || ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&&*name)
    };
    let variables = env::vars_os();
    let texts = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| is_needed(name)).collect()
}
