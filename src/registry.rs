//! Images in registries, read as the [distribution specification] says; with the feature `registry`.
//!
//! [`Client::image`] gives an [`Image`](crate::Image) whose documents are here and whose layers are read from the registry when somebody
//! wants their bytes: [`image_layout`](crate::image_layout()) and [`ImageLayout::append`](crate::ImageLayout::append)
//! do, several at a time, and check every byte; a blob that a layout has is not read again.
//!
//! ```no_run
//! use oci_layout::{Pool, LayoutOptions, image_layout, registry::{Client, Reference}};
//!
//! let alpine: Reference = "docker.io/library/alpine:3.20".parse()?;
//! let image = Client::default().image(&alpine, Some(&"linux/arm64".parse()?))?;
//! println!("to get the same again, ask for {}", alpine.at(image.digest()));
//! image_layout("alpine", [image.tagged("3.20")], LayoutOptions::default().pool(&Pool::new(4)))?;
//! # Ok::<_, oci_layout::Error>(())
//! ```
//!
//! [`Endpoint`] is the other side: layouts, and images that lie in none, for every client that can pull.
//!
//! All functions wait for the network. Call them, and read what they give, from threads that may wait: from
//! asynchronous code with `spawn_blocking` or its like.
//!
//! # What enters from outside
//!
//! The only part of this library that the environment has a say in. The HTTP client goes through the proxies that
//! `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` name; and it trusts the authorities for certificates that
//! the system does, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`. Unless the program has chosen another, `rustls`
//! is given *ring* as its cryptography, for the whole process.
//!
//! [distribution specification]: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

mod blob;
mod credentials;
mod failure;
mod pull;
mod reference;
mod serve;
mod session;

use std::time::Duration;

pub use self::{
    credentials::Credentials,
    reference::Reference,
    serve::{Endpoint, Event, Repository, Serving},
};
use crate::{layer_tar::Progress, pool::Pool};

/// How registries are asked. A plain value: what it is asked for opens its own connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// Who asks.
    pub credentials: Credentials,
    /// HTTP without TLS, which a registry on this machine (`localhost`, `127.0.0.1`, `[::1]`) is always asked by, and
    /// another only if this is so.
    pub plain_http: bool,
    /// How often a request is made again that failed for a reason that may pass: the registry is busy or broken, or the
    /// connection went away. Before the first time half a second passes, and each time twice as long.
    pub retries: u32,
    /// How long a registry may be silent.
    pub timeout: Duration,
    /// Who is told how much is done.
    pub progress: Option<Progress>,
}

impl Client {
    /// Sets who asks.
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// Sets whether HTTP without TLS is used.
    pub fn plain_http(self, plain_http: bool) -> Self {
        Self { plain_http, ..self }
    }

    /// Sets how often a request is made again.
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// Sets how long a registry may be silent.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets who is told how much is done.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }
}

/// The pool for writing what comes from a registry, in place of this one: threads that wait for the network more than they
/// work are never too few.
pub fn download_pool(pool: &Pool) -> Pool {
    const FEWEST: usize = 4;
    Pool::new(pool.threads().max(FEWEST))
}

/// Anonymous, with TLS, with 5 retries (15 seconds of waiting), and 30 seconds of silence.
impl Default for Client {
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            plain_http: false,
            retries: 5,
            timeout: Duration::from_secs(30),
            progress: None,
        }
    }
}
