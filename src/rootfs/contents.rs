//! The contents of single files.

use std::io::{self, Read, Write};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Blob,
    rootfs::{
        entry::FileEntry,
        layer_stream::{Fault, read_layer},
    },
    tarfile::reader::{TarEntry, TarReader},
};

/// Writes the contents of the entry that was returned last, with the zeros of its holes.
pub(crate) fn copy_contents<R: Read>(
    tar: &mut TarReader<R>,
    entry: &TarEntry,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let fault = |cause| Fault::Other(Error::sink(cause));
    let mut written = 0;
    tar.contents(entry, |at, bytes| {
        zeros(out, at - written).and_then(|()| out.write_all(bytes)).map_err(fault)?;
        written = at + bytes.len() as u64;
        Ok::<_, Fault>(())
    })?;
    zeros(out, entry.size - written).map_err(fault)
}

/// Writes the contents of a file, for which its layer is read from the beginning to the end of the
/// file.
pub(crate) fn copy_from(layer: &dyn Blob, file: &FileEntry, out: &mut dyn Write) -> Result<()> {
    read_layer(layer, |tar| {
        while let Some(entry) = tar.next_entry()? {
            if Some(entry.offset) == file.offset {
                copy_contents(tar, &entry, out)?;
                break;
            }
        }
        Ok(false)
    })
}

fn zeros(out: &mut dyn Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(count), out).map(drop)
}
