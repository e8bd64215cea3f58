//! Extended headers before an entry.

use crate::tarfile::reader::pax::Records;

/// Features of an entry's headers that GNU tar and bsdtar accept, and that other readers refuse or
/// read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oddity {
    /// Two extended headers of the same type. GNU tar, bsdtar and Go use the later one, Python the
    /// earlier one.
    RepeatedHeader,
    /// An extended header of the type `X`, as Solaris writes it. Go's `archive/tar` does not
    /// support the type.
    SolarisHeader,
    /// A global extended header before this entry. Go ignores its contents.
    GlobalHeader,
    /// An entry that is not a device has a malformed device number. Go refuses the header.
    DeviceNumber,
    /// A record of an extended header that Go refuses: a NUL byte in the wrong place, or a
    /// malformed time or number.
    Record,
}

/// The contents of the extended headers before an entry.
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
