//! What all parts of the reader share: blocks, text in them, and errors.

use std::fmt;

pub(crate) const BLOCK: usize = 512;

/// What is wrong with a tar, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TarError {
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

pub(crate) type Result<T, E = TarError> = std::result::Result<T, E>;

/// What comes before the first NUL byte.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&byte| byte != 0).collect()
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the tar: {}", self.offset, self.reason)
    }
}
