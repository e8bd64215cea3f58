//! How far something is.

use std::{fmt, sync::Arc};

/// A function that is told how many bytes of how many are done.
#[derive(Clone)]
pub struct Progress(pub(crate) Arc<dyn Fn(u64, u64) + Send + Sync>);

impl Progress {
    /// Calls this function, from any thread, with the bytes that are done and their whole number:
    /// those of the tar, from when all files are found, or those that are pulled.
    pub fn new(report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
