//! The thread that drives the connections of a client.
//!
//! tokio panics where the system has no thread for it. So what it needs threads for is started
//! here: a thread that cannot be had is an error.

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

/// A runtime, in a thread of its own. Dropped, it ends at once.
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
            // The other end is dropped, and never sends.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _end: end })
    }

    /// From any thread but its own: it only waits there.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Asks the system for addresses, in a thread for each name.
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
                // If the request is over, nobody is left to tell.
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
