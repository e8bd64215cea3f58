//! The configuration of a server: its file, and the options, which take precedence.

use oci_layout::{
    Report, Result,
    serve_config::{self, Key, Kind, Period, ServeConfig},
};
#[cfg(feature = "on-demand")]
use oci_layout::{on_demand::SourceKind, serve_config::Source};
use serde_json::Value;

use super::Serve;
use crate::{errors, out, serve_log::ServeLog};

impl Serve {
    pub(super) fn config(&self) -> Result<ServeConfig> {
        let mut config = match &self.config {
            Some(file) => serve_config::read(file)?,
            None => ServeConfig::default(),
        };
        set(&mut config.listen, self.listen);
        set(&mut config.drain, self.drain.map(|seconds| Period::seconds(seconds.into())));
        set(&mut config.log_format, self.log_format);
        config.hosts.extend(self.hosts.iter().cloned());
        config.verbose |= self.verbose;
        config.page &= !self.no_page;
        for (place, given) in [
            (&mut config.tls.cert, &self.tls_cert),
            (&mut config.tls.key, &self.tls_key),
            (&mut config.htpasswd, &self.htpasswd),
            (&mut config.access, &self.access),
        ] {
            set(place, given.clone().map(Some));
        }
        set(&mut config.operations, self.operations.map(Some));
        #[cfg(feature = "on-demand")]
        self.packages.apply(&mut config);
        self.check_contents(&config)?;
        Ok(config)
    }

    /// Refuses a server without images, and a package set that does not exist.
    fn check_contents(&self, config: &ServeConfig) -> Result<()> {
        let is_empty = self.layouts.is_empty() && config.layouts.is_empty();
        #[cfg(feature = "on-demand")]
        let is_empty = is_empty && config.packages.source.is_none();
        match &self.config {
            Some(file) if is_empty => {
                let reason =
                    "nothing is served: add a layout to [layouts], or source to [packages]";
                return Err(errors::invalid(format!("{file:?}"), reason));
            }
            None if is_empty => {
                let packages = if cfg!(feature = "on-demand") { ", --packages SOURCE" } else { "" };
                out::usage_error(&format!(
                    "nothing is served: give the folder of a layout{packages} or --config FILE"
                ));
            }
            _ => {}
        }
        #[cfg(feature = "on-demand")]
        if let Some(Source(SourceKind::Path(path))) = &config.packages.source
            && !path.exists()
        {
            let reason = "does not exist: correct the path of the package set";
            return Err(errors::invalid(format!("path:{}", path.display()), reason));
        }
        Ok(())
    }

    /// Reads the file again, and says which of its keys are not in effect until a restart.
    pub(super) fn reloaded(&self, running: &ServeConfig, log: ServeLog) -> Option<ServeConfig> {
        let file = self.config.as_ref()?;
        let new = match self.config() {
            Ok(new) => new,
            Err(error) => {
                let error = Report(&error);
                log.warning(&format!(
                    "{file:?} is not in effect, and its earlier contents are: {error}"
                ));
                return None;
            }
        };
        let changed = serve_config::changed(running, &new);
        let (now, later): (Vec<_>, Vec<_>) = changed.into_iter().partition(|key| is_at_once(key));
        if !now.is_empty() {
            log.note(&format!("{file:?} has changed, and in effect are {}", now.join(", ")));
        }
        if !later.is_empty() {
            let keys = later.join(", ");
            log.warning(&format!("{file:?} has changed: restart the server for {keys}"));
        }
        Some(new)
    }
}

/// Whether a changed key is in effect at once: see `reload` in `packages.rs`.
fn is_at_once(key: &str) -> bool {
    const LIMITS: [&str; 4] =
        ["limits.at-once", "limits.queue", "limits.per-client", "limits.retry"];
    LIMITS.contains(&key)
        || ["names.", "metapackages."].iter().any(|section| key.starts_with(section))
}

/// Replaces a value, if an option is given.
pub(crate) fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// The help of an option: the meaning of the key, and its default.
pub(crate) fn help(name: &str) -> String {
    let key = ServeConfig::keys().into_iter().find(|key| key.name == name);
    let Key { meaning, default, .. } = key.expect("every option has a key");
    match default {
        Value::Null | Value::Bool(_) => meaning,
        Value::String(default) => format!("{meaning} [default: {default}]"),
        default => format!("{meaning} [default: {default}]"),
    }
}

/// The help of an option that may be repeated.
pub(crate) fn help_repeated(name: &str) -> String {
    help(name) + ". May be repeated"
}

#[cfg(all(test, feature = "on-demand"))]
mod tests {
    use clap::{Args, Command};

    use super::*;

    /// Both name what they have of each other.
    #[test]
    fn every_option_has_a_key() {
        let serve = Serve::augment_args(Command::new("serve"));
        let long = |option: &clap::Arg| option.get_long().map(|name| format!("--{name}"));
        let mut options: Vec<_> = serve.get_arguments().filter_map(long).collect();
        options.retain(|option| !["--check", "--config", "--once"].contains(&&**option));
        options.push("[NAME=]DIR".to_owned());
        let mut keys: Vec<_> = ServeConfig::keys().iter().filter_map(|key| key.option).collect();
        keys.sort_unstable();
        options.sort_unstable();
        assert_eq!(options, keys);
    }

    #[test]
    fn options_take_precedence_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registry.toml");
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let text = "listen = ':1'\nhosts = ['a']\ndrain = '1m'\n[packages]\nsource = 'path:a'\n\
                    max-layers = 5\nallow-builds = true\n[limits]\nnix-timeout = '1m'\n\
                    closure-size = '1MiB'\n[eviction]\nkeep = '1d'\nmax-size = '2GiB'\n";
        std::fs::write(&file, text).unwrap();
        let config = |options: &[&str]| {
            let serve = Serve::augment_args(Command::new("serve"));
            let words = ["serve", "--config", file.to_str().unwrap()];
            let matches = serve.try_get_matches_from(words.iter().chain(options)).unwrap();
            <Serve as clap::FromArgMatches>::from_arg_matches(&matches).unwrap().config().unwrap()
        };
        let plain = serve_config::read(&file).unwrap();
        assert_eq!(config(&[]), plain);
        let given = config(&[
            "--listen",
            ":2",
            "--host",
            "b",
            "--drain",
            "3",
            "--packages",
            "path:/usr",
            "--max-layers",
            "6",
            "--nix-timeout",
            "7",
            "--keep",
            "8",
            "--max-size",
            "9",
            "--state",
            "s",
            "--log-format",
            "json",
        ]);
        let value = serde_json::to_value(&given).unwrap();
        for (pointer, expected) in [
            ("/listen", "0.0.0.0:2"),
            ("/hosts/1", "b"),
            ("/drain", "3s"),
            ("/packages/source", "path:/usr"),
            ("/packages/state", "s"),
            ("/limits/nix-timeout", "7s"),
            ("/limits/closure-size", "1MiB"),
            ("/eviction/keep", "8d"),
            ("/eviction/max-size", "9GiB"),
            ("/log-format", "json"),
        ] {
            assert_eq!(value.pointer(pointer).unwrap(), expected, "{pointer}");
        }
        assert_eq!((given.packages.max_layers.0, given.packages.allow_builds), (6, true));
    }
}
