//! A registry that is only read: image layouts, for every client that can pull.

pub(crate) mod answer;
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
#[cfg(all(any(test, fuzzing), feature = "gzip", feature = "zstd"))]
pub(crate) mod fuzzing;
pub(crate) mod login;
pub(crate) mod places;
pub(crate) mod pull_watch;
pub(crate) mod range;
pub(crate) mod refusal;
pub(crate) mod repository;
pub(crate) mod response;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod shared_build;
pub(crate) mod slow_client;
pub(crate) mod watched;

use std::{
    collections::BTreeMap,
    fmt, io, iter,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::{task::JoinHandle, time};

use crate::{
    basics::error::{Error, Result},
    document::name::is_repository,
    pool::{Pool, lock},
    registry::{
        network::Network,
        serve::{
            authority::Authorities,
            blocking::Blocking,
            certificate::Certificate,
            connection::Graceful,
            login::Login,
            places::Places,
            pull_watch::PullWatch,
            server::{Log, Server},
            shared_build::SharedBuilds,
        },
    },
};

pub use crate::registry::serve::{event::Event, places::Limits, repository::Repository};

/// A read-only registry over image layouts, as the [distribution
/// specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) has it:
/// what a layout holds is pulled from here by whatever can pull, which takes the layers that it
/// lacks and no others.
///
/// ```
/// use oci_layout::{FileMapping, image_config, image_manifest, layer_tar, registry::Endpoint};
/// use serde_json::json;
///
/// // An image that lies nowhere: its layer is made when a client asks for it.
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
/// Without [`certificate`](Self::certificate) there is no TLS, and without
/// [`htpasswd`](Self::htpasswd) whoever reaches the address reads all that is served. Only blobs
/// that a repository's index reaches are served. Of what lies in files, nothing is sent before all
/// of it was checked against its digest. What has to be made of a recipe is checked on the way:
/// where a source changed, the connection breaks.
///
/// A blob that has to be made is made once for all clients that ask for it at about the same time,
/// with 16 MiB of it in memory. A client that reads slowly while others wait goes on in another
/// making.
#[must_use]
pub struct Endpoint {
    repositories: BTreeMap<String, Arc<Repository>>,
    authorities: Authorities,
    certificate: Option<Certificate>,
    login: Option<Login>,
    limits: Limits,
    pool: Pool,
    log: Log,
}

impl Endpoint {
    /// An endpoint with these repositories, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is no repository's
    /// [name](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests),
    /// and for a name that is there twice.
    pub fn new<N: Into<String>, R: Into<Repository>>(
        repositories: impl IntoIterator<Item = (N, R)>,
    ) -> Result<Self> {
        let mut named = BTreeMap::new();
        for (name, repository) in repositories {
            let name = name.into();
            let refuse = |reason| Err(Error::invalid(format!("repository {name:?}"), reason));
            if !is_repository(&name) {
                return refuse(
                    "a name has lower-case letters and digits, with `.`, `_`, `__`, any number of \
                     `-`, or `/` between them",
                );
            }
            if named.contains_key(&name) {
                return refuse("two layouts have this name: give one of them another, as NAME=DIR");
            }
            named.insert(name, Arc::new(repository.into()));
        }
        Ok(Self {
            repositories: named,
            authorities: Authorities::default(),
            certificate: None,
            login: None,
            limits: Limits::default(),
            pool: Pool::available(),
            log: Arc::new(|_| ()),
        })
    }

    /// Adds names under which clients reach the endpoint.
    ///
    /// Addresses, `localhost`, names that end in `.localhost` and the names of the certificate
    /// count anyway. A request for another host is refused with status 421: a page in a browser
    /// could otherwise read the endpoint by making a name of its own mean this machine (DNS
    /// rebinding).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is no host's name alone, without a port.
    pub fn hosts<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        names.into_iter().try_for_each(|name| self.authorities.add(name.as_ref()))?;
        Ok(self)
    }

    /// Sets the certificate (with those of the authorities in between, if there are any) and its
    /// key, both files in PEM; the same file may have both. From then on the endpoint speaks TLS
    /// and nothing else.
    ///
    /// When a file has changed, or another one has taken its name, both are read again at the next
    /// connection. While they cannot be used, the certificate from before is, and
    /// [`Event::Unusable`] says why.
    ///
    /// # Errors
    ///
    /// As of reading the files, and [`Error::Invalid`] if one has no certificate or no key, or if
    /// the two do not belong together.
    pub fn certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let certificate = Some(Certificate::new(certificate.as_ref(), key.as_ref())?);
        Ok(Self { certificate, ..self })
    }

    /// Sets the file that has the users and the bcrypt hashes of their passwords, as `htpasswd -B`
    /// writes it. From then on every request must have a user and a password (Basic
    /// authentication). Without [`certificate`](Self::certificate) whoever sees the connection sees
    /// both.
    ///
    /// When the file has changed, it is read again at the next request. While it cannot be used, it
    /// counts as it was before, and [`Event::Unusable`] says why. One that has no user any more
    /// refuses everybody.
    ///
    /// # Errors
    ///
    /// As of reading the file, and [`Error::Invalid`], which names the line, for what is no user
    /// with a bcrypt hash, for a user who is there twice, and for a file without a user.
    pub fn htpasswd(self, file: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { login: Some(Login::new(file.as_ref())?), ..self })
    }

    /// Sets how much clients can ask for at the same time.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the threads: as many blobs are made at a time, and no fewer than two.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: pool.clone(), ..self }
    }

    /// Sets who is told what happens, from any thread. Whoever is told shall be quick.
    pub fn log(self, log: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { log: Arc::new(log), ..self }
    }

    /// What can be pulled, as `NAME:TAG`, and what has no tag as `NAME@DIGEST`. Indexes inside of
    /// others, and what only refers to another manifest, are left out.
    pub fn references(&self) -> Vec<String> {
        let mut references = Vec::new();
        for (name, repository) in &self.repositories {
            let contents = repository.contents(|_| ());
            references.extend(contents.tags.keys().map(|tag| format!("{name}:{tag}")));
            references.extend(contents.untagged().map(|digest| format!("{name}@{digest}")));
        }
        references
    }

    /// What all connections share.
    fn server(self) -> io::Result<Arc<Server>> {
        let log = Arc::clone(&self.log);
        Ok(Arc::new(Server {
            repositories: self.repositories,
            authorities: self.authorities,
            certificate: self.certificate,
            // The other half of the threads is for users who are known.
            login: self.login.map(|login| login.verifying((self.pool.threads() / 2).max(1))),
            places: Places::new(self.limits),
            blocking: Blocking::start()?,
            builds: SharedBuilds::new(&self.pool),
            once: PullWatch::new(move || log(&Event::Taken)),
            log: self.log,
        }))
    }

    /// Begins to listen at this address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if that can't be.
    pub fn listen(self, address: SocketAddr) -> Result<Serving> {
        let fail = |cause| Error::Listen { address, cause };
        let workers = start(self.pool.threads().clamp(1, 8)).map_err(fail)?;
        let listener = TcpListener::bind(address).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let server = self.server().map_err(fail)?;
        let graceful = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
        let handles: Vec<_> = workers.iter().map(|worker| worker.handle().clone()).collect();
        let entered = handles[0].enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(fail)?;
        drop(entered);
        let accept = connection::accept(listener, handles, server, Arc::clone(&graceful));
        let accepting = workers[0].handle().spawn(accept);
        Ok(Serving { address, running: Some(Running { workers, accepting, graceful }) })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("references", &self.references()).finish_non_exhaustive()
    }
}

/// So many threads that drive connections, or fewer where the system has no more.
fn start(count: usize) -> io::Result<Vec<Network>> {
    let first = Network::start()?;
    Ok(iter::once(first).chain((1..count).map_while(|_| Network::start().ok())).collect())
}

/// An endpoint that listens, in threads of its own. Dropped, it ends at once.
pub struct Serving {
    address: SocketAddr,
    /// Always there but while it ends.
    running: Option<Running>,
}

struct Running {
    workers: Vec<Network>,
    accepting: JoinHandle<()>,
    graceful: Arc<Graceful>,
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and ends when those that there are have been answered, or after ten
    /// seconds.
    pub fn stop(mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let Some(Running { workers, accepting, graceful }) = self.running.take() else { return };
        workers[0].handle().block_on(async {
            accepting.abort();
            // That it was aborted is what it says.
            let _ = accepting.await;
            let graceful = lock(&graceful).take();
            if let Some(graceful) = graceful {
                // Who takes longer is cut off.
                let _ = time::timeout(PATIENCE, graceful.shutdown()).await;
            }
        });
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}
