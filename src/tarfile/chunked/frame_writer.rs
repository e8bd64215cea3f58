//! Text in zstd frames, compressed while it is written.

use crate::{basics::Result, tarfile::codec::Codec};

/// The maximum size of the text in a frame.
const LIMIT: usize = 4 << 20;

/// Frames of text that grows at its end.
pub(crate) struct FrameWriter {
    codec: Codec,
    /// The text after the last frame.
    text: Vec<u8>,
    frames: Vec<u8>,
    size: u64,
}

impl FrameWriter {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, text: Vec::new(), frames: Vec::new(), size: 0 }
    }

    /// The size of the text.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn write(&mut self, text: &[u8]) -> Result<()> {
        self.text.extend_from_slice(text);
        self.size += text.len() as u64;
        while self.text.len() >= LIMIT {
            let rest = self.text.split_off(LIMIT);
            self.add_frame()?;
            self.text = rest;
        }
        Ok(())
    }

    /// The frames.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        if !self.text.is_empty() {
            self.add_frame()?;
        }
        Ok(self.frames)
    }

    fn add_frame(&mut self) -> Result<()> {
        let at = self.frames.len();
        self.frames.resize(at + self.codec.bound(self.text.len()), 0);
        let size = self.codec.compress(&self.text, &mut self.frames[at..])?;
        self.frames.truncate(at + size);
        Ok(())
    }
}
