//! What the operator's tools request, on a listener of its own: whether the endpoint lives and is
//! ready, and its counters.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time};

use crate::registry::serve::{
    metrics::Now,
    response::{Body, small},
    server::Server,
};

/// The maximum number of connections.
const CONNECTIONS: usize = 64;

/// How long a request and its response may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts connections until the task ends. Each has one request.
pub(crate) async fn accept(listener: TcpListener, server: Arc<Server>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = respond(&server, &request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).keep_alive(false);
            let serve = http.serve_connection(TokioIo::new(stream), service);
            let _ = time::timeout(PATIENCE, serve).await;
            drop(place);
        });
    }
}

fn respond<B>(server: &Server, request: &Request<B>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "alive\n"),
        "/readyz" if server.is_stopping() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the registry is stopping\n")
        }
        "/readyz" => text(StatusCode::OK, "ready\n"),
        "/metrics" => {
            let makings = server.named.as_ref().map(|named| named.makings.counts());
            let now = Now {
                connections: server.places.count(),
                blob_builds: server.builds.begun(),
                makings: makings.unwrap_or_default(),
            };
            text(StatusCode::OK, &server.metrics.text(&now))
        }
        _ => text(StatusCode::NOT_FOUND, "only /livez, /readyz and /metrics\n"),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let content_type = "text/plain; version=0.0.4; charset=utf-8".to_owned();
    small(status, vec![(header::CONTENT_TYPE, content_type)], text.into())
}
