//! Connections: as many as there are places for, and each no longer than it is used.

use std::{
    convert::Infallible,
    net::{self, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::{
    Response,
    body::{Bytes, Frame, SizeHint},
    server::conn::http1,
    service::service_fn,
};
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
    basics::error::Error,
    pool::lock,
    registry::serve::{
        answer::answer,
        event::Event,
        places::{Activity, Answering, Full, Place},
        refusal::Refusal,
        response::Body,
        server::Server,
        slow_client::SlowClient,
    },
};

/// How long the head of a request may take, and how long a connection may be open without one.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(300);

/// The bytes of a request's head, at most: podman asks for a thousand parts of a blob in one.
const HEAD: usize = 32 << 10;

/// What ends connections between two requests; none when that has begun.
pub(crate) type Graceful = Mutex<Option<GracefulShutdown>>;

/// How long a client that has as many connections as it may have waits for one of them to end.
const QUEUE: Duration = Duration::from_secs(2);

/// The connections that wait so at a time.
const QUEUED: usize = 64;

/// Takes connections for ever, and gives one to each worker in turn.
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
            // The client is gone again, or the files are all in use: none of it lasts.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // What is small does not wait for what is large.
        let _ = stream.set_nodelay(true);
        let (server, graceful) = (Arc::clone(&server), Arc::clone(&graceful));
        let connection = Connection { stream, client, server, graceful };
        loop {
            let server = &connection.server;
            match server.places.try_place(client.ip(), Instant::now()) {
                Ok(place) => {
                    worker.spawn(connection.serve(place));
                }
                // Those in the system's queue come after it.
                Err(Full::OfAll) => {
                    server.places.change().await;
                    continue;
                }
                // Others are not kept waiting.
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

/// A client that has connected.
struct Connection {
    /// Of no runtime, until a worker has it.
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

    /// Serves it when another connection of the client has ended, and else says why not.
    async fn wait(self) {
        let end = Instant::now() + QUEUE;
        while Instant::now() < end {
            self.server.places.change().await;
            if let Ok(place) = self.server.places.try_place(self.client.ip(), Instant::now()) {
                // Others may wait now.
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

/// What goes wrong here is the client's own, or is told when it happens.
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
            let (head, body) = answer(server, client, request).await.into_parts();
            Ok::<_, Infallible>(Response::from_parts(head, Answer { body, _answering: answering }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE).max_buf_size(HEAD);
    // From now on it is waited for; what has not come so far is not.
    let Some(watcher) = lock(&graceful).as_ref().map(GracefulShutdown::watcher) else { return };
    let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
}

/// Answers whatever a client asks that has too many connections, and reads what it sends, or it
/// would not get the answer.
async fn refuse(mut stream: TcpStream) {
    let refusal =
        Refusal::too_many("this client has as many connections as it may have at the same time")
            .json();
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

/// The body of a response, while which is read a request is answered.
struct Answer {
    body: Body,
    _answering: Answering,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Arc<Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Arc<Error>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
