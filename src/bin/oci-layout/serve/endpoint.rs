//! An endpoint as it is configured.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use oci_layout::{Error, ImageLayout, Pool, Result, registry::Endpoint, serve_config::ServeConfig};

use crate::{args::NamedFolder, errors, trust::Trust};

/// Opens the layouts of the configuration and of the command line, and reads the files of the
/// configuration.
pub(super) fn endpoint(
    config: &ServeConfig,
    given: Vec<NamedFolder>,
    pool: &Pool,
    trust: &Trust,
) -> Result<Endpoint> {
    let configured = config.layouts.iter().filter(|(name, _)| {
        // The command line takes precedence.
        !given.iter().any(|given| given.name.as_ref() == Some(name))
    });
    let configured =
        configured.map(|(name, dir)| NamedFolder { name: Some(name.clone()), dir: dir.clone() });
    let layouts: Vec<_> = configured.chain(given.iter().cloned()).collect();
    #[cfg(feature = "on-demand")]
    if config.packages.images.is_some() && config.packages.source.is_none() {
        let reason = "images are made of packages: add source to [packages]";
        return Err(errors::invalid("packages.images", reason));
    }
    let endpoint = Endpoint::new(repositories(layouts, trust)?)?.pool(pool).hosts(&config.hosts)?;
    let endpoint = endpoint.page(config.page);
    let endpoint = match (&config.tls.cert, &config.tls.key) {
        (Some(certificate), Some(key)) => endpoint.certificate(certificate, key)?,
        _ => endpoint,
    };
    let endpoint = match &config.htpasswd {
        Some(file) => endpoint.htpasswd(file)?,
        None => endpoint,
    };
    let endpoint = match &config.access {
        Some(file) => endpoint.access(file)?,
        None => endpoint,
    };
    #[cfg(feature = "on-demand")]
    let endpoint = endpoint.making_limits(config.making_limits());
    Ok(match config.operations {
        Some(address) => endpoint.operations(address.0),
        None => endpoint,
    })
}

/// Opens the layouts, with the names of their repositories.
fn repositories(layouts: Vec<NamedFolder>, trust: &Trust) -> Result<Vec<(String, ImageLayout)>> {
    let mut dirs: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut repositories = Vec::new();
    for NamedFolder { name, dir } in layouts {
        let layout = trust.open(&dir)?;
        // Report a broken layout at startup instead of to the first client.
        layout.index()?;
        layout.check_trust()?;
        let name = name.or_else(|| layout.repository()).ok_or_else(|| nameless(&dir))?;
        if let Some(other) = dirs.insert(name.clone(), dir.clone()) {
            return Err(same_name(&name, &other, &dir));
        }
        repositories.push((name, layout));
    }
    Ok(repositories)
}

fn nameless(dir: &Path) -> Error {
    let reason = "no valid repository name can be derived from the folder: give one as NAME=DIR";
    errors::invalid(format!("layout {dir:?}"), reason)
}

fn same_name(name: &str, first: &Path, second: &Path) -> Error {
    Error::Images {
        first: format!("{first:?}"),
        second: format!("{second:?}"),
        reason: format!("are both called {name:?}: rename one of them with NAME=DIR"),
    }
}
