//! An endpoint that listens, and how it stops.

use std::{
    fmt,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{task::JoinHandle, time};

use crate::{
    pool::lock,
    registry::{
        network::Network,
        serve::{connection::Graceful, server::Server, shared_making::MakingLimits},
    },
};

/// An endpoint that listens in its own threads. Dropping it stops it at once.
pub struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) operations: Option<SocketAddr>,
    /// `None` only while it stops.
    pub(crate) running: Option<Running>,
}

pub(crate) struct Running {
    pub(crate) workers: Vec<Network>,
    pub(crate) accepting: JoinHandle<()>,
    pub(crate) graceful: Arc<Graceful>,
    pub(crate) server: Arc<Server>,
    pub(crate) _operating: Option<Network>,
}

impl Serving {
    /// The address at which the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of [`Endpoint::operations`](crate::registry::Endpoint::operations).
    pub fn operations(&self) -> Option<SocketAddr> {
        self.operations
    }

    /// Reads the certificate, the users and changed layouts again now, instead of at the next
    /// request. Events report what is unusable, and its previous contents stay in use.
    pub fn reload(&self) {
        self.running.iter().for_each(|running| running.server.reload());
    }

    /// Changes how many named images are made, as
    /// [`Endpoint::making_limits`](crate::registry::Endpoint::making_limits) sets it. Images that
    /// are being made are finished.
    pub fn set_making_limits(&self, limits: MakingLimits) {
        let named = self.running.iter().filter_map(|running| running.server.named.as_ref());
        named.for_each(|named| named.makings.limit(limits));
    }

    /// Accepts no more requests, and returns when the current ones are answered, or after ten
    /// seconds.
    pub fn stop(self) {
        self.stop_within(Duration::from_secs(10));
    }

    /// Accepts no more requests, and returns when the current ones are answered. After this time,
    /// clients that wait for a named image get status 503, and other clients are disconnected. The
    /// threads that make images then have five seconds to end.
    pub fn stop_within(mut self, patience: Duration) {
        /// How long the last responses may take.
        const LAST: Duration = Duration::from_secs(1);
        /// How long threads that make images may take to end their programs.
        const ENDING: Duration = Duration::from_secs(5);
        let Some(running) = self.running.take() else { return };
        let Running { workers, accepting, graceful, server, _operating } = running;
        server.is_stopping.store(true, Ordering::Relaxed);
        let stop_makings = || server.named.iter().for_each(|named| named.makings.stop());
        workers[0].handle().block_on(async {
            accepting.abort();
            // The error only says that the task was aborted.
            let _ = accepting.await;
            let Some(graceful) = lock(&graceful).take() else { return };
            let mut done = pin!(graceful.shutdown());
            if time::timeout(patience, &mut done).await.is_err() {
                stop_makings();
                let _ = time::timeout(LAST, done).await;
            }
        });
        stop_makings();
        if let Some(named) = &server.named {
            named.makings.wait_for_threads(ENDING);
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}
