//! gzip and zstd read as what is in them, which their first bytes tell.

use std::io::{self, BufRead, Read};

/// What the stream unpacks to; `None` if it is compressed in no way that is known.
///
/// # Errors
///
/// What its beginning can't be read for; a stream in zstd without the feature of that name, which the error names.
pub(crate) fn decompress<'a>(mut stream: impl BufRead + Send + 'a) -> io::Result<Unpacked<'a>> {
    Ok(match stream.fill_buf()? {
        [0x1f, 0x8b, ..] => Unpacked::Compressed(Box::new(flate2::bufread::MultiGzDecoder::new(stream))),
        // A frame, or one to be skipped: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Unpacked::Compressed(zstd(stream)?),
        _ => Unpacked::Plain(Box::new(stream)),
    })
}

/// A stream that was compressed, or was not.
pub(crate) enum Unpacked<'a> {
    Compressed(Box<dyn Read + Send + 'a>),
    Plain(Box<dyn Read + Send + 'a>),
}

#[cfg(feature = "zstd")]
fn zstd<'a>(stream: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(zstd::Decoder::with_buffer(stream)?))
}

#[cfg(not(feature = "zstd"))]
fn zstd<'a>(_stream: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Err(io::Error::other("it is compressed with zstd: build with the feature `zstd`, or decompress it first"))
}
