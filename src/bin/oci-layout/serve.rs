//! `serve`: serves layouts as a registry.

pub(crate) mod config;
mod endpoint;
#[cfg(feature = "on-demand")]
mod packages;
mod signals;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::channel,
};

use clap::Args;
use oci_layout::{
    Pool, Result,
    registry::Event,
    serve_config::{Address, LogFormat, ServeConfig},
};

use self::{
    config::{help, help_repeated},
    signals::Heard,
};
#[cfg(feature = "on-demand")]
use crate::package_args::PackageArgs;
use crate::{
    args::{self, NamedFolder},
    out::{print, say},
    serve_log::ServeLog,
    trust::Trust,
};

/// Serves layouts, or images of packages, as a read-only registry, from which any client can pull.
///
/// Each layout is a repository named after its folder, in lower case and with - instead of invalid
/// characters, or as NAME. Images appended while the layout is served are served too. The address
/// is printed on standard output, and the available images on standard error. Clients need an
/// option: podman and skopeo --tls-verify=false, crane --insecure, oras --plain-http.
///
/// By default, only this machine can reach the address; see --listen. For other machines, use
/// --tls-cert and --htpasswd: without them there is no TLS and no login, and everyone who can reach
/// the address can read everything. When interrupted, the server finishes the current requests and
/// exits. On SIGHUP, it reads the certificate, the users, changed layouts, declared
/// images and --config again.
///
/// A layout from others cannot expose files of this machine: links in it are not followed, a blob
/// in a file is verified before it is sent, and a recipe reads only files that the options below
/// allow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout serve image
  oci-layout serve --packages path:nixpkgs --listen 127.0.0.1:5000
  oci-layout serve --config registry.toml
  oci-layout serve --once --listen 127.0.0.1:5000 me/app=image base.tar
  oci-layout serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem \\
      --htpasswd users image")]
pub(crate) struct Serve {
    /// A layout (a folder, an oci-archive or a docker-archive), with an optional repository name.
    /// An equals sign in a path is written `\=`
    #[arg(value_name = "[NAME=]DIR", value_parser = args::os(NamedFolder::parse))]
    layouts: Vec<NamedFolder>,

    /// TOML file with what to serve and how: examples/registry.toml
    /// in the source has every key. Options take precedence over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Check the file of --config and all files that it names, and exit
    #[arg(long, requires = "config")]
    check: bool,

    #[arg(long, value_name = "[ADDRESS:]PORT", help = help("listen"))]
    listen: Option<Address>,

    #[arg(long = "host", value_name = "NAME", help = help_repeated("hosts"))]
    hosts: Vec<String>,

    #[arg(long, value_name = "FILE", requires = "tls_key", help = help("tls.cert"))]
    tls_cert: Option<PathBuf>,

    #[arg(long, value_name = "FILE", requires = "tls_cert", help = help("tls.key"))]
    tls_key: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = help("htpasswd"))]
    htpasswd: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = help("access"))]
    access: Option<PathBuf>,

    #[arg(long, value_name = "[ADDRESS:]PORT", help = help("operations"))]
    operations: Option<Address>,

    /// Do not show browsers a page about this registry and its images
    #[arg(long)]
    no_page: bool,

    #[arg(long, value_name = "SECONDS", help = help("drain"))]
    drain: Option<u32>,

    /// Exit once a client has pulled an image (its manifest and every blob it started) and no
    /// client has been connected for one second. A connection without requests is closed after 30
    /// seconds
    #[arg(long)]
    once: bool,

    #[arg(long, help = help("verbose"))]
    verbose: bool,

    #[arg(long, value_name = "FORMAT", value_parser = args::one_of(LOG_FORMATS), help = help("log-format"))]
    log_format: Option<LogFormat>,

    #[cfg(feature = "on-demand")]
    #[command(flatten)]
    packages: PackageArgs,
}

const LOG_FORMATS: &[(&str, LogFormat, &str)] = &[
    ("text", LogFormat::Text, "A sentence"),
    (
        "json",
        LogFormat::Json,
        "A JSON object with the time, the level, the name of the event, its message and its fields",
    ),
];

impl Serve {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        let config = self.config()?;
        if self.check {
            return self.checked(config, pool, trust);
        }
        let (sender, heard) = channel();
        // Installed before the address is printed: from then on, a signal is the way to end the
        // server.
        signals::listen(sender.clone(), config.listen.0)?;
        let has_requests = config.verbose || io::stderr().is_terminal();
        let log = ServeLog { format: config.log_format, has_requests };
        let endpoint = endpoint::endpoint(&config, self.layouts.clone(), pool, trust)?;
        let references = endpoint.references();
        #[cfg(feature = "on-demand")]
        let packages = packages::Packages::open(&config, pool, log)?;
        #[cfg(feature = "on-demand")]
        let (endpoint, references) = packages::added(packages.as_ref(), endpoint, references);
        let endpoint = endpoint.log(move |event| {
            log.event(event);
            if matches!(event, Event::Taken) {
                // The receiver is gone if the server is already exiting.
                let _ = sender.send(Heard::Taken);
            }
        });
        let serving = endpoint.listen(config.listen.0)?;
        let address = serving.address();
        let has_tls = config.tls.cert.is_some();
        let has_login = config.htpasswd.is_some() || config.access.is_some();
        if let Some(note) = note(has_tls, has_login).filter(|_| !address.ip().is_loopback()) {
            log.note(note);
        }
        if let Some(address) = serving.operations() {
            log.note(&format!("http://{address}/metrics has the counters"));
        }
        let (scheme, option) =
            if has_tls { ("https", "") } else { ("http", " --tls-verify=false") };
        for reference in references {
            log.image(&format!("podman pull{option}"), &format!("{address}/{reference}"));
        }
        // Printed last: a client that has read it may send a request, whose log line must come
        // after the others.
        print(format_args!("{scheme}://{address}"))?;

        #[cfg_attr(not(feature = "on-demand"), expect(unused_mut))]
        let mut running = config;
        let end = loop {
            match heard.recv() {
                Ok(Heard::Taken) if !self.once => {}
                Ok(Heard::Reload) => {
                    serving.reload();
                    let new = self.reloaded(&running, log);
                    #[cfg(feature = "on-demand")]
                    packages::reload(packages.as_ref(), &serving, &mut running, new);
                    #[cfg(not(feature = "on-demand"))]
                    drop(new);
                }
                Ok(end) => break end,
                Err(_) => break Heard::End,
            }
        };
        drop(heard);
        serving.stop_within(running.drain.0);
        Ok(match end {
            Heard::End if self.once => {
                say(format_args!("oci-layout: error: interrupted before a client pulled an image"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        })
    }

    /// Checks everything but Nix, and says that it is right.
    fn checked(self, config: ServeConfig, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        let _ = endpoint::endpoint(&config, self.layouts, pool, trust)?;
        #[cfg(feature = "on-demand")]
        packages::check(&config)?;
        let file = self.config.unwrap_or_default();
        print(format_args!("{file:?} is valid"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the note to print if other machines can reach the address and TLS or a login is missing.
fn note(has_tls: bool, has_login: bool) -> Option<&'static str> {
    match (has_tls, has_login) {
        (true, true) => None,
        (false, true) => Some("there is no TLS: passwords are sent in clear text (--tls-cert)"),
        (true, false) => Some(
            "there is no login: everyone who can reach the address can read everything \
                (--htpasswd)",
        ),
        (false, false) => Some(
            "there is no TLS and no login: everyone who can reach the address can read \
                everything",
        ),
    }
}
