//! Blocks, text and errors for all parts of the reader.

use std::fmt;

pub(crate) const BLOCK: usize = 512;

/// A fault in a tar, and its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TarError {
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

pub(crate) type Result<T, E = TarError> = std::result::Result<T, E>;

/// The bytes before the first NUL byte.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&byte| byte != 0).collect()
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the tar: {}", self.offset, self.reason)
    }
}
