//! Compares the tar-split of a zstd:chunked layer with its tar.

use std::io::{self, BufRead, BufReader, Read};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    basics::digest::Hasher,
    tarfile::{Packing, chunked::tar_split::Line, decompress},
    verify::{collected::Collected, finding::shown},
};

/// The maximum size of a line of tar-split.
const MAX_LINE: u64 = 16 << 20;

/// Compares each line, and the size and digest of all that is not contents.
pub(crate) fn check(compressed: &[u8], unpacked: u64, collected: &Collected) -> Result<(), String> {
    let damaged = |error: io::Error| format!("it cannot be read: {error}");
    let mut text = BufReader::with_capacity(64 << 10, zstd(compressed).map_err(damaged)?);
    let (mut between, mut at, mut size) = (Hasher::default(), 0_u64, 0_u64);
    let mut entries = collected.entries.iter();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut text).take(MAX_LINE).read_until(b'\n', &mut line).map_err(damaged)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        let Line { kind, name, size: length, payload, .. } = serde_json::from_slice(&line)
            .map_err(|error| format!("a line is not the JSON of tar-split: {error}"))?;
        let payload = STANDARD
            .decode(payload.as_deref().unwrap_or_default())
            .map_err(|error| format!("a line has a payload that is not base64: {error}"))?;
        if kind == Line::SEGMENT {
            at += payload.len() as u64;
            between.update(&payload);
            continue;
        }
        let Some(known) = entries.next().filter(|_| kind == Line::FILE) else {
            return Err(format!("\"{}\" is not in the layer", shown(&name)));
        };
        let contents = &known.contents;
        let sum = known.sums.crc64.to_be_bytes();
        let is_equal = name == known.path
            && length == contents.end - contents.start
            && (contents.is_empty() || at == contents.start && payload == sum);
        if !is_equal {
            return Err(format!("it differs from entry \"{}\" of the layer", shown(&known.path)));
        }
        at += length;
    }
    match (entries.next(), &collected.between) {
        (None, Some(known)) if *known == between.finish() && size == unpacked => Ok(()),
        _ => Err("it is not the rest of the tar".to_owned()),
    }
}

/// The contents of frames of zstd.
pub(crate) fn zstd(compressed: &[u8]) -> io::Result<Box<dyn Read + Send + '_>> {
    match decompress(compressed)? {
        (Packing::Zstd, contents) => Ok(contents),
        _ => Err(io::Error::other("it is not zstd")),
    }
}
