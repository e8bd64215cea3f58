//! How files are written: options that all commands have which write.

use clap::Args;
use oci_layout::WriteOptions;

/// How files are written.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "How files are written")]
pub(crate) struct WriteArgs {
    /// Do not wait until the output is on disk: for scratch work, which a power loss may leave empty or damaged
    #[arg(long)]
    no_sync: bool,

    /// Lock nothing: for file systems without locks. No other program may write to the output meanwhile
    #[arg(long)]
    no_lock: bool,
}

impl WriteArgs {
    pub(crate) fn options(self) -> WriteOptions {
        WriteOptions { sync: !self.no_sync, lock: !self.no_lock }
    }
}
