//! Options for writing files, shared by all commands that write.

use clap::Args;
use oci_layout::WriteOptions;

/// How files are written.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "How files are written")]
pub(crate) struct WriteArgs {
    /// Do not wait until the output is on disk. For temporary work: a power loss may leave the
    /// output empty or damaged
    #[arg(long)]
    no_sync: bool,

    /// Do not use locks, for file systems without them. No other program may write to the output at
    /// the same time
    #[arg(long)]
    no_lock: bool,
}

impl WriteArgs {
    pub(crate) fn options(self) -> WriteOptions {
        WriteOptions::default().sync(!self.no_sync).lock(!self.no_lock)
    }
}
