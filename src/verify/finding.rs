//! The findings of a verification: the place, the blob and the defect.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    basics::{digest::Digest, printable::Printable},
    verify::defect::{Defect, Severity},
};

pub(crate) use crate::basics::json::shown;

/// A defect and where it was found.
///
/// `Display` writes one line for people: `warning: ` for a warning, the place, the digest and the
/// message. Serialised, it is an object with `severity` (`error` or `warning`), `place`, `digest`
/// (or `null`), `defect` (the name of the [`Defect`], such as `blob-missing`) and `message`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The place, as a path from the layout's own files: `index.json, manifests[0], layers[2],
    /// entry "bin/sh"`. If several places refer to the blob, this is the first.
    pub place: String,
    /// The blob with the defect, if it is in a blob.
    pub digest: Option<Digest>,
    /// The defect.
    pub defect: Defect,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, digest: Option<Digest>, defect: Defect) -> Self {
        Self { place: place.into(), digest, defect }
    }

    /// Returns the severity of the defect.
    pub fn severity(&self) -> Severity {
        self.defect.severity()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.severity() == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}", Printable(&self.place))?;
        self.digest.iter().try_for_each(|digest| write!(f, " ({digest})"))?;
        write!(f, ": {}", Printable(&self.defect))
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Finding", 5)?;
        members.serialize_field("severity", self.severity().as_str())?;
        members.serialize_field("place", &self.place)?;
        members.serialize_field("digest", &self.digest)?;
        members.serialize_field("defect", self.defect.name())?;
        members.serialize_field("message", &self.defect.to_string())?;
        members.end()
    }
}

/// Collects findings up to a limit, because a hostile document can cause millions.
pub(crate) struct Findings {
    list: Vec<Finding>,
    limit: usize,
    more: u64,
}

impl Findings {
    pub(crate) fn new(limit: usize) -> Self {
        Self { list: Vec::new(), limit, more: 0 }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        if self.list.len() < self.limit {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Returns all findings. If some were left out, the last one has their number.
    pub(crate) fn into_list(mut self, place: &str, digest: Option<Digest>) -> Vec<Finding> {
        if self.more > 0 {
            self.list.push(Finding::new(place, digest, Defect::More { count: self.more }));
        }
        self.list
    }
}
