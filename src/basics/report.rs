//! An error with its causes.

use std::{error::Error, fmt, iter};

use crate::basics::printable::Printable;

/// Displays an error and its causes on one line, as in `cannot read "image": Permission denied (os
/// error 13)`.
///
/// An [`Error`](crate::Error) displays itself without its cause, which [`source`](Error::source)
/// returns. The causes are escaped as by [`Printable`].
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, Report, layer_tar};
///
/// # let dir = tempfile::tempdir()?;
/// # let file = dir.path().join("file");
/// # std::fs::write(&file, "")?;
/// let path = file.join("app");
/// let error = layer_tar([FileMapping::new(path, "/app")], LayerOptions::default()).unwrap_err();
/// assert!(Report(&error).to_string().ends_with("app\": Not a directory (os error 20)"));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        iter::successors(self.0.source(), |cause: &&(dyn Error + 'static)| (**cause).source())
            .try_for_each(|cause| write!(f, ": {}", Printable(cause)))
    }
}
