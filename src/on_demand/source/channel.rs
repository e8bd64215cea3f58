//! Channels: nixpkgs as a tar that changes with time.

use std::path::PathBuf;

use crate::{
    basics::json,
    on_demand::nix::programs::Programs,
    registry::{NamedImageError, NamedImageErrorKind::Internal, Stop},
};

/// Nix unpacks the tar into its store and returns the path.
const FETCH: &str = "{ url }: builtins.fetchTarball { inherit url; name = \"source\"; }";

/// Fetches the current state of a channel below an address.
pub(crate) fn fetch(
    programs: &Programs,
    address: &str,
    channel: &str,
    stop: &Stop,
) -> Result<PathBuf, NamedImageError> {
    let url = format!("{address}/{channel}/nixexprs.tar.xz");
    let mut command = programs.nix("nix-instantiate");
    // What it means now is remembered elsewhere.
    command.args(["--option", "tarball-ttl", "0", "--eval", "--json", "--read-write-mode"]);
    command.args(["--expr", FETCH, "--argstr", "url", &url]);
    let time = programs.options.realisation_time;
    let what = "fetching the channel";
    let output = programs
        .run_for(&mut command, what, time, None, stop)
        .map_err(|failure| failure.because(|reason| format!("{what} failed: {reason}")))?;
    json::from_slice::<PathBuf>(&output).map_err(|reason| {
        let message = "the registry does not understand Nix's answer: ask its operator";
        NamedImageError::new(Internal, message).detail(reason)
    })
}
