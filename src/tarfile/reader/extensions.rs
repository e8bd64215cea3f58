//! What the headers before an entry's own say of it.

use crate::tarfile::reader::pax::Records;

/// What an entry's headers have that GNU tar and bsdtar read, and other readers refuse or read in
/// another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oddity {
    /// Two extended headers of one type. The later one counts for GNU tar, bsdtar and Go, the
    /// earlier one for Python.
    RepeatedHeader,
    /// An extended header of the type `X`, as Solaris writes it. Go's `archive/tar` does not know
    /// the type.
    SolarisHeader,
    /// A global extended header before this entry. Go passes over what it says.
    GlobalHeader,
    /// The device number of an entry that is no device is no number. Go refuses the header.
    DeviceNumber,
    /// A record of an extended header that Go refuses: a NUL byte where there may be none, or a
    /// time or number that is none.
    Record,
}

/// What the headers before an entry's own say of it.
#[derive(Default)]
pub(crate) struct Extensions {
    pub(crate) records: Option<Records>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) oddities: Vec<Oddity>,
}

impl Extensions {
    pub(crate) fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_none() && self.name.is_none() && self.link.is_none()
    }
}
