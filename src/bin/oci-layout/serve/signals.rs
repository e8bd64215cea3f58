//! Signals to a server.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    process,
    sync::mpsc::Sender,
    thread,
};

use oci_layout::{Error, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// What the server hears about while it serves.
pub(super) enum Heard {
    /// A signal to end.
    End,
    Reload,
    Taken,
}

/// Sends what signals mean.
pub(super) fn listen(sender: Sender<Heard>, address: SocketAddr) -> Result<()> {
    // A daemon has no terminal, and ends on other signals. Another program ends with its terminal.
    let has_terminal = io::stdin().is_terminal();
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|cause| Error::Listen { address, cause })?;
    let started = thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let is_hung_up = has_terminal && !io::stdin().is_terminal();
            let news = if signal == SIGHUP && !is_hung_up { Heard::Reload } else { Heard::End };
            if sender.send(news).is_err() && signal != SIGHUP {
                // This is the second signal: do not wait for clients any longer.
                process::exit(128 + signal);
            }
        }
    });
    // Without this thread, nothing would end the program.
    started.map(drop).map_err(|cause| Error::Listen { address, cause })
}
