//! Computes checksums and digests, so that an input passes their checks.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::basics::digest::Digest;

const BLOCK: usize = 512;

/// Writes the checksum into every header block of a tar: the blocks after the end of the entry
/// before.
pub(crate) fn checksums(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().all(|&byte| byte == 0) {
            return;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let has_contents = !(b'1'..=b'6').contains(&header[156]);
        let digits = header[124..136].iter().filter(|byte| byte.is_ascii_digit());
        let size = digits.fold(0_usize, |size, &digit| {
            size.saturating_mul(8).saturating_add(usize::from(digit & 7))
        });
        at = at.saturating_add(BLOCK).saturating_add(if has_contents {
            size.next_multiple_of(BLOCK)
        } else {
            0
        });
        if at > tar.len() {
            return;
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory takes everything")
}

/// The separator between two parts of an input.
const BETWEEN: &[u8] = b"\n==\n";

/// Documents that refer to each other, from an input in parts, separated by lines `==`.
///
/// Each part is a document. A part that starts with `tar:` is a tar without its checksums, and with
/// `gz:` or `zst:` a compressed tar. A part refers to a later one, for example part 3, with:
///
/// | input | meaning |
/// |---|---|
/// | `@d3` | the digest |
/// | `@h3` | the digest without the algorithm |
/// | `@u3` | the digest of the uncompressed bytes |
/// | `@s3` | the size |
///
/// A reference to the part itself or to an earlier one becomes the digest of a missing blob.
pub(crate) fn documents(data: &[u8]) -> Vec<Vec<u8>> {
    let parts = split(data);
    let mut done: Vec<(Vec<u8>, Digest)> = Vec::new();
    for (index, part) in parts.iter().enumerate().rev() {
        let (bytes, unpacked) = transformed(part);
        let bytes = replaced(&bytes, |kind, named| {
            let missing = (vec![b'0'; named], Digest::of([]));
            let after = named.checked_sub(index + 1).and_then(|after| done.iter().rev().nth(after));
            let (bytes, unpacked) = after.unwrap_or(&missing);
            Some(match kind {
                b'd' => Digest::of(bytes).to_string(),
                b'h' => Digest::of(bytes).hex(),
                b'u' => unpacked.to_string(),
                b's' => bytes.len().to_string(),
                _ => return None,
            })
        });
        let unpacked = unpacked.unwrap_or_else(|| Digest::of(&bytes));
        done.push((bytes, unpacked));
    }
    done.into_iter().rev().map(|(bytes, _)| bytes).collect()
}

/// The first part, and the rest. Missing parts are empty.
pub(crate) fn first_part(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    at.map_or((data, &[]), |at| (&data[..at], &data[at + BETWEEN.len()..]))
}

/// At most ten, because a digit names each.
fn split(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while parts.len() < 9 && rest.windows(BETWEEN.len()).any(|window| window == BETWEEN) {
        let (part, after) = first_part(rest);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The bytes of a part, and for a compressed tar the digest of the uncompressed bytes.
fn transformed(part: &[u8]) -> (Vec<u8>, Option<Digest>) {
    type Compress = fn(&[u8]) -> Vec<u8>;
    let all: [(&[u8], Compress); 3] = [(b"tar:", <[u8]>::to_vec), (b"gz:", gzip), (b"zst:", zstd)];
    for (prefix, compress) in all {
        if let Some(tar) = part.strip_prefix(prefix) {
            let mut tar = tar.to_vec();
            checksums(&mut tar);
            return (compress(&tar), Some(Digest::of(&tar)));
        }
    }
    (part.to_vec(), None)
}

fn replaced(bytes: &[u8], with: impl Fn(u8, usize) -> Option<String>) -> Vec<u8> {
    let (mut result, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let value = match bytes[at..] {
            [b'@', kind, named @ b'0'..=b'9', ..] => with(kind, usize::from(named - b'0')),
            _ => None,
        };
        match value {
            Some(value) => {
                result.extend_from_slice(value.as_bytes());
                at += 3;
            }
            None => {
                result.push(byte);
                at += 1;
            }
        }
    }
    result
}
