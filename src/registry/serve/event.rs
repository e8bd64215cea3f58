//! What an endpoint tells of itself.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::basics::{error::Error, printable::Printable, report::Report};

/// What happens at an endpoint. Displayed, it is one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request was answered; a blob may still be on its way.
    Answered {
        /// Who asked.
        client: SocketAddr,
        /// `GET`, `HEAD`, …
        method: String,
        /// The path with its query, as it was sent.
        target: String,
        /// The status.
        status: u16,
    },
    /// What was asked for can't be read, or can't be read any further.
    Failed {
        /// The path with its query, as it was sent.
        target: String,
        /// Why.
        error: Arc<Error>,
    },
    /// A layout changed and can't be read any more. What it was before is served on.
    Unreadable {
        /// Its name.
        repository: String,
        /// Why.
        error: Error,
    },
    /// Changed files of the endpoint's own, like those of its certificate, can't be used. What they
    /// were before is.
    Unusable {
        /// Why.
        error: Error,
    },
    /// Somebody took a whole image: the manifest of one was sent, so was to its end every blob that
    /// somebody began to read, and for a second nobody has been connected. Clients that stay are
    /// disconnected when they have asked for nothing in half a minute.
    Taken,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { client, method, target, status } => {
                write!(f, "{client} {} {} {status}", Printable(method), Printable(target))
            }
            Self::Failed { target, error } => {
                write!(f, "{}: {}", Printable(target), Report(&**error))
            }
            Self::Unreadable { repository, error } => {
                write!(f, "{repository} changed, and is served as it was: {}", Report(error))
            }
            Self::Unusable { error } => {
                write!(f, "{}; what was read before is used until this is mended", Report(error))
            }
            Self::Taken => f.write_str("an image was taken"),
        }
    }
}
