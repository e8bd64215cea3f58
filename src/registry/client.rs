//! The settings of a registry client.

use std::{path::PathBuf, time::Duration};

use crate::{
    basics::progress::Progress,
    pool::Pool,
    registry::{credentials::Credentials, proxy::Proxies, waiting::Waiting},
};

/// A registry client: its settings. Each call opens its own connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Client {
    /// The credentials.
    pub credentials: Credentials,
    /// Whether to use HTTP without TLS. Otherwise the client uses TLS, except for a registry on
    /// this machine (`localhost`, `127.0.0.1`, `[::1]`) that does not support it.
    pub plain_http: bool,
    /// Whether a registry must present a trusted certificate. If not, the client also accepts
    /// registries without TLS, on any host.
    pub tls_verify: bool,
    /// How often a request is retried after a temporary failure: the registry is busy or fails, or
    /// the connection is lost. The first retry happens after half a second, and each further one
    /// after twice the previous delay.
    pub retries: u32,
    /// How long to wait for the head of a response, and for more bytes of its body.
    pub timeout: Duration,
    /// How long to wait for the head of a response to a request for a manifest, if the registry
    /// responds to other requests meanwhile. A registry that makes images on demand may work for
    /// minutes.
    pub patience: Duration,
    /// The minimum rate of a response in bytes per second, averaged over
    /// [`rate_window`](Self::rate_window).
    pub least_rate: u64,
    /// The waiting time over which the rate is averaged. A slower response is an error, and so is a
    /// registry that fails to respond for this long in total.
    pub rate_window: Duration,
    /// Repositories of the registry that may have blobs of the pushed image, by their paths. The
    /// login must be able to read them. Blobs that they have are mounted instead of sent.
    pub mount_from: Vec<String>,
    /// Receives the progress.
    pub progress: Option<Progress>,
    /// Learns that the client waits for a registry that works on a manifest.
    pub waiting: Option<Waiting>,
    /// The trusted certificate authorities, each as a certificate in DER. The default is those of
    /// the system, or in `SSL_CERT_FILE` and `SSL_CERT_DIR`. A registry's own certificate can be
    /// one of them.
    pub authorities: Option<Vec<Vec<u8>>>,
    /// PEM files with additional trusted certificates.
    pub ca_files: Vec<PathBuf>,
    /// Folders that contain a folder of certificates for each registry, named `HOST` or
    /// `HOST:PORT`. The first one that exists for a registry is used. As in
    /// [`/etc/containers/certs.d`](https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md)
    /// and `/etc/docker/certs.d`, it contains additional trusted certificates (`*.crt`) and client
    /// certificates (`*.cert`, each with its key in `*.key`), all in PEM.
    pub certs_d: Vec<PathBuf>,
    /// A folder of that kind for every registry, instead of those in [`certs_d`](Self::certs_d).
    pub cert_dir: Option<PathBuf>,
    /// The proxies. The default is those that the environment names.
    pub proxies: Option<Proxies>,
}

impl Client {
    /// Sets the credentials.
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// Sets whether to use HTTP without TLS.
    pub fn plain_http(self, plain_http: bool) -> Self {
        Self { plain_http, ..self }
    }

    /// Sets how often a request is retried.
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// Sets how long to wait for a registry that does not respond.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how long to wait for a manifest while the registry works on it. Each time that
    /// [`timeout`](Self::timeout) has passed without a response, the client requests `/v2/` on
    /// another connection. If there is no response to that either, it waits no longer.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sets the minimum rate of a response in bytes per second, and the waiting time over which it
    /// is averaged.
    pub fn least_rate(self, bytes: u64, window: Duration) -> Self {
        Self { least_rate: bytes, rate_window: window, ..self }
    }

    /// Adds a repository that may have blobs of the pushed image.
    pub fn mount_from(mut self, repository: impl Into<String>) -> Self {
        self.mount_from.push(repository.into());
        self
    }

    /// Sets the callback that receives the progress.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Sets the callback that learns that the client waits for a registry that works on a manifest.
    pub fn waiting(self, waiting: Waiting) -> Self {
        Self { waiting: Some(waiting), ..self }
    }

    /// Sets the trusted certificate authorities.
    pub fn authorities(self, authorities: Vec<Vec<u8>>) -> Self {
        Self { authorities: Some(authorities), ..self }
    }

    /// Sets whether a registry must present a trusted certificate.
    pub fn tls_verify(self, tls_verify: bool) -> Self {
        Self { tls_verify, ..self }
    }

    /// Adds a PEM file with trusted certificates.
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_files.push(file.into());
        self
    }

    /// Adds a folder of folders of certificates. Those added earlier take precedence.
    pub fn certs_d(mut self, dir: impl Into<PathBuf>) -> Self {
        self.certs_d.push(dir.into());
        self
    }

    /// Sets the folder of certificates for every registry.
    pub fn cert_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { cert_dir: Some(dir.into()), ..self }
    }

    /// Sets the proxies.
    pub fn proxies(self, proxies: Proxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }
}

/// A pool for downloading, based on this one. It has at least four threads, because they wait for
/// the network more than they work.
pub fn download_pool(pool: &Pool) -> Pool {
    const FEWEST: usize = 4;
    Pool::new(pool.threads().max(FEWEST))
}

/// Anonymous, with TLS, 5 retries (15 seconds in total), a timeout of 30 seconds (10 minutes for a
/// manifest on which the registry works), and at least 1 KiB per second, averaged over 60 seconds.
impl Default for Client {
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            plain_http: false,
            retries: 5,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(600),
            least_rate: 1 << 10,
            rate_window: Duration::from_secs(60),
            mount_from: Vec::new(),
            progress: None,
            waiting: None,
            authorities: None,
            tls_verify: true,
            ca_files: Vec::new(),
            certs_d: Vec::new(),
            cert_dir: None,
            proxies: None,
        }
    }
}
