//! How a builder writes and speaks.

use crate::{basics::warning::Warning, store::write_options::WriteOptions};

/// A builder is alone with its output, and Nix syncs what it registers, if it is told to (`fsync-store-paths`).
pub(crate) const WRITE: WriteOptions = WriteOptions { sync: false, lock: false };

/// Prints warnings where Nix shows them: in the log of the build.
pub(crate) fn say(warnings: &[Warning]) {
    warnings.iter().for_each(|warning| eprintln!("oci-layout: warning: {warning}"));
}
