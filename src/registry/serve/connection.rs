//! Connections: how many there are, how long they may be silent, and what they are served by.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioTimer, server::graceful::GracefulShutdown};
use tokio::{net::TcpListener, sync::Semaphore, time};

use super::{Server, answer::answer, patient::Patient};

/// Each may have a file open beside itself, and a process has 1024 files where nobody says otherwise. More clients
/// wait until there is room.
const MOST: usize = 400;

/// How long the head of a request may take, and how long a connection may be open without one.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(300);

/// The bytes of a request's head, at most.
const HEAD: usize = 16 << 10;

/// Takes connections for ever.
pub(super) async fn accept(listener: TcpListener, server: Arc<Server>, graceful: Arc<GracefulShutdown>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("nobody closes it");
        let Ok((stream, client)) = listener.accept().await else {
            // The client is gone again, or the files are all in use: none of it lasts.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // What is small does not wait for what is large.
        let _ = stream.set_nodelay(true);
        let open = server.once.connects();
        let server = Arc::clone(&server);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(answer(server, client, request).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(SILENCE).max_buf_size(HEAD);
        let connection = graceful.watch(http.serve_connection(Patient::new(stream, PATIENCE), service));
        tokio::spawn(async move {
            // What goes wrong here is the client's own, or was told when it happened.
            let _ = connection.await;
            drop((open, place));
        });
    }
}
