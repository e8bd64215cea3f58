//! Images of packages, as they are configured.

use std::{
    collections::BTreeMap, env, ffi::OsString, io, path::Path, sync::Arc, thread, time::Duration,
};

use oci_layout::{
    Pool, Report, Result,
    on_demand::{DeclaredImages, Eviction, NixPackages, PackageImages, PackageImagesOptions},
    registry::{Endpoint, Serving},
    serve_config::{LimitSection, ServeConfig, Source},
};

use crate::{args, base_folders, declared::Declared, errors, registries, serve_log::ServeLog};

/// Images of packages that are served.
pub(super) struct Packages {
    images: Arc<PackageImages>,
    declared: Declared,
}

impl Packages {
    /// Opens the images, if there is a package set.
    pub(super) fn open(config: &ServeConfig, pool: &Pool, log: ServeLog) -> Result<Option<Self>> {
        let Some(Source(source)) = &config.packages.source else { return Ok(None) };
        let reason = "this user has no home directory: name a folder for the state";
        let default = || base_folders::state("packages");
        let state = config.packages.state.clone().or_else(default);
        let state = state.ok_or_else(|| errors::invalid("--state", reason))?;
        let declared = Declared { images: Arc::new(declared_images(config)?), log };
        let mut options = config.nix_options();
        options.environment.extend(environment());
        let packages = NixPackages::new(source, config.source_options(), options, &state)?;
        packages.check(config.packages.allow_root)?;
        let mut options = PackageImagesOptions::new(state)
            .layering(config.layering(args::read_json)?)
            .pin(config.packages.pin.0)
            .stored_layers(config.packages.store_layers.0)
            .redirect(config.storage.redirect)
            .pool(pool);
        options.storage = config.storage.open(variables(), &registries::client()?)?;
        if let Some(store) =
            env::var_os("NIX_STORE_DIR").filter(|store| Path::new(store).is_absolute())
        {
            options = options.store(store);
        }
        let images = PackageImages::open(packages, Arc::clone(&declared.images), options)?;
        let images = Arc::new(images);
        if let Some(eviction) = config.eviction() {
            evict_each_hour(&images, eviction, log)
                .map_err(|cause| errors::invalid("--keep or --max-size", cause.to_string()))?;
        }
        if config.packages.images.is_some() {
            declared.watch().map_err(|cause| errors::invalid("--images", cause.to_string()))?;
        }
        Ok(Some(Self { images, declared }))
    }
}

/// Adds the images to an endpoint, and the form of their names to the references.
pub(super) fn added(
    packages: Option<&Packages>,
    endpoint: Endpoint,
    mut references: Vec<String>,
) -> (Endpoint, Vec<String>) {
    let Some(packages) = packages else { return (endpoint, references) };
    // Which packages there are, only Nix knows.
    references.push("NAME/NAME…".to_owned());
    references.extend(packages.declared.images.references());
    (endpoint.named_images(Arc::clone(&packages.images)), references)
}

/// Reads the declared images again, and puts those parts of a new configuration into effect that can
/// change while the server runs.
pub(super) fn reload(
    packages: Option<&Packages>,
    serving: &Serving,
    running: &mut ServeConfig,
    new: Option<ServeConfig>,
) {
    let names = new.and_then(|new| {
        serving.set_making_limits(new.making_limits());
        // A configuration with contradictory names is not read.
        let names = new.parsed_names().ok();
        (running.names, running.metapackages) = (new.names, new.metapackages);
        let LimitSection { at_once, queue, per_client, retry, .. } = new.limits;
        let limits = running.limits.clone();
        running.limits = LimitSection { at_once, queue, per_client, retry, ..limits };
        names
    });
    if let Some(packages) = packages {
        packages.declared.reload(names);
    }
}

/// Checks what can be checked without Nix, and without writing.
pub(super) fn check(config: &ServeConfig) -> Result<()> {
    let _ = config.layering(args::read_json)?;
    let _ = declared_images(config)?;
    if config.storage.folder.is_none() {
        config.storage.open(variables(), &registries::client()?)?;
    }
    Ok(())
}

/// The declared images, and those of packages.
fn declared_images(config: &ServeConfig) -> Result<DeclaredImages> {
    DeclaredImages::open(config.packages.images.as_deref(), config.parsed_names()?)
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

/// The environment variables that are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(text)
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
    variables().filter(|(name, _)| is_needed(name)).collect()
}
