//! Tags that clients write.

use crate::registry::{NamedImageError, NamedImageErrorKind::TagUnknown};

/// The tag of clients that name none.
pub(crate) const LATEST: &str = "latest";

/// The error about a tag that does not exist.
pub(crate) fn unknown_tag(tag: &str, reason: &str) -> NamedImageError {
    NamedImageError::new(TagUnknown, format!("there is no tag {tag:?}: {reason}"))
}
