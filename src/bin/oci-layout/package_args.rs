//! Options of `serve` for images of packages, which are made when somebody pulls them.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Pool, Result,
    on_demand::{
        NameOptions, Names, NixOptions, NixPackages, PackageImages, PackageImagesOptions,
        SourceKind, SourceOptions,
    },
};

use crate::{base_folders, errors};

/// The heading of these options in the help.
const PACKAGES: &str = "Images of packages";

#[derive(Args)]
pub(crate) struct PackageArgs {
    /// Serve images of packages by their names: shell/git/htop has a shell and two packages, which
    /// Nix substitutes when somebody pulls it. The package set is path:DIR (a folder with a
    /// default.nix, such as nixpkgs), git:URL, channel:NAME or flake:REF
    #[arg(long, value_name = "SOURCE", value_parser = source, help_heading = PACKAGES)]
    packages: Option<SourceKind>,

    /// Folder that remembers images, and keeps the garbage collector away from their packages. By
    /// default, it is in $XDG_STATE_HOME or ~/.local/state
    #[arg(long, value_name = "DIR", requires = "packages", help_heading = PACKAGES)]
    state: Option<PathBuf>,

    /// Build packages that no binary cache has. Otherwise, they are errors
    #[arg(long, requires = "packages", help_heading = PACKAGES)]
    allow_builds: bool,

    /// Run as root. Nix's evaluator then reads untrusted package sets as root too
    #[arg(long, requires = "packages", help_heading = PACKAGES)]
    allow_root: bool,
}

fn source(text: &str) -> Result<SourceKind> {
    text.parse()
}

impl PackageArgs {
    /// The images, if there is a package set.
    pub(crate) fn images(self, pool: &Pool) -> Result<Option<PackageImages>> {
        let Some(source) = self.packages else { return Ok(None) };
        let reason = "this user has no home directory: name a folder for the state";
        let default = || base_folders::state("packages");
        let state = self.state.or_else(default);
        let state = state.ok_or_else(|| errors::invalid("--state", reason))?;
        let mut options = NixOptions::default();
        options.environment.extend(environment());
        options.allow_builds = self.allow_builds;
        let packages = NixPackages::new(&source, SourceOptions::default(), options, &state)?;
        packages.check(self.allow_root)?;
        let names = Names::new(NameOptions::default())?;
        let mut options = PackageImagesOptions::new(state).names(names.words()).pool(pool);
        if let Some(store) = env::var_os("NIX_STORE_DIR").filter(|store| is_folder(store)) {
            options = options.store(store);
        }
        PackageImages::open(packages, move |name| names.contents(name), options).map(Some)
    }
}

fn is_folder(path: impl AsRef<Path>) -> bool {
    path.as_ref().is_absolute()
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
