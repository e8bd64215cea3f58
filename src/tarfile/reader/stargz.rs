//! The table of contents of
//! [eStargz](https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md). BuildKit
//! and nerdctl append it after the end of the tar, so that the tar itself stays unchanged.

use crate::tarfile::reader::{block::BLOCK, header::Header};

const INDEX: &[u8] = b"stargz.index.json";

/// The end of the table of contents that starts with this block, at this offset of the tar.
pub(crate) fn end_of_index(block: &[u8], at: u64) -> Option<u64> {
    let header =
        Header::parse(block.first_chunk()?).ok().filter(|_| at.is_multiple_of(BLOCK as u64))?;
    let size = header.size().ok().filter(|_| header.name() == INDEX)?;
    (at + BLOCK as u64).checked_add(size)?.checked_next_multiple_of(BLOCK as u64)
}
