//! What the library's errors and warnings advise, in the options of this program.

use oci_layout::{Error, Report, Warning};

/// An error and its causes, with the options that do what it advises.
pub(crate) fn error(error: &Error) -> String {
    with(error, |(command_line, _)| command_line)
}

/// The same, with the arguments of the Nix functions.
pub(crate) fn nix_error(error: &Error) -> String {
    with(error, |(_, nix)| nix)
}

fn with(error: &Error, words: fn(Options) -> &'static str) -> String {
    if let Error::Warning(warning) = error {
        let options = shown(of_warning(warning).map(words));
        return format!("{warning}{options} (strict: warnings are errors)");
    }
    let (sentence, whole) = (error.to_string(), Report(error).to_string());
    let causes = whole.strip_prefix(&sentence).unwrap_or_default();
    format!("{sentence}{}{causes}", shown(of_error(error).map(words)))
}

/// A warning, with the options that do what it advises.
pub(crate) fn warning(warning: &Warning) -> String {
    format!("{warning}{}", shown(of_warning(warning).map(|(command_line, _)| command_line)))
}

fn shown(options: Option<&str>) -> String {
    let options = options.filter(|options| !options.is_empty());
    options.map_or(String::new(), |options| format!(" ({options})"))
}

/// The options of the command line, and the arguments of the Nix functions if they have some.
type Options = (&'static str, &'static str);

fn of_error(error: &Error) -> Option<Options> {
    Some(match error {
        Error::Conflict { .. } => ("--on-conflict, or onConflict in a specification", "onConflict"),
        Error::Replaced(Warning::LinkReplaced { .. }) => {
            ("layer-tar --base, or --replace", "replace")
        }
        Error::BaseConflict { .. } | Error::Replaced(_) => ("--replace", "replace"),
        Error::SourceKind { .. } | Error::SourceHoldsOutput { .. } => {
            ("--exclude, or exclude in a specification", "exclude")
        }
        Error::NoLocks { .. } => ("--no-lock", ""),
        _ => return None,
    })
}

fn of_warning(warning: &Warning) -> Option<Options> {
    Some(match warning {
        Warning::HardLinksCopied { .. } => {
            ("--hard-links keep or copy, or hardLinks in a specification", "hardLinks")
        }
        Warning::LostBelow { .. } | Warning::LinkLost { .. } => (
            "--keep-directory-links, or keepDirectoryLinks in a specification",
            "keepDirectoryLinks",
        ),
        Warning::ModeLost { .. } => (
            "--chmod keep or GLOB=MODE, or mode and perms in a specification",
            "mode of the file, or perms",
        ),
        Warning::ProgramNotExecutable { .. } => ("--chmod GLOB=0755", "perms"),
        Warning::LinkReplaced { .. } | Warning::DirectoryReset { .. } => ("layer-tar --base", ""),
        Warning::LibraryMissing { .. } => ("--with-libraries adds those of this machine", ""),
        _ => return None,
    })
}
