//! Where the blocks of a tar end, each of which is compressed separately.
//!
//! Blocks end where entries begin, at places that depend on the entries nearby only. If a file
//! changes, the blocks far before and after it therefore stay as they are. `docs/byte-format.md`
//! documents the rule.

use crc32fast::Hasher;

/// A place at which a block can end: the beginning of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// The offset of the first header block of the entry, including extended headers.
    pub(crate) offset: u64,
    /// Of several boundaries, a block ends at the one with the smallest key.
    pub(crate) key: u32,
}

/// The key of an entry with these fields of its ustar header. It does not depend on the contents, so
/// that a file that changes does not move the ends of blocks.
pub(crate) fn key(name: &[u8], prefix: &[u8]) -> u32 {
    let mut sum = Hasher::new();
    sum.update(name);
    sum.update(prefix);
    sum.finalize()
}

/// The end of the block that begins at `start`. `tar_end` is the end of the tar, if it is known.
/// `boundaries` are in order, and include all after `start` and up to `start + limit`.
pub(crate) fn block_end(
    start: u64,
    limit: u64,
    tar_end: Option<u64>,
    boundaries: impl Iterator<Item = Boundary>,
) -> u64 {
    let (least, most) = (start + limit / 2, start + limit);
    if let Some(end) = tar_end.filter(|&end| end <= most) {
        return end;
    }
    let mut best: Option<Boundary> = None;
    // An entry that extends from here over all of the places above is large, and gets blocks of its
    // own.
    let mut last_before = None;
    for boundary in boundaries.take_while(|boundary| boundary.offset <= most) {
        if boundary.offset < least {
            last_before = Some(boundary.offset).filter(|&offset| offset > start);
        } else if best.is_none_or(|best| boundary.key < best.key) {
            best = Some(boundary);
        }
    }
    best.map(|best| best.offset).or(last_before).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(limit: u64, end: u64, boundaries: &[(u64, u32)]) -> Vec<u64> {
        let mut ends = Vec::new();
        let mut start = 0;
        while start < end {
            let boundaries = boundaries.iter().map(|&(offset, key)| Boundary { offset, key });
            start = block_end(start, limit, Some(end), boundaries.filter(|b| b.offset > start));
            ends.push(start);
        }
        ends
    }

    #[test]
    fn blocks_end_at_the_smallest_key_from_half_the_limit_on() {
        // Too early, smallest, too late; the first of equal ones; at both bounds.
        assert_eq!(ends(10, 20, &[(4, 0), (6, 2), (8, 1), (9, 3), (11, 0)]), [8, 11, 20]);
        assert_eq!(ends(10, 15, &[(6, 1), (7, 1), (8, 1)]), [6, 15]);
        assert_eq!(ends(10, 13, &[(5, 1), (8, 2)]), [5, 13]);
        assert_eq!(ends(10, 13, &[(8, 2), (10, 1)]), [10, 13]);
        // The rest is one block if it is small enough.
        assert_eq!(ends(10, 10, &[(7, 1)]), [10]);
    }

    #[test]
    fn a_large_entry_has_blocks_of_its_own() {
        // From 3 to 30: its pieces are counted from its beginning. Then small entries.
        assert_eq!(ends(10, 40, &[(1, 0), (3, 9), (30, 5), (36, 6)]), [3, 13, 23, 30, 40]);
        // One at the beginning, and one directly after another.
        assert_eq!(ends(10, 40, &[(12, 0), (34, 0)]), [10, 12, 22, 32, 40]);
    }
}
