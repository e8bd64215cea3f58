//! How registries are asked.

use std::{path::PathBuf, time::Duration};

use crate::{
    basics::progress::Progress,
    pool::Pool,
    registry::{credentials::Credentials, proxy::Proxies},
};

/// How registries are asked. A plain value: what it is asked for opens its own connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Client {
    /// Who asks.
    pub credentials: Credentials,
    /// HTTP without TLS. Otherwise every registry is asked with TLS, except one on this machine
    /// (`localhost`, `127.0.0.1`, `[::1]`) that does not speak it.
    pub plain_http: bool,
    /// Whether a registry must show a certificate that is trusted. If it need not, a registry that
    /// does not speak TLS is asked without, wherever it is.
    pub tls_verify: bool,
    /// How often a request is made again that failed for a reason that may pass: the registry is
    /// busy or broken, or the connection went away. Before the first time half a second passes, and
    /// each time twice as long.
    pub retries: u32,
    /// How long a registry may be silent, and how long the head of an answer may take.
    pub timeout: Duration,
    /// How many bytes of an answer must come in a second, averaged over
    /// [`rate_window`](Self::rate_window).
    pub least_rate: u64,
    /// Over how much waiting for an answer the rate is averaged. A slower one is given up, and so
    /// is a registry whose silences last that long together.
    pub rate_window: Duration,
    /// Repositories of a registry that is pushed to, by their paths in it, which may have some of
    /// the image's blobs and may be read: what they have is not sent.
    pub mount_from: Vec<String>,
    /// Who is told how much is done.
    pub progress: Option<Progress>,
    /// The authorities whose certificates are trusted, each a certificate in DER; by default those
    /// that the system trusts, or that are in `SSL_CERT_FILE` and `SSL_CERT_DIR`. A registry's own
    /// certificate may be among them.
    pub authorities: Option<Vec<Vec<u8>>>,
    /// PEM files with certificates that are trusted in addition.
    pub ca_files: Vec<PathBuf>,
    /// Folders that have folders of certificates, each for the registry whose name it has, `HOST`
    /// or `HOST:PORT`; the first one that there is for a registry counts. In it, as in
    /// [`/etc/containers/certs.d`](https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md)
    /// and `/etc/docker/certs.d`, are certificates that are trusted in addition (`*.crt`), and
    /// client certificates (`*.cert`, each with its key in `*.key`), all in PEM.
    pub certs_d: Vec<PathBuf>,
    /// One folder of that kind for every registry, in place of those.
    pub cert_dir: Option<PathBuf>,
    /// The proxies; by default those that the environment names.
    pub proxies: Option<Proxies>,
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

    /// Sets how many bytes of an answer must come in a second, averaged over so much waiting for
    /// them.
    pub fn least_rate(self, bytes: u64, window: Duration) -> Self {
        Self { least_rate: bytes, rate_window: window, ..self }
    }

    /// Adds a repository that may have blobs of an image that is pushed.
    pub fn mount_from(mut self, repository: impl Into<String>) -> Self {
        self.mount_from.push(repository.into());
        self
    }

    /// Sets who is told how much is done.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Sets the authorities whose certificates are trusted.
    pub fn authorities(self, authorities: Vec<Vec<u8>>) -> Self {
        Self { authorities: Some(authorities), ..self }
    }

    /// Sets whether a registry must show a certificate that is trusted.
    pub fn tls_verify(self, tls_verify: bool) -> Self {
        Self { tls_verify, ..self }
    }

    /// Adds a file with certificates that are trusted.
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_files.push(file.into());
        self
    }

    /// Adds a folder that contains folders of certificates; those added earlier take precedence.
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

/// The pool for writing what comes from a registry, in place of this one: threads that wait for the
/// network more than they work are never too few.
pub fn download_pool(pool: &Pool) -> Pool {
    const FEWEST: usize = 4;
    Pool::new(pool.threads().max(FEWEST))
}

/// Anonymous, with TLS, with 5 retries (15 seconds of waiting), 30 seconds of silence, and at least
/// 1 KiB in a second, averaged over 60 seconds.
impl Default for Client {
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            plain_http: false,
            retries: 5,
            timeout: Duration::from_secs(30),
            least_rate: 1 << 10,
            rate_window: Duration::from_secs(60),
            mount_from: Vec::new(),
            progress: None,
            authorities: None,
            tls_verify: true,
            ca_files: Vec::new(),
            certs_d: Vec::new(),
            cert_dir: None,
            proxies: None,
        }
    }
}
