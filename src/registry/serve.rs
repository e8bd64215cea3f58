//! A registry that is only read: image layouts, for every client that can pull.

mod answer;
mod connection;
mod contents;
mod making;
mod once;
mod patient;
mod range;
mod refusal;
mod repository;
mod route;
mod stretch;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    runtime::{self, Runtime},
    task::JoinHandle,
    time,
};

pub use self::repository::Repository;
use self::{making::Makings, once::Once};
use crate::{
    error::{Error, Result},
    image_layout::name::is_repository,
    pool::Pool,
};

/// A read-only registry over image layouts, as the
/// [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) has it: what a
/// layout holds is pulled from here by whatever can pull, which takes the layers that it lacks and no others.
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
/// There is no TLS and no login: whoever reaches the address reads all that is served. Only blobs that a repository's
/// index reaches are served. Documents are checked against their digests before they are sent, all other blobs while
/// they are: of one that is damaged, or whose sources changed, the end is never sent, and the connection breaks.
///
/// A blob that has to be made is made once for all clients that ask for it at about the same time, with 16 MiB of
/// it in memory. A client that reads slowly while others wait goes on in another making.
pub struct Endpoint {
    repositories: BTreeMap<String, Repository>,
    pool: Pool,
    log: Log,
}

type Log = Arc<dyn Fn(&Event) + Send + Sync>;

impl Endpoint {
    /// An endpoint with these repositories, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is no repository's
    /// [name](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests), and for a name
    /// that is there twice.
    pub fn new<N: Into<String>, R: Into<Repository>>(repositories: impl IntoIterator<Item = (N, R)>) -> Result<Self> {
        let mut named = BTreeMap::new();
        for (name, repository) in repositories {
            let name = name.into();
            let refuse = |reason| Err(Error::invalid(format!("repository {name:?}"), reason));
            if !is_repository(&name) {
                return refuse(
                    "a name has lower-case letters and digits, with `.`, `_`, `__`, any number of `-`, or `/` between them",
                );
            }
            if named.contains_key(&name) {
                return refuse("two layouts have this name: give one of them another, as NAME=DIR");
            }
            named.insert(name, repository.into());
        }
        Ok(Self { repositories: named, pool: Pool::available(), log: Arc::new(|_| ()) })
    }

    /// Sets the threads: as many blobs are made at a time, and no fewer than two.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: pool.clone(), ..self }
    }

    /// Sets who is told what happens, from any thread. Whoever is told shall be quick.
    pub fn log(self, log: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { log: Arc::new(log), ..self }
    }

    /// What can be pulled, as `NAME:TAG`, and what has no tag as `NAME@DIGEST`. Indexes inside of others, and what
    /// only refers to another manifest, are left out.
    pub fn references(&self) -> Vec<String> {
        let mut references = Vec::new();
        for (name, repository) in &self.repositories {
            let contents = repository.contents(|_| ());
            references.extend(contents.tags.keys().map(|tag| format!("{name}:{tag}")));
            let untagged =
                contents.roots.iter().filter(|digest| !contents.tags.values().any(|tagged| tagged == *digest));
            references.extend(untagged.map(|digest| format!("{name}@{digest}")));
        }
        references
    }

    /// Begins to listen at this address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if that can't be.
    pub fn listen(self, address: SocketAddr) -> Result<Serving> {
        let fail = |cause| Error::Listen { address, cause };
        let runtime = start(self.pool.threads().clamp(1, 8)).map_err(fail)?;
        let listener = TcpListener::bind(address).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let log = Arc::clone(&self.log);
        let server = Arc::new(Server {
            repositories: self.repositories,
            makings: Makings::new(&self.pool),
            once: Once::new(move || log(&Event::Taken)),
            log: self.log,
        });
        let graceful = Arc::new(GracefulShutdown::new());
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(fail)?;
        drop(entered);
        let accepting = runtime.spawn(connection::accept(listener, server, Arc::clone(&graceful)));
        Ok(Serving { address, running: Some(Running { runtime, accepting, graceful }) })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("references", &self.references()).finish_non_exhaustive()
    }
}

/// A runtime of so many workers, or of fewer where the system has no more threads. tokio panics where it gets none, so
/// that the threads are tried before. One more waits for files, and never ends: what it waits for may be asked for when no
/// other can be had.
fn start(workers: usize) -> io::Result<Runtime> {
    let barrier = Arc::new(Mutex::new(()));
    let hold = barrier.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = || {
        let barrier = Arc::clone(&barrier);
        move || drop(barrier.lock())
    };
    let mut tried = vec![thread::Builder::new().spawn(wait())?, thread::Builder::new().spawn(wait())?];
    tried.extend((1..workers).map_while(|_| thread::Builder::new().spawn(wait()).ok()));
    drop(hold);
    let workers = tried.len() - 1;
    tried.into_iter().for_each(|thread| drop(thread.join()));
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(64)
        .thread_keep_alive(Duration::from_secs(u32::MAX.into()))
        .enable_all()
        .build()?;
    runtime.spawn_blocking(|| ());
    Ok(runtime)
}

/// What all connections share.
struct Server {
    repositories: BTreeMap<String, Repository>,
    makings: Arc<Makings>,
    once: Arc<Once>,
    log: Log,
}

impl Server {
    fn tell(&self, event: &Event) {
        (self.log)(event);
    }
}

/// An endpoint that listens, in threads of its own. Dropped, it ends at once.
pub struct Serving {
    address: SocketAddr,
    /// Always there but while it ends.
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    accepting: JoinHandle<()>,
    graceful: Arc<GracefulShutdown>,
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and ends when those that there are have been answered, or after ten seconds.
    pub fn stop(mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let Some(Running { runtime, accepting, graceful }) = self.running.take() else { return };
        runtime.block_on(async {
            accepting.abort();
            // That it was aborted is what it says.
            let _ = accepting.await;
            let graceful = Arc::into_inner(graceful).expect("who accepts has the only other one");
            // Who takes longer is cut off.
            let _ = time::timeout(PATIENCE, graceful.shutdown()).await;
        });
        runtime.shutdown_background();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What happens at an endpoint. Displayed, it is one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request was answered; a blob may still be on its way.
    Answered {
        /// Who asked.
        client: SocketAddr,
        /// `GET`, `HEAD`, …
        method: String,
        /// The path with its query, as it was sent.
        target: String,
        /// The status.
        status: u16,
    },
    /// What was asked for can't be read, or can't be read any further.
    Failed {
        /// The path with its query, as it was sent.
        target: String,
        /// Why.
        error: Arc<Error>,
    },
    /// A layout changed and can't be read any more. What it was before is served on.
    Unreadable {
        /// Its name.
        repository: String,
        /// Why.
        error: Error,
    },
    /// Somebody took a whole image: the manifest of one was sent, so was to its end every blob that somebody began to
    /// read, and for a second nobody has been connected. Clients that stay are disconnected when they have asked for
    /// nothing in half a minute.
    Taken,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { client, method, target, status } => write!(f, "{client} {method} {target} {status}"),
            Self::Failed { target, error } => write!(f, "{target}: {error}"),
            Self::Unreadable { repository, error } => {
                write!(f, "{repository} changed, and is served as it was: {error}")
            }
            Self::Taken => f.write_str("an image was taken"),
        }
    }
}
