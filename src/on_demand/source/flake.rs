//! Flakes: package sets with locked inputs.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    basics::json,
    on_demand::nix::programs::Programs,
    registry::{NamedImageError, NamedImageErrorKind::Internal, Stop},
};

/// What `nix flake metadata` says. Its other members are of no interest.
#[derive(Deserialize)]
struct Metadata {
    path: PathBuf,
}

/// Fetches the current state of a flake.
pub(crate) fn fetch(
    programs: &Programs,
    reference: &str,
    stop: &Stop,
) -> Result<PathBuf, NamedImageError> {
    let mut command = programs.nix("nix");
    command.args(["--extra-experimental-features", "nix-command flakes"]);
    command.args(["flake", "metadata", "--json", "--no-write-lock-file", "--tarball-ttl", "0"]);
    command.arg(reference);
    let time = programs.options.realisation_time;
    let what = "fetching the flake";
    let output = programs
        .run_for(&mut command, what, time, None, stop)
        .map_err(|failure| failure.because(|reason| format!("{what} failed: {reason}")))?;
    let metadata = json::from_slice::<Metadata>(&output).map_err(|reason| {
        let message = "the registry does not understand Nix's answer: ask its operator";
        NamedImageError::new(Internal, message).detail(reason)
    })?;
    Ok(metadata.path)
}
