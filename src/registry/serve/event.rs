//! The events of an endpoint.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    basics::{digest::Digest, error::Error, printable::Printable, report::Report},
    registry::serve::named_images::NamedImageError,
};

/// An event at an endpoint. Its `Display` is a single line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request was answered.
    Answered {
        /// The identifier of the request, which the response has in the header `X-Request-Id`.
        request: String,
        /// The client's address.
        client: SocketAddr,
        /// The method, such as `GET` or `HEAD`.
        method: String,
        /// The path and query of the request, as the client sent them.
        target: String,
        /// The status code of the response.
        status: u16,
        /// How long the answer took. The body may still be on its way.
        time: Duration,
    },
    /// The requested content cannot be read, or reading it failed while it was sent.
    Failed {
        /// The identifier of the request.
        request: String,
        /// The path and query of the request, as the client sent them.
        target: String,
        /// The reason.
        error: Arc<Error>,
    },
    /// A named image was made.
    Made {
        /// The identifier of the request that began it. Others may have waited for it too.
        request: String,
        /// The name and the tag, as the client wrote them whose request began it.
        image: String,
        /// The digest of its manifest.
        digest: Digest,
        /// How long it took.
        time: Duration,
    },
    /// A named image was not made.
    NotMade {
        /// The identifier of the request that began it. Others may have waited for it too.
        request: String,
        /// The name and the tag, as the client wrote them whose request began it.
        image: String,
        /// The reason, with a detail that no client sees.
        error: NamedImageError,
        /// How long it took.
        time: Duration,
    },
    /// A layout changed and cannot be read. Its previous contents are still served.
    Unreadable {
        /// The name of the repository.
        repository: String,
        /// The reason.
        error: Error,
    },
    /// A changed file of the endpoint's configuration, such as its certificate, is unusable. The
    /// previous contents stay in use.
    Unusable {
        /// The reason.
        error: Error,
    },
    /// A client has pulled an image: the endpoint has sent a manifest and every blob that a client
    /// started to read, completely, and no client has been connected for one second. Idle clients
    /// are disconnected after half a minute.
    Taken,
}

impl Event {
    /// The event as a JSON object: its name in `event`, what [`Display`](fmt::Display) writes in
    /// `message`, and its fields. Times are numbers of seconds.
    pub fn to_json(&self) -> Value {
        let mut json = match self {
            Self::Answered { request, client, method, target, status, time } => json!({
                "event": "answered", "request": request, "client": client.to_string(),
                "method": method, "target": target, "status": status,
                "seconds": time.as_secs_f64(),
            }),
            Self::Failed { request, target, .. } => {
                json!({ "event": "failed", "request": request, "target": target })
            }
            Self::Made { request, image, digest, time } => json!({
                "event": "made", "request": request, "image": image, "digest": digest,
                "seconds": time.as_secs_f64(),
            }),
            Self::NotMade { request, image, error, time } => json!({
                "event": "not-made", "request": request, "image": image, "reason": error.message,
                "detail": error.detail, "seconds": time.as_secs_f64(),
            }),
            Self::Unreadable { repository, .. } => {
                json!({ "event": "unreadable", "repository": repository })
            }
            Self::Unusable { .. } => json!({ "event": "unusable" }),
            Self::Taken => json!({ "event": "taken" }),
        };
        json["message"] = self.to_string().into();
        json
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { client, method, target, status, .. } => {
                write!(f, "{client} {} {} {status}", Printable(method), Printable(target))
            }
            Self::Failed { target, error, .. } => {
                write!(f, "{}: {}", Printable(target), Report(&**error))
            }
            Self::Made { image, digest, time, .. } => {
                let time = time.as_secs_f64();
                write!(f, "{} was made in {time:.1} s: {digest}", Printable(image))
            }
            Self::NotMade { image, error, time, .. } => {
                let time = time.as_secs_f64();
                write!(f, "{} was not made in {time:.1} s: ", Printable(image))?;
                write!(f, "{}", Printable(error))?;
                error.detail.iter().try_for_each(|detail| write!(f, ": {}", Printable(detail)))
            }
            Self::Unreadable { repository, error } => {
                write!(
                    f,
                    "{repository} changed and cannot be read; serving its previous contents: {}",
                    Report(error)
                )
            }
            Self::Unusable { error } => {
                write!(f, "{}; using the previous contents until this is fixed", Report(error))
            }
            Self::Taken => f.write_str("an image was pulled"),
        }
    }
}
