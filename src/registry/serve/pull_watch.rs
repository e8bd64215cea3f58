//! Detects that a client has pulled a whole image.

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

/// How long no client may be connected: some clients reconnect between two requests.
const QUIET: Duration = Duration::from_secs(1);

/// Detects that an image has been pulled: a manifest was sent, every blob that a client started to
/// read was sent to its end, and no client has been connected for a moment.
pub(crate) struct PullWatch {
    state: Mutex<State>,
    /// The number of connections so far, and of those that are open.
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

    /// Records that the manifest of an image was sent.
    pub(crate) fn manifest(&self) {
        lock(&self.state).has_manifest = true;
    }

    /// Records that sending a blob has started.
    pub(crate) fn begins(&self, digest: Digest) {
        lock(&self.state).unfinished.insert(digest);
    }

    /// Records that the end of a blob was sent.
    pub(crate) fn ends(&self, digest: Digest) {
        lock(&self.state).unfinished.remove(&digest);
    }

    /// Records that a client is connected, until the returned value is dropped.
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

/// A connected client.
pub(crate) struct Connection(Arc<PullWatch>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        // Without a runtime, the endpoint is stopping.
        if let (true, Ok(runtime)) = (self.0.is_taken(), Handle::try_current()) {
            runtime.spawn(Arc::clone(&self.0).look());
        }
    }
}
