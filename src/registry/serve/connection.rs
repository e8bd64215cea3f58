//! Connections: their number is limited, and unused ones are closed.

use std::{
    convert::Infallible,
    net::{self, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    time,
};

use crate::{
    pool::lock,
    registry::serve::{
        answer::answer,
        event::Event,
        places::{Activity, Full, Place},
        refusal::Refusal,
        server::Server,
        slow_client::SlowClient,
    },
};

/// How long a client may take to send the head of a request, or keep a connection idle.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a client may read nothing of its response.
const PATIENCE: Duration = Duration::from_secs(300);

/// The maximum size of a request's head: podman requests a thousand parts of a blob in one request.
const HEAD: usize = 32 << 10;

/// Closes connections between two requests; `None` once shutdown has begun.
pub(crate) type Graceful = Mutex<Option<GracefulShutdown>>;

/// How long a client that has reached its limit of connections waits for one of them to end.
const QUEUE: Duration = Duration::from_secs(2);

/// The number of connections that may wait like this at the same time.
const QUEUED: usize = 64;

/// Accepts connections until the task is aborted, and assigns them to the workers in turn.
pub(crate) async fn accept(
    listener: TcpListener,
    workers: Vec<Handle>,
    server: Arc<Server>,
    graceful: Arc<Graceful>,
) {
    let queue = Arc::new(Semaphore::new(QUEUED));
    let mut turns = workers.iter().cycle();
    loop {
        let accepted = listener.accept().await;
        let accepted = accepted.and_then(|(stream, client)| Ok((stream.into_std()?, client)));
        let (Ok((stream, client)), Some(worker)) = (accepted, turns.next()) else {
            // The client has disconnected already, or all file descriptors are in use: both are
            // temporary.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Small responses must not wait for larger ones.
        let _ = stream.set_nodelay(true);
        let (server, graceful) = (Arc::clone(&server), Arc::clone(&graceful));
        let connection = Connection { stream, client, server, graceful };
        loop {
            let server = &connection.server;
            match server.places.try_place(client.ip(), Instant::now()) {
                Ok(place) => {
                    worker.spawn(connection.serve(place));
                }
                // Later connections wait in the queue of the system.
                Err(Full::OfAll) => {
                    server.places.change().await;
                    continue;
                }
                // Other clients must not wait.
                Err(Full::OfClient) => {
                    if let Ok(permit) = Arc::clone(&queue).try_acquire_owned() {
                        worker.spawn(async move {
                            connection.wait().await;
                            drop(permit);
                        });
                    }
                }
            }
            break;
        }
    }
}

/// An accepted connection.
struct Connection {
    /// Not registered with a runtime until a worker takes it.
    stream: net::TcpStream,
    client: SocketAddr,
    server: Arc<Server>,
    graceful: Arc<Graceful>,
}

impl Connection {
    async fn serve(self, place: Place) {
        let open = self.server.once.connects();
        let Self { stream, client, server, graceful } = self;
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        place.hold(serve(stream, client, server, Arc::clone(place.activity()), graceful)).await;
        drop((open, place));
    }

    /// Serves the client when another one of its connections has ended, and otherwise refuses it.
    async fn wait(self) {
        let end = Instant::now() + QUEUE;
        while Instant::now() < end {
            self.server.places.change().await;
            if let Ok(place) = self.server.places.try_place(self.client.ip(), Instant::now()) {
                // Another connection may wait now.
                tokio::spawn(self.serve(place));
                return;
            }
        }
        if self.server.certificate.is_none()
            && let Ok(stream) = TcpStream::from_std(self.stream)
        {
            refuse(stream).await;
        }
    }
}

/// Serves one connection. It returns no error: an error here is either the client's or was already
/// reported as an event.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    server: Arc<Server>,
    activity: Arc<Activity>,
    graceful: Arc<Graceful>,
) {
    let stream = SlowClient::new(stream, PATIENCE, Arc::clone(&activity));
    let Some(certificate) = &server.certificate else {
        return serve_http(stream, client, server, activity, graceful).await;
    };
    let acceptor = certificate.acceptor(|error| server.tell(&Event::Unusable { error }));
    if let Ok(Ok(stream)) = time::timeout(SILENCE, acceptor.accept(stream)).await {
        serve_http(stream, client, server, activity, graceful).await;
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: SocketAddr,
    server: Arc<Server>,
    activity: Arc<Activity>,
    graceful: Arc<Graceful>,
) {
    let service = service_fn(move |request| {
        let (server, answering) = (Arc::clone(&server), activity.answers(Instant::now()));
        async move {
            let response = answer(Arc::clone(&server), client, request).await;
            // The request counts as active until its body is dropped.
            Ok::<_, Infallible>(response.map(|body| {
                body.map_frame(move |frame| {
                    let _held = &answering;
                    server.metrics.sends(frame.data_ref().map_or(0, Bytes::len));
                    frame
                })
            }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE).max_buf_size(HEAD);
    // From now on, shutdown waits for this connection. If shutdown has begun, do not start.
    let Some(watcher) = lock(&graceful).as_ref().map(GracefulShutdown::watcher) else { return };
    let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
}

/// Refuses a client that has too many connections. The rest of its request is read, because a reset
/// of the connection would discard the response.
async fn refuse(mut stream: TcpStream) {
    let refusal =
        Refusal::too_many("this client has reached its limit of simultaneous connections").json();
    let mut answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        refusal.len()
    )
    .into_bytes();
    answer.extend(refusal);
    let refused = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = time::timeout(Duration::from_secs(1), refused).await;
}
