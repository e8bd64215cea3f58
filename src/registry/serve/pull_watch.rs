//! When somebody has taken a whole image.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time};

use crate::{basics::digest::Digest, pool::lock};

/// How long it must be quiet: some clients end their connection between two requests.
const QUIET: Duration = Duration::from_secs(1);

/// Watches for the moment in which an image has been taken: the manifest of one was sent, so was to
/// its end every blob that somebody began to read, and for a moment there has been no connection.
pub(crate) struct PullWatch {
    state: Mutex<State>,
    /// Connections so far, and those that are open.
    connections: AtomicU64,
    open: AtomicU64,
    tell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    has_manifest: bool,
    unfinished: HashSet<Digest>,
}

impl PullWatch {
    pub(crate) fn new(tell: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let (connections, open) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { state: Mutex::default(), connections, open, tell: Box::new(tell) })
    }

    /// An image's manifest is sent.
    pub(crate) fn manifest(&self) {
        lock(&self.state).has_manifest = true;
    }

    /// A blob is sent, or a part of one.
    pub(crate) fn begins(&self, digest: Digest) {
        lock(&self.state).unfinished.insert(digest);
    }

    /// The end of a blob is sent.
    pub(crate) fn ends(&self, digest: Digest) {
        lock(&self.state).unfinished.remove(&digest);
    }

    /// A client connects, and is connected until what this returns is dropped.
    pub(crate) fn connects(self: &Arc<Self>) -> Connection {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        Connection(Arc::clone(self))
    }

    fn is_taken(&self) -> bool {
        let state = lock(&self.state);
        state.has_manifest && state.unfinished.is_empty() && self.open.load(Ordering::SeqCst) == 0
    }

    async fn look(self: Arc<Self>) {
        let connections = self.connections.load(Ordering::SeqCst);
        time::sleep(QUIET).await;
        if self.is_taken() && connections == self.connections.load(Ordering::SeqCst) {
            lock(&self.state).has_manifest = false;
            (self.tell)();
        }
    }
}

/// A client that is connected.
pub(crate) struct Connection(Arc<PullWatch>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        // Without a runtime, the endpoint ends.
        if let (true, Ok(runtime)) = (self.0.is_taken(), Handle::try_current()) {
            runtime.spawn(Arc::clone(&self.0).look());
        }
    }
}
