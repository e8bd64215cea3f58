//! Store paths are substituted or built, and kept.

use std::{ffi::OsString, fs, path::Path};

use crate::{
    on_demand::{
        nix::{
            messages,
            programs::{Programs, Unsuccessful},
        },
        package_source::Resolved,
    },
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal},
        Stop,
    },
};

/// The number of lines of a builder's log that an operator sees.
const LOG_LINES: &str = "25";

/// Substitutes or builds the outputs, and keeps them by the link `root` and links that begin with
/// its name.
///
/// Without permission to build, Nix is asked for the outputs and not for their derivations. It can
/// then only substitute, whatever its settings are, and the derivations need not exist.
pub(crate) fn realise(
    programs: &Programs,
    resolved: &Resolved,
    root: &Path,
    stop: &Stop,
) -> Result<(), Unsuccessful> {
    let options = &programs.options;
    let internal = |cause: &dyn std::fmt::Display| {
        let message = "the registry cannot keep packages: ask its operator";
        let detail = format!("{}: {cause}", root.display());
        Unsuccessful::Error(NamedImageError::new(Internal, message).detail(detail))
    };
    let root = std::path::absolute(root).map_err(|cause| internal(&cause))?;
    if let Some(folder) = root.parent() {
        fs::create_dir_all(folder).map_err(|cause| internal(&cause))?;
    }
    let mut command = programs.nix("nix-store");
    command.arg("--realise").arg("--add-root").arg(&root);
    // An error then has the end of the log of its own builder only.
    command.args(["--no-build-output", "--option", "log-lines", LOG_LINES]);
    let jobs = if options.allow_builds { options.jobs.max(1) } else { 0 };
    command.args(["--option", "max-jobs", &jobs.to_string()]);
    // By default, Nix builds without its sandbox where the system has none.
    command.args(["--option", "sandbox-fallback", "false"]);
    if !options.allow_builds {
        command.args(["--option", "builders", ""]);
    }
    command.args(["--timeout", &options.realisation_time.as_secs().max(1).to_string()]);
    command.args(["--max-silent-time", &options.silent_time.as_secs().max(1).to_string()]);
    for package in &resolved.packages {
        match options.allow_builds {
            false => _ = command.args(package.outputs.iter().map(|(_, path)| path)),
            true => {
                let names: Vec<&str> =
                    package.outputs.iter().map(|(name, _)| name.as_str()).collect();
                let mut derivation = OsString::from(&package.derivation);
                derivation.push(format!("!{}", names.join(",")));
                command.arg(derivation);
            }
        }
    }
    let what = if options.allow_builds { "building the packages" } else { "substitution" };
    programs.run_for(&mut command, what, options.realisation_time, None, stop).map(|_| ())
}

/// The error about packages that cannot be built or substituted.
pub(crate) fn error(programs: &Programs, failure: Unsuccessful) -> NamedImageError {
    let Unsuccessful::Refused(stderr) = failure else {
        return failure.because(str::to_owned);
    };
    let reason = messages::build_reason(&stderr);
    let message = match programs.options.allow_builds {
        true => format!("the packages cannot be built: {reason}"),
        false => format!(
            "the packages cannot be substituted, and this registry does not build (its operator \
             can allow it with --allow-builds): {reason}"
        ),
    };
    NamedImageError::new(Failed, message).detail(stderr)
}
