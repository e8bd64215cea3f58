//! Identifiers of requests.

use std::sync::atomic::{AtomicU32, Ordering};

use rustls::crypto::ring;

/// Gives each request an identifier that is unique in a log, also among several endpoints.
pub(crate) struct RequestIds {
    endpoint: u32,
    last: AtomicU32,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut random = [0; 4];
        // Without random numbers, the identifiers are unique in this endpoint only.
        let _ = ring::default_provider().secure_random.fill(&mut random);
        Self { endpoint: u32::from_le_bytes(random), last: AtomicU32::new(0) }
    }

    pub(crate) fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        format!("{:08x}-{number:08x}", self.endpoint)
    }
}
