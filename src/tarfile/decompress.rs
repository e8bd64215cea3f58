//! Detects how bytes are compressed, and decompresses gzip and zstd.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

/// How bytes are compressed, detected by the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// No known compression.
    Plain,
    Gzip,
    Zstd,
    /// Detected for the sake of the error: nothing here reads it.
    Xz,
    /// As [`Packing::Xz`].
    Bzip2,
}

impl Packing {
    /// The number of bytes that show it.
    pub(crate) const START: usize = 6;

    /// The compression of what begins with these bytes.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame or a skippable frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }

    /// The name of the compression, which is also that of the program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// Whether [`decompress`] decompresses it.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd)
    }
}

/// Decompresses a stream; one in another format stays as it is.
///
/// # Errors
///
/// If the beginning cannot be read, or if a stream uses zstd and the feature `zstd` is disabled,
/// which the error names.
pub(crate) fn decompress<'a>(
    mut stream: impl BufRead + Send + 'a,
) -> io::Result<(Packing, Box<dyn Read + Send + 'a>)> {
    // A pipe may give the beginning in several parts.
    let mut start = Vec::new();
    stream.by_ref().take(Packing::START as u64).read_to_end(&mut start)?;
    let packing = Packing::of(&start);
    let stream = Cursor::new(start).chain(stream);
    let unpacked: Box<dyn Read + Send> = match packing {
        Packing::Gzip => Box::new(Gzip::Member(Box::new(GzDecoder::new(stream)))),
        Packing::Zstd => zstd(stream)?,
        Packing::Plain | Packing::Xz | Packing::Bzip2 => Box::new(stream),
    };
    Ok((packing, unpacked))
}

/// Decompresses what follows a whole gzip member.
pub(crate) fn gzip_rest<'a>(stream: impl BufRead + Send + 'a) -> Box<dyn Read + Send + 'a> {
    Box::new(Gzip::Between(stream))
}

/// The tar in the bytes of a layer, compressed or not.
///
/// # Errors
///
/// As [`decompress`].
pub(crate) fn unpacked<'a>(blob: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(decompress(BufReader::with_capacity(256 << 10, blob))?.1)
}

/// The concatenated members of a gzip file. As with `gzip`, zeros after the last member are
/// padding, which programs that write in blocks leave, for example on tapes.
enum Gzip<R> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    Ended,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Whatever fails may be tried again.
            *self = match std::mem::replace(self, Self::Ended) {
                Self::Ended => return Ok(0),
                Self::Between(mut stream) => match begins_member(&mut stream) {
                    Ok(true) => Self::Member(Box::new(GzDecoder::new(stream))),
                    Ok(false) => return Ok(0),
                    Err(error) => {
                        *self = Self::Between(stream);
                        return Err(error);
                    }
                },
                Self::Member(mut member) => match member.read(buffer) {
                    Ok(0) if !buffer.is_empty() => Self::Between(member.into_inner()),
                    read => {
                        *self = Self::Member(member);
                        return read;
                    }
                },
            };
        }
    }
}

/// Whether another gzip member follows, or the stream ends, with or without padding.
fn begins_member(stream: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let rest = stream.fill_buf()?;
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        match rest.get(zeros) {
            None if zeros == 0 => return Ok(false),
            None => {
                padded = true;
                stream.consume(zeros);
            }
            Some(0x1f) if zeros == 0 && !padded => return Ok(true),
            Some(_) => {
                let reason = "data that is not gzip follows the compressed data";
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
    }
}

#[cfg(feature = "zstd")]
pub(crate) fn zstd<'a>(stream: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(zstd::Decoder::with_buffer(stream)?))
}

#[cfg(not(feature = "zstd"))]
pub(crate) fn zstd<'a>(_stream: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Err(io::Error::other(
        "it is compressed with zstd: enable the feature `zstd`, or decompress it first",
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// gzip 1.12 silently ignores zeros after the last member, and reports anything else as
    /// garbage.
    #[test]
    fn zeros_after_gzip_are_padding() {
        let member = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let read = |bytes: &[u8]| {
            let stream = io::BufReader::with_capacity(7, bytes);
            let Ok((Packing::Gzip, mut stream)) = decompress(stream) else { panic!("it is gzip") };
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        };
        let two = [member(b"one "), member(b"two")].concat();
        for zeros in [0, 1, 511, 10_000] {
            assert_eq!(read(&[&two[..], &vec![0; zeros]].concat()).unwrap(), "one two", "{zeros}");
        }
        for wrong in
            [&b"x"[..], b"\0x", &[&[0; 100][..], b"\x1f\x8b"].concat(), b"\x1f", &member(b"")[..9]]
        {
            read(&[&two[..], wrong].concat()).unwrap_err();
        }
        read(&two[..two.len() - 1]).unwrap_err();
    }
}
