//! The thread that drives the connections of a client.
//!
//! tokio panics if the system refuses a thread. The threads that it needs are therefore started
//! here, where a refused thread is an error.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime in its own thread. Dropping it stops it at once.
pub(crate) struct Network {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Network {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().spawn(move || {
            // The sender never sends. It is dropped when this value is.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _end: end })
    }

    /// Call it from any thread except the runtime's own, which must not block.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Resolves host names with the system's resolver, in a thread for each name.
pub(crate) struct Resolver;

impl Resolver {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let (sender, receiver) = oneshot::channel();
            let ask = move || {
                // If the request was dropped, the result has no receiver.
                let addresses =
                    (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
                drop(sender.send(addresses));
            };
            thread::Builder::new().spawn(ask)?;
            let addresses = receiver.await??;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
