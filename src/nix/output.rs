//! How a builder writes its output and its messages.

use crate::{basics::warning::Warning, store::write_options::WriteOptions};

/// A builder is the only writer of its output, and Nix syncs what it registers if configured to
/// (`fsync-store-paths`).
pub(crate) const WRITE: WriteOptions = WriteOptions { sync: false, lock: false };

/// Prints warnings. Nix shows them in the build log.
pub(crate) fn say(warnings: &[Warning]) {
    warnings.iter().for_each(|warning| warn(&warning.to_string()));
}

/// Prints a warning.
pub(crate) fn warn(text: &str) {
    eprintln!("oci-layout: warning: {text}");
}
