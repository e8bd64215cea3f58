//! A read-only registry: serves image layouts to every client that can pull.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod asked;
pub(crate) mod authority;
pub(crate) mod blob;
pub(crate) mod blocking;
pub(crate) mod body;
pub(crate) mod certificate;
pub(crate) mod condition;
pub(crate) mod connection;
pub(crate) mod contents;
pub(crate) mod event;
pub(crate) mod find;
pub(crate) mod find_named;
#[cfg(all(any(test, fuzzing), feature = "on-demand"))]
pub(crate) mod fuzzing;
pub(crate) mod guard;
pub(crate) mod login;
pub(crate) mod look;
pub(crate) mod metrics;
pub(crate) mod named;
pub(crate) mod named_images;
pub(crate) mod operations;
pub(crate) mod page;
pub(crate) mod places;
pub(crate) mod pull_watch;
pub(crate) mod range;
pub(crate) mod recent;
pub(crate) mod refusal;
pub(crate) mod repository;
pub(crate) mod request_ids;
pub(crate) mod response;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod serving;
pub(crate) mod shared_build;
pub(crate) mod shared_making;
pub(crate) mod slow_client;
pub(crate) mod watched;

use std::{
    collections::BTreeMap,
    fmt, io, iter,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use hyper_util::server::graceful::GracefulShutdown;

use crate::{
    basics::error::{Error, Result},
    document::name::is_repository,
    pool::Pool,
    registry::{
        network::Network,
        serve::{
            access::Access,
            authority::Authorities,
            blocking::Blocking,
            certificate::Certificate,
            guard::Guard,
            login::Login,
            metrics::Metrics,
            named::Named,
            places::Places,
            pull_watch::PullWatch,
            recent::Recent,
            request_ids::RequestIds,
            server::{Log, Server},
            serving::Running,
            shared_build::SharedBuilds,
            shared_making::SharedMakings,
        },
    },
};

pub use crate::registry::serve::{
    event::Event,
    named_images::{NamedImageError, NamedImageErrorKind, NamedImages},
    places::Limits,
    repository::Repository,
    serving::Serving,
    shared_making::MakingLimits,
};

/// A read-only registry that serves image layouts, as the [distribution
/// specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) defines
/// it. Any client can pull from it, and downloads only the layers that it lacks.
///
/// ```
/// use oci_layout::{FileMapping, image_config, image_manifest, layer_tar, registry::Endpoint};
/// use serde_json::json;
///
/// // An image that is not on disk: its layer is built when a client requests it.
/// let layer = layer_tar([FileMapping::text("hello\n", "/hello")], oci_layout::LayerOptions::default())?;
/// let image = image_manifest(image_config([&layer], json!({}))?, [layer], json!({}))?;
/// let endpoint = Endpoint::new([("hello", vec![image.tagged("1.0")])])?;
/// assert_eq!(endpoint.references(), ["hello:1.0"]);
///
/// let serving = endpoint.listen("127.0.0.1:0".parse().unwrap())?;
/// println!("podman pull --tls-verify=false {}/hello:1.0", serving.address());
/// serving.stop();
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// Without [`certificate`](Self::certificate) the endpoint does not use TLS. Without
/// [`htpasswd`](Self::htpasswd) everyone who reaches the address can read everything that is
/// served. The endpoint serves only blobs that the index of a repository reaches. A blob that is
/// stored in a file is verified completely before its first byte is sent. A blob that is built from
/// a recipe is verified while it is sent: if a source changed, the connection is closed.
///
/// The endpoint builds a blob once for all clients that request it at about the same time, and
/// keeps 16 MiB of it in memory. A client that reads slowly while others wait continues in a
/// separate build.
#[must_use]
pub struct Endpoint {
    repositories: BTreeMap<String, Arc<Repository>>,
    named: Option<Arc<dyn NamedImages>>,
    making: MakingLimits,
    authorities: Authorities,
    certificate: Option<Certificate>,
    guard: Guard,
    limits: Limits,
    operations: Option<SocketAddr>,
    page: bool,
    pool: Pool,
    log: Log,
}

impl Endpoint {
    /// Creates an endpoint from repositories and their names.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a name is not a valid repository
    /// [name](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests),
    /// or if two repositories have the same name.
    pub fn new<N: Into<String>, R: Into<Repository>>(
        repositories: impl IntoIterator<Item = (N, R)>,
    ) -> Result<Self> {
        let mut named = BTreeMap::new();
        for (name, repository) in repositories {
            let name = name.into();
            let refuse = |reason| Err(Error::invalid(format!("repository {name:?}"), reason));
            if !is_repository(&name) {
                return refuse(
                    "a repository name consists of lower-case letters and digits, separated by \
                     `.`, `_`, `__`, any number of `-`, or `/`",
                );
            }
            if named.contains_key(&name) {
                return refuse("two layouts have this name: rename one of them with NAME=DIR");
            }
            named.insert(name, Arc::new(repository.into()));
        }
        Ok(Self {
            repositories: named,
            named: None,
            making: MakingLimits::default(),
            authorities: Authorities::default(),
            certificate: None,
            guard: Guard::default(),
            limits: Limits::default(),
            operations: None,
            page: true,
            pool: Pool::available(),
            log: Arc::new(|_| ()),
        })
    }

    /// Serves images by names that are not known in advance, besides the repositories. A name of a
    /// repository always means the repository.
    ///
    /// A request for the tag of an image that is not known is answered when the image is made.
    /// Clients that request the same image wait for the same result. Images are made within
    /// [`making_limits`](Self::making_limits).
    pub fn named_images(self, images: impl NamedImages + 'static) -> Self {
        Self { named: Some(Arc::new(images)), ..self }
    }

    /// Sets how many named images are made at the same time.
    pub fn making_limits(self, making: MakingLimits) -> Self {
        Self { making, ..self }
    }

    /// Adds host names under which clients reach the endpoint.
    ///
    /// IP addresses, `localhost`, names that end in `.localhost`, and the names in the certificate
    /// are always accepted. A request for any other host is refused with status 421. Otherwise a
    /// web page could read the endpoint by pointing its own host name at this machine (DNS
    /// rebinding).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a name is not a host name without a port.
    pub fn hosts<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        names.into_iter().try_for_each(|name| self.authorities.add(name.as_ref()))?;
        Ok(self)
    }

    /// Sets the certificate, followed by any intermediate certificates, and its private key. Both
    /// files are PEM, and can be the same file. The endpoint then accepts TLS connections only.
    ///
    /// If a file changes or is replaced, both are read again at the next connection. If they are
    /// unusable, the previous certificate stays in use, and [`Event::Unusable`] reports the reason.
    ///
    /// # Errors
    ///
    /// The errors of reading the files, and [`Error::Invalid`] if a file contains no certificate or
    /// no key, or if the key does not belong to the certificate.
    pub fn certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let certificate = Some(Certificate::new(certificate.as_ref(), key.as_ref())?);
        Ok(Self { certificate, ..self })
    }

    /// Sets a file of users and bcrypt hashes of their passwords, as `htpasswd -B` writes it. Every
    /// request must then carry a user and a password (Basic authentication). Without
    /// [`certificate`](Self::certificate) both are sent in clear text.
    ///
    /// If the file changes, it is read again at the next request. If it is unusable, its previous
    /// contents stay in effect, and [`Event::Unusable`] reports the reason. A changed file without
    /// users refuses every request.
    ///
    /// # Errors
    ///
    /// The errors of reading the file, and [`Error::Invalid`] if a line is not a user with a bcrypt
    /// hash, if a user occurs twice, or if the file contains no user. The error names the line.
    pub fn htpasswd(self, file: impl AsRef<Path>) -> Result<Self> {
        let guard = Guard { login: Some(Login::new(file.as_ref())?), ..self.guard };
        Ok(Self { guard, ..self })
    }

    /// Sets a file of rights: which users and which tokens may pull which names. Every request must
    /// then carry a user and a password of [`htpasswd`](Self::htpasswd), or a token: as `Bearer`, or
    /// as the password of the user `token`. A request for another name is refused with status 403.
    ///
    /// Each line is `user NAME NAMES…` or `token sha256:HEX NAMES…`, with the SHA-256 of the token.
    /// A name allows itself and all names below it, and `*` allows every name. A user who is not in
    /// the file may pull nothing. Empty lines and lines that start with `#` are ignored. The order of
    /// packages in a name matters: `a/b` is not below `b`.
    ///
    /// If the file changes, it is read again at the next request. If it is unusable, its previous
    /// contents stay in effect, and [`Event::Unusable`] reports the reason.
    ///
    /// # Errors
    ///
    /// The errors of reading the file, and [`Error::Invalid`] that names a malformed line.
    pub fn access(self, file: impl AsRef<Path>) -> Result<Self> {
        let guard = Guard { access: Some(Access::watch(file.as_ref())?), ..self.guard };
        Ok(Self { guard, ..self })
    }

    /// Sets how many connections the endpoint accepts at the same time, and how fast clients must
    /// read.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Answers `/livez`, `/readyz` and `/metrics` (in the text format of Prometheus) at this
    /// address, without TLS and without a login. Port 0 selects a free port. `/readyz` has status
    /// 503 as soon as the endpoint stops.
    pub fn operations(self, address: SocketAddr) -> Self {
        Self { operations: Some(address), ..self }
    }

    /// Sets whether browsers get a page at `/`: how to pull, the images and names, and which named
    /// images were made or failed lately. It has only names that the client may pull. Details of
    /// failures are for clients that may pull everything after a login. The default is to show it.
    pub fn page(self, page: bool) -> Self {
        Self { page, ..self }
    }

    /// Sets the pool. The endpoint builds one blob at a time for each thread of the pool, and at
    /// least two.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: pool.clone(), ..self }
    }

    /// Sets a callback that receives every [`Event`]. It is called from several threads, and must
    /// return quickly.
    pub fn log(self, log: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { log: Arc::new(log), ..self }
    }

    /// The references that clients can pull: `NAME:TAG` for each tag, and `NAME@DIGEST` for each
    /// image without a tag. Indexes nested in other indexes, and manifests that only refer to
    /// another manifest, are omitted.
    pub fn references(&self) -> Vec<String> {
        let mut references = Vec::new();
        for (name, repository) in &self.repositories {
            let contents = repository.contents(|_| ());
            references.extend(contents.tags.keys().map(|tag| format!("{name}:{tag}")));
            references.extend(contents.untagged().map(|digest| format!("{name}@{digest}")));
        }
        references
    }

    /// The state that all connections share.
    fn server(self) -> io::Result<Arc<Server>> {
        // The other half of the threads serves users whose password is already verified.
        let verifying = (self.pool.threads() / 2).max(1);
        let Guard { login, access } = self.guard;
        let guard = Guard { login: login.map(|login| login.verifying(verifying)), access };
        let metrics = Arc::new(Metrics::default());
        let (log, told) = (Arc::clone(&self.log), Arc::clone(&self.log));
        let named = self.named.map(|images| {
            let metrics = Arc::clone(&metrics);
            let recent = Arc::new(Recent::default());
            let lately = Arc::clone(&recent);
            let observe = move |report: shared_making::Report<'_>| {
                metrics.makes(report.result, report.time);
                lately.add(&report);
                told(&report.event());
            };
            let makings = SharedMakings::new(Arc::clone(&images), self.making, observe);
            Arc::new(Named::new(images, makings, recent))
        });
        Ok(Arc::new(Server {
            repositories: self.repositories,
            named,
            ids: RequestIds::new(),
            authorities: self.authorities,
            certificate: self.certificate,
            guard,
            has_page: self.page,
            places: Places::new(self.limits),
            blocking: Arc::new(Blocking::start()?),
            builds: SharedBuilds::new(&self.pool),
            once: PullWatch::new(move || log(&Event::Taken)),
            metrics: Arc::clone(&metrics),
            is_stopping: AtomicBool::new(false),
            log: self.log,
        }))
    }

    /// Starts to listen at this address. Port 0 selects a free port.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be bound, or if the system refuses a thread.
    pub fn listen(self, address: SocketAddr) -> Result<Serving> {
        let fail = |cause| Error::Listen { address, cause };
        let workers = start(self.pool.threads().clamp(1, 8)).map_err(fail)?;
        let (listener, address) = bind(address, &workers[0]).map_err(fail)?;
        let operations = self.operations;
        let server = self.server().map_err(fail)?;
        let operations = operations.map(|address| operate(address, &server)).transpose()?;
        let graceful = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
        let handles: Vec<_> = workers.iter().map(|worker| worker.handle().clone()).collect();
        let accept =
            connection::accept(listener, handles, Arc::clone(&server), Arc::clone(&graceful));
        let accepting = workers[0].handle().spawn(accept);
        let (operations, operating) = operations.unzip();
        let running = Running { workers, accepting, graceful, server, _operating: operating };
        Ok(Serving { address, operations, running: Some(running) })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("references", &self.references()).finish_non_exhaustive()
    }
}

/// Binds an address for the thread that will accept connections. Returns the actual address.
fn bind(
    address: SocketAddr,
    network: &Network,
) -> io::Result<(tokio::net::TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let _entered = network.handle().enter();
    Ok((tokio::net::TcpListener::from_std(listener)?, address))
}

/// Starts the listener for the operator. Its thread is its own, so that it always responds.
fn operate(address: SocketAddr, server: &Arc<Server>) -> Result<(SocketAddr, Network)> {
    let fail = |cause| Error::Listen { address, cause };
    let network = Network::start().map_err(fail)?;
    let (listener, address) = bind(address, &network).map_err(fail)?;
    network.handle().spawn(operations::accept(listener, Arc::clone(server)));
    Ok((address, network))
}

/// Starts `count` threads that drive connections, or fewer if the system refuses more.
fn start(count: usize) -> io::Result<Vec<Network>> {
    let first = Network::start()?;
    Ok(iter::once(first).chain((1..count).map_while(|_| Network::start().ok())).collect())
}
