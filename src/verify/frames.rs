//! Where the frames of a blob are, and parts of the blob.

use std::ops::Range;

/// The maximum number of frames that are recorded.
#[cfg(feature = "zstd")]
const MAX_FRAMES: usize = 4 << 20;

/// What was recorded of the frames of a blob.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The offset of each frame in the blob and of its contents, and finally the ends.
    begins: Vec<(u64, u64)>,
    /// Whether there are more frames than are recorded.
    pub(crate) are_too_many: bool,
    /// Parts of the blob, with their ranges.
    kept: Vec<(Range<u64>, Vec<u8>)>,
    /// The offset in the blob that was read up to, and that of its contents.
    #[cfg(feature = "zstd")]
    at: (u64, u64),
}

impl Frames {
    /// `kept` are the ranges of the blob to keep.
    pub(crate) fn new(kept: impl IntoIterator<Item = Range<u64>>) -> Self {
        let kept = kept.into_iter().map(|range| (range, Vec::new())).collect();
        Self { kept, ..Self::default() }
    }

    /// Records that a frame begins, or that the blob ends.
    #[cfg(feature = "zstd")]
    pub(crate) fn begin(&mut self) {
        self.are_too_many |= self.begins.len() >= MAX_FRAMES;
        if !self.are_too_many {
            self.begins.push(self.at);
        }
    }

    /// Records these bytes of the blob, and the number of bytes that they decompress to.
    #[cfg(feature = "zstd")]
    pub(crate) fn add(&mut self, bytes: &[u8], contents: usize) {
        let at = self.at.0;
        for (range, kept) in &mut self.kept {
            let within = |offset: usize| offset.min(bytes.len());
            let place = |offset: u64| {
                usize::try_from(offset.saturating_sub(at)).map_or(bytes.len(), within)
            };
            kept.extend_from_slice(&bytes[place(range.start)..place(range.end)]);
        }
        self.at.0 += bytes.len() as u64;
        self.at.1 += contents as u64;
    }

    /// The offset of the contents of the frame that begins or ends at this offset of the blob.
    pub(crate) fn contents_at(&self, offset: u64) -> Option<u64> {
        let index = self.begins.partition_point(|&(begin, _)| begin < offset);
        self.begins.get(index).filter(|&&(begin, _)| begin == offset).map(|&(_, contents)| contents)
    }

    /// The bytes of a range that was kept. Fewer if the blob ends before.
    pub(crate) fn bytes(&self, range: &Range<u64>) -> &[u8] {
        let kept = self.kept.iter().find(|(kept, _)| kept == range);
        kept.map_or(&[], |(_, bytes)| bytes)
    }
}
