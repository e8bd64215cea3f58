//! `serve`: layouts as a registry.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::mpsc::channel,
    thread,
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
    args::{self, NamedLayout},
    out::{print, say},
    trust::Trust,
};

/// Lets every client pull the images of layouts, as a registry that is only read.
///
/// Each layout is a repository, named after its folder, in lower case and with - for what no name has, or as you say.
/// What is appended to a layout while it is served is served, too. The address is printed on standard output, and on standard error what can be pulled from there: with
/// podman and skopeo by --tls-verify=false, with crane by --insecure, with oras by --plain-http.
///
/// Unless --listen says otherwise, only this machine reaches the address. For others there are --tls-cert and --htpasswd: without
/// them there is no TLS and no login, and whoever reaches the address reads all of it. It ends when it is interrupted,
/// after the requests that there are then.
///
/// A layout of a stranger gives no file of this machine away: no link in it is followed, a blob in a file is sent after
/// the whole of it was checked, and a recipe reads files only as the options below allow.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout serve image
  oci-layout serve --once --listen 127.0.0.1:5000 me/app=image base.tar
  oci-layout serve --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem --htpasswd users image")]
pub(crate) struct Serve {
    /// A layout (a folder, an oci-archive or a docker-archive), and its name as a repository. An equals sign in a path is written `\=`
    #[arg(value_name = "[NAME=]DIR", required = true, value_parser = args::os(NamedLayout::parse))]
    layouts: Vec<NamedLayout>,

    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// A name under which clients reach the address; may be repeated. Addresses, localhost and the names of the
    /// certificate need none. A request for another name is refused, or a page in a browser could read the registry by
    /// DNS rebinding
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// Speak TLS, with the certificate in this file (PEM). It is read again when it has changed
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Ask for a user and a password, of which this file has the bcrypt hashes, as `htpasswd -B` writes them. It is
    /// read again when it has changed
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,

    /// End when an image was taken: the manifest of one was sent, so was to its end every blob that somebody began to
    /// read, and for a second nobody has been connected. A client that stays connected, and asks for nothing, is sent
    /// away after half a minute
    #[arg(long)]
    once: bool,

    /// Say on standard error what is asked for, as is done anyway if that is a terminal
    #[arg(long)]
    verbose: bool,
}

/// Why it ends.
enum End {
    Signal,
    Taken,
}

impl Serve {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<ExitCode> {
        let (sender, ends) = channel();
        // Before anybody can be told of the address: from then on, a signal is the way to end it.
        let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]);
        let mut signals = signals.map_err(|cause| Error::Listen { address: self.listen, cause })?;
        let is_verbose = self.verbose || io::stderr().is_terminal();
        let taken = sender.clone();
        let (has_tls, has_login) = (self.tls_cert.is_some(), self.htpasswd.is_some());
        let mut endpoint = Endpoint::new(repositories(self.layouts, trust)?)?.pool(pool).hosts(self.hosts)?;
        if let (Some(certificate), Some(key)) = (self.tls_cert, self.tls_key) {
            endpoint = endpoint.certificate(certificate, key)?;
        }
        if let Some(file) = self.htpasswd {
            endpoint = endpoint.htpasswd(file)?;
        }
        let endpoint = endpoint.log(move |event| match event {
            Event::Answered { .. } if is_verbose => say(event),
            Event::Answered { .. } => {}
            // Nobody waits for it any more if the end has come.
            Event::Taken => drop(taken.send(End::Taken)),
            trouble => say(format_args!("oci-layout: warning: {trouble}")),
        });
        let references = endpoint.references();
        let serving = endpoint.listen(self.listen)?;
        let address = serving.address();
        if let Some(note) = note(has_tls, has_login).filter(|_| !address.ip().is_loopback()) {
            say(format_args!("oci-layout: note: {note}"));
        }
        let (scheme, option) = if has_tls { ("https", "") } else { ("http", " --tls-verify=false") };
        for reference in references {
            say(format_args!("podman pull{option} {address}/{reference}"));
        }
        // Last: who has read it may ask for something, and whatever is said then comes behind the rest.
        print(format_args!("{scheme}://{address}"))?;

        let started = thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                if sender.send(End::Signal).is_err() {
                    // It is said for the second time, to somebody who waits for clients.
                    process::exit(128 + signal);
                }
            }
        });
        // Nothing else would end the program.
        started.map_err(|cause| Error::Listen { address: self.listen, cause })?;
        let end = loop {
            match ends.recv() {
                Ok(End::Taken) if !self.once => {}
                Ok(end) => break end,
                Err(_) => break End::Signal,
            }
        };
        drop(ends);
        serving.stop();
        Ok(match end {
            End::Signal if self.once => {
                say(format_args!("oci-layout: error: interrupted before anybody took an image"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        })
    }
}

/// What to know about an address that other machines reach.
fn note(has_tls: bool, has_login: bool) -> Option<&'static str> {
    match (has_tls, has_login) {
        (true, true) => None,
        (false, true) => Some("there is no TLS: whoever sees a connection sees the password (--tls-cert)"),
        (true, false) => Some("there is no login: whoever reaches the address reads all of it (--htpasswd)"),
        (false, false) => Some("there is no TLS and no login: whoever reaches the address reads all of it"),
    }
}

/// The layouts by the names of their repositories.
fn repositories(layouts: Vec<NamedLayout>, trust: &Trust) -> Result<Vec<(String, ImageLayout)>> {
    let mut dirs: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut repositories = Vec::new();
    for NamedLayout { name, dir } in layouts {
        let layout = trust.open(&dir)?;
        // Whoever begins to serve shall see what is wrong with it, and not the first client.
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
    let reason = "no repository's name can be made of the folder's: give one, as NAME=DIR".to_owned();
    Error::Invalid { what: format!("layout {dir:?}"), reason }
}

fn same_name(name: &str, first: &Path, second: &Path) -> Error {
    Error::Images {
        first: format!("{first:?}"),
        second: format!("{second:?}"),
        reason: format!("are both called {name:?}: give one of them another name, as NAME=DIR"),
    }
}
