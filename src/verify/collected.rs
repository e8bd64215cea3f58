//! What is known of the tar of a layer, to compare it with a table of contents.

use std::{
    cell::RefCell,
    io::{self, Read},
    ops::Range,
    rc::Rc,
};

use crate::{
    basics::digest::{Digest, Hasher},
    tarfile::{
        chunked::{
            sums::{RunningSums, Sums},
            table::TableEntry,
        },
        reader::TarEntry,
    },
};

/// The maximum number of entries that are compared, of the tar and of the table. They take some
/// hundred bytes each.
pub(crate) const MAX_ENTRIES: usize = 1 << 19;

/// What is known of the entries of a tar, to compare it with the table.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) entries: Vec<Known>,
    /// Whether the tar has more entries than are compared.
    pub(crate) more: bool,
    /// The digest and size of everything but contents.
    pub(crate) between: Option<(Digest, u64)>,
}

pub(crate) struct Known {
    /// The entry as the table should have it, or why it can't.
    pub(crate) entry: Result<TableEntry, String>,
    pub(crate) path: String,
    /// The range of its contents.
    pub(crate) contents: Range<u64>,
    pub(crate) sums: Sums,
}

/// The reader below a reader of tars, which hashes contents and the rest.
pub(crate) struct Tee<R> {
    inner: R,
    at: u64,
    split: Rc<RefCell<Split>>,
}

#[derive(Default)]
struct Split {
    /// The range of the contents of the last entry.
    contents: Range<u64>,
    sums: RunningSums,
    between: Hasher,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let split = &mut *self.split.borrow_mut();
        let place = |offset: u64| {
            usize::try_from(offset.saturating_sub(self.at)).map_or(read, |at| at.min(read))
        };
        let (start, end) = (place(split.contents.start), place(split.contents.end));
        split.between.update(&buffer[..start]);
        split.sums.update(&buffer[start..end]);
        split.between.update(&buffer[end..read]);
        self.at += read as u64;
        Ok(read)
    }
}

/// Collects what the table is compared with, while a tar is read through its [`Tee`].
pub(crate) struct Collector<'a> {
    collected: &'a mut Collected,
    split: Rc<RefCell<Split>>,
    last: Option<(Result<TableEntry, String>, String)>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new<R: Read>(collected: &'a mut Collected, tar: R) -> (Self, Tee<R>) {
        let split = Rc::<RefCell<Split>>::default();
        let tee = Tee { inner: tar, at: 0, split: Rc::clone(&split) };
        (Self { collected, split, last: None }, tee)
    }

    /// Notes an entry, whose headers were read and whose contents were not.
    pub(crate) fn entry(&mut self, entry: &TarEntry, headers: &[u8]) {
        self.end_entry();
        let mut split = self.split.borrow_mut();
        split.contents = entry.data_offset..entry.data_offset + entry.stored_size;
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        self.last = Some((TableEntry::new(entry, headers), path));
    }

    fn end_entry(&mut self) {
        let Some((entry, path)) = self.last.take() else { return };
        let mut split = self.split.borrow_mut();
        let sums = std::mem::take(&mut split.sums).finish();
        if self.collected.entries.len() < MAX_ENTRIES {
            let contents = split.contents.clone();
            self.collected.entries.push(Known { entry, path, contents, sums });
        } else {
            self.collected.more = true;
        }
    }

    /// Notes the end of the tar.
    pub(crate) fn end(mut self) {
        self.end_entry();
        let between = std::mem::take(&mut self.split.borrow_mut().between);
        self.collected.between = Some(between.finish());
    }
}
