//! The kinds of errors of registries.

use std::time::Duration;

/// What went wrong with a registry: the part of [`Error::Registry`](crate::Error::Registry) to
/// match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// The registry does not have the repository, tag, manifest or blob. Many registries also
    /// answer this for private repositories.
    NotFound,
    /// The registry requires a login that is missing or that it does not accept.
    Unauthorized,
    /// The registry knows the user, who may not do this.
    Denied,
    /// The tag exists and cannot be moved to another image.
    Conflict,
    /// The registry limits the number of requests.
    TooManyRequests {
        /// How long it asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// The blob or manifest exceeds a limit of the registry, or of a proxy before it.
    TooLarge,
    /// The client cannot connect: the name is wrong, or the network or the proxy does not work.
    Unreachable,
    /// The client cannot connect securely: the registry does not use TLS, or its certificate is not
    /// trusted.
    Tls,
    /// The connection was closed before the response was complete.
    Interrupted,
    /// The answer does not come, or comes too slowly.
    TimedOut,
    /// The registry itself failed.
    Unavailable {
        /// The status of its answer, 500 or higher.
        status: u16,
    },
    /// The bytes that arrived do not match their digest.
    Damaged,
    /// The answer, or a document that it contains, does not follow its specification.
    InvalidResponse,
    /// The registry refuses the request for another reason.
    Refused {
        /// The status of its answer.
        status: u16,
    },
    /// No request can be made: the name of the registry is invalid, or this system lacks
    /// something.
    Local,
}
