//! A request, as the log and the limits know it.

use std::net::SocketAddr;

use crate::registry::serve::access::Rights;

/// Who asked for what.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// An identifier, for the log and the response.
    pub(crate) id: String,
    /// The client's address.
    pub(crate) client: SocketAddr,
    /// The path and query, as the client sent them.
    pub(crate) target: String,
    /// What the client may pull. Nothing, until it is known.
    pub(crate) rights: Rights,
}

impl Asked {
    pub(crate) fn new(
        id: impl Into<String>,
        client: SocketAddr,
        target: impl Into<String>,
    ) -> Self {
        Self { id: id.into(), client, target: target.into(), rights: Rights::none() }
    }
}
