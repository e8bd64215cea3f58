//! What a program learns while a registry works on a response.

use std::{fmt, sync::Arc, time::Duration};

type Report = dyn Fn(&str, Duration) + Send + Sync;

/// A callback for the time in which a registry works on a manifest, for example because it makes
/// the image.
#[derive(Clone)]
pub struct Waiting(pub(crate) Arc<Report>);

impl Waiting {
    /// Calls this function with the registry's name and the time since the request, each time that
    /// [`Client::timeout`](super::Client::timeout) has passed without a response.
    pub fn new(report: impl Fn(&str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}
