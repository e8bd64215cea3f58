//! Decompresses zstd frame by frame, and records where frames begin.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::verify::frames::Frames;

/// A decompressor that records the frames.
pub(crate) struct FrameReader<R> {
    source: R,
    decoder: Decoder<'static>,
    is_in_frame: bool,
    frames: Frames,
}

impl<R: BufRead> FrameReader<R> {
    pub(crate) fn new(source: R, window_log: u32, frames: Frames) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(window_log))?;
        Ok(Self { source, decoder, is_in_frame: false, frames })
    }

    pub(crate) fn finish(mut self) -> (R, Frames) {
        self.frames.begin();
        (self.source, self.frames)
    }
}

impl<R: BufRead> Read for FrameReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.source.fill_buf()?;
            if input.is_empty() {
                return match self.is_in_frame {
                    true => Err(io::ErrorKind::UnexpectedEof.into()),
                    false => Ok(0),
                };
            }
            if !self.is_in_frame {
                self.decoder.reinit()?;
                self.is_in_frame = true;
                self.frames.begin();
            }
            let status = self.decoder.run_on_buffers(input, buffer)?;
            self.frames.add(&input[..status.bytes_read], status.bytes_written);
            self.source.consume(status.bytes_read);
            self.is_in_frame = status.remaining > 0;
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
        }
    }
}
