//! `serve`: serves layouts as a registry.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use clap::Args;
use oci_layout::{
    Error, ImageLayout, Pool, Result,
    registry::{Endpoint, Event},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    args::{self, NamedFolder},
    errors,
    out::{print, say},
    serve_log::{LogFormat, ServeLog},
    trust::Trust,
};
#[cfg(feature = "on-demand")]
use crate::{declared::Declared, package_args::PackageArgs};

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
/// exits. On SIGHUP, it reads the certificate, the users, changed layouts and declared images
/// again.
///
/// A layout from others cannot expose files of this machine: links in it are not followed, a blob
/// in a file is verified before it is sent, and a recipe reads only files that the options below
/// allow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout serve image
  oci-layout serve --packages path:nixpkgs --listen 127.0.0.1:5000
  oci-layout serve --once --listen 127.0.0.1:5000 me/app=image base.tar
  oci-layout serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem \\
      --htpasswd users image")]
pub(crate) struct Serve {
    /// A layout (a folder, an oci-archive or a docker-archive), with an optional repository name.
    /// An equals sign in a path is written `\=`
    #[arg(value_name = "[NAME=]DIR", value_parser = args::os(NamedFolder::parse))]
    #[cfg_attr(feature = "on-demand", arg(required_unless_present = "packages"))]
    #[cfg_attr(not(feature = "on-demand"), arg(required = true))]
    layouts: Vec<NamedFolder>,

    /// The address to listen on; port 0 selects a free port. A port alone is on this machine only;
    /// :PORT is on all its addresses
    #[arg(long, value_name = "[ADDRESS:]PORT", default_value = "127.0.0.1:0", value_parser = listen)]
    listen: SocketAddr,

    /// Host name by which clients reach the address. May be repeated. IP addresses, localhost and
    /// the names in the certificate are always accepted. Requests for other names are refused, to
    /// protect against DNS rebinding by web pages
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// Use TLS with the certificate in this PEM file. The file is read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Require a user name and password. The file has bcrypt hashes, as written by `htpasswd -B`.
    /// It is read again when it changes
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,

    /// Allow users and tokens to pull some names only. Each line of the file is
    /// `user NAME NAMES...` or `token sha256:HEX NAMES...`; a name allows those below it too, and *
    /// all. It is read again when it changes
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,

    /// Answer /livez, /readyz and /metrics (for Prometheus) at this address, without TLS and login
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen)]
    operations: Option<SocketAddr>,

    /// How long to finish requests after a signal to end
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain: u64,

    /// Exit once a client has pulled an image (its manifest and every blob it started) and no
    /// client has been connected for one second. A connection without requests is closed after 30
    /// seconds
    #[arg(long)]
    once: bool,

    /// Log requests on standard error. This is the default if standard error is a terminal
    #[arg(long)]
    verbose: bool,

    /// The form of the lines on standard error
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    #[cfg(feature = "on-demand")]
    #[command(flatten)]
    packages: PackageArgs,
}

/// Parses `PORT`, `:PORT`, `HOST:PORT` or `[ADDRESS]:PORT`.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let expected = || {
        "expected PORT, :PORT or ADDRESS:PORT, as in 8080, :8080, localhost:8080 or [::1]:8080"
            .to_owned()
    };
    let port = |text: &str| text.parse::<u16>().map_err(|_| expected());
    match text.rsplit_once(':') {
        None => Ok(([127, 0, 0, 1], port(text)?).into()),
        Some(("", number)) => Ok(([0, 0, 0, 0], port(number)?).into()),
        Some(("localhost", number)) => Ok(([127, 0, 0, 1], port(number)?).into()),
        Some(_) => text.parse().map_err(|_| expected()),
    }
}

/// What the server hears about while it serves.
enum Heard {
    /// A signal to end.
    End,
    Reload,
    Taken,
}

impl Serve {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        // A daemon has no terminal, and ends on other signals. Another program ends with its terminal.
        let has_terminal = io::stdin().is_terminal();
        let (sender, heard) = channel();
        // Installed before the address is printed: from then on, a signal is the way to end the
        // server.
        let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]);
        let mut signals = signals.map_err(|cause| Error::Listen { address: self.listen, cause })?;
        let taken = sender.clone();
        let started = thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                let is_hung_up = has_terminal && !io::stdin().is_terminal();
                let news = if signal == SIGHUP && !is_hung_up { Heard::Reload } else { Heard::End };
                if sender.send(news).is_err() && signal != SIGHUP {
                    // This is the second signal: do not wait for clients any longer.
                    process::exit(128 + signal);
                }
            }
        });
        // Without this thread, nothing would end the program.
        started.map_err(|cause| Error::Listen { address: self.listen, cause })?;
        let has_requests = self.verbose || io::stderr().is_terminal();
        let log = ServeLog { format: self.log_format, has_requests };
        let has_tls = self.tls_cert.is_some();
        let has_login = self.htpasswd.is_some() || self.access.is_some();
        let mut endpoint =
            Endpoint::new(repositories(self.layouts, trust)?)?.pool(pool).hosts(self.hosts)?;
        if let (Some(certificate), Some(key)) = (self.tls_cert, self.tls_key) {
            endpoint = endpoint.certificate(certificate, key)?;
        }
        if let Some(file) = self.htpasswd {
            endpoint = endpoint.htpasswd(file)?;
        }
        if let Some(file) = self.access {
            endpoint = endpoint.access(file)?;
        }
        if let Some(address) = self.operations {
            endpoint = endpoint.operations(address);
        }
        let mut examples = Vec::new();
        #[cfg(feature = "on-demand")]
        let mut declared = None;
        #[cfg(feature = "on-demand")]
        if let Some((images, its)) = self.packages.images(pool, log)? {
            endpoint = endpoint.named_images(images);
            examples.extend(its.iter().flat_map(|declared| declared.images.references()));
            examples.push("shell".to_owned());
            declared = its;
        }
        let endpoint = endpoint.log(move |event| {
            log.event(event);
            if matches!(event, Event::Taken) {
                // The receiver is gone if the server is already exiting.
                let _ = taken.send(Heard::Taken);
            }
        });
        let mut references = endpoint.references();
        references.append(&mut examples);
        let serving = endpoint.listen(self.listen)?;
        let address = serving.address();
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

        let end = loop {
            match heard.recv() {
                Ok(Heard::Taken) if !self.once => {}
                Ok(Heard::Reload) => {
                    serving.reload();
                    #[cfg(feature = "on-demand")]
                    declared.iter().for_each(Declared::reload);
                }
                Ok(end) => break end,
                Err(_) => break Heard::End,
            }
        };
        drop(heard);
        serving.stop_within(Duration::from_secs(self.drain));
        Ok(match end {
            Heard::End if self.once => {
                say(format_args!("oci-layout: error: interrupted before a client pulled an image"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_short_form() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("127.0.0.2:0", "127.0.0.2:0"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(listen(text).unwrap().to_string(), address, "{text}");
        }
        for text in ["", ":", "localhost", "localhost:", "example.org:80", "70000", "::1"] {
            assert!(listen(text).unwrap_err().contains("[::1]:8080"), "{text}");
        }
    }
}
