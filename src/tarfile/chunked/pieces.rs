//! The pieces of a block, each of which becomes one frame.

use std::ops::Range;

/// A part of a block that becomes one frame: contents of a file, or what lies between contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its end in the block.
    pub(crate) end: usize,
    pub(crate) kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// Padding and headers, or the end of the tar.
    Between,
    /// Contents of one file: whether its first and its last byte are in this piece.
    Contents { first: bool, last: bool },
}

/// The pieces of the block that is this range of the tar. `contents` are the contents of the files
/// in it, in order.
pub(crate) fn pieces(
    block: Range<u64>,
    contents: impl IntoIterator<Item = Range<u64>>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = block.start;
    let place = |offset: u64| (offset - block.start) as usize;
    for contents in contents.into_iter().filter(|contents| !contents.is_empty()) {
        let (start, end) = (contents.start.max(block.start), contents.end.min(block.end));
        if start >= end {
            continue;
        }
        if at < start {
            pieces.push(Piece { end: place(start), kind: PieceKind::Between });
        }
        let (first, last) = (start == contents.start, end == contents.end);
        pieces.push(Piece { end: place(end), kind: PieceKind::Contents { first, last } });
        at = end;
    }
    if at < block.end {
        pieces.push(Piece { end: place(block.end), kind: PieceKind::Between });
    }
    pieces
}

/// Each piece with its bytes.
pub(crate) fn parts<'a>(
    block: &'a [u8],
    pieces: &'a [Piece],
) -> impl Iterator<Item = (PieceKind, &'a [u8])> {
    let starts = [0].into_iter().chain(pieces.iter().map(|piece| piece.end));
    pieces.iter().zip(starts).map(|(piece, start)| (piece.kind, &block[start..piece.end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_pieces() {
        let between = |end| Piece { end, kind: PieceKind::Between };
        let contents = |end, first, last| Piece { end, kind: PieceKind::Contents { first, last } };
        assert_eq!(pieces(10..20, []), [between(10)]);
        assert_eq!(pieces(10..20, std::iter::once(5..30)), [contents(10, false, false)]);
        assert_eq!(
            pieces(10..20, [5..12, 13..13, 14..15, 15..18, 19..21]),
            [
                contents(2, false, true),
                between(4),
                contents(5, true, true),
                contents(8, true, true),
                between(9),
                contents(10, true, false)
            ]
        );
        assert_eq!(pieces(10..20, [2..10, 20..30]), [between(10)]);
    }
}
