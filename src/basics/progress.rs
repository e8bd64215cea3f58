//! Progress of an operation.

use std::{fmt, sync::Arc};

/// A callback that receives the number of bytes done and the total.
#[derive(Clone)]
pub struct Progress(pub(crate) Arc<dyn Fn(u64, u64) + Send + Sync>);

impl Progress {
    /// Calls this function, from any thread, with the bytes that are done and the total. For a
    /// layer, these are bytes of the tar, reported once all files are listed. For a pull, these are
    /// the bytes to download.
    pub fn new(report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
