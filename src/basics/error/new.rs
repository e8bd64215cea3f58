//! Constructors of errors, for causes and texts that several modules report.

use std::{io, path::PathBuf};

use crate::basics::{
    digest::Digest,
    error::{Error, Result},
    text,
    warning::Warning,
};

impl Error {
    /// The error for a source file that could not be read.
    pub(crate) fn source(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::NotFound => Self::SourceMissing { path },
            _ => Self::SourceUnreadable { path, cause },
        }
    }

    /// The error for an output that could not be written.
    #[doc(hidden)]
    pub fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Write { path, cause: of_system(cause) }
    }

    /// The error of a caller's writer. If it wraps one of our errors, which names a file, returns
    /// that one.
    pub(crate) fn sink(cause: io::Error) -> Self {
        cause.downcast().unwrap_or_else(Self::write("output"))
    }

    /// The error for a file of a layout that could not be read.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |cause| Self::Read { path, cause }
    }

    /// The error for a blob that could not be read. `Read` returns `io::Error`, which may wrap one
    /// of our errors, for example about a source. In that case, returns the wrapped error.
    pub(crate) fn blob(digest: Digest, cause: io::Error) -> Self {
        match cause.downcast() {
            Ok(error) => error,
            Err(cause) => Self::BlobUnreadable { digest, cause },
        }
    }

    /// Returns the first warning as an error if `strict` is set.
    pub(crate) fn refuse_warnings(warnings: &[Warning], strict: bool) -> Result<()> {
        match warnings.first() {
            Some(warning) if strict => Err(Self::Warning(warning.clone())),
            _ => Ok(()),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    /// For the program, which reads objects of its own.
    #[doc(hidden)]
    pub fn unknown_member(what: impl Into<String>, member: &str, known: &[&str]) -> Self {
        Self::UnknownMember {
            what: what.into(),
            member: member.to_owned(),
            closest: text::closest(member, known).map(str::to_owned),
            known: known.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    pub(crate) fn layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Layout { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn not_a_layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::NotALayout { path: path.into(), reason: reason.into() }
    }
}

/// The error of the system in one of the crate `tempfile`, which also names the temporary file. Only
/// the text of that error has the code.
fn of_system(cause: io::Error) -> io::Error {
    let text = cause.to_string();
    let code = text.split_once(" (os error ").and_then(|(_, rest)| rest.split_once(") at path "));
    match code.and_then(|(code, _)| code.parse().ok()) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => cause,
    }
}
