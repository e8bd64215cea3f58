//! tar-split: the bytes of a tar without the contents of its files, as lines of JSON, by which the
//! tar can be made again from the files.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    basics::{Result, json},
    tarfile::chunked::frame_writer::FrameWriter,
};

/// The maximum number of bytes in a line after the last file.
const MAX_REST: usize = 1 << 20;

/// A line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) size: u64,
    /// Bytes of the tar or the checksum of contents, in base64.
    pub(crate) payload: Option<String>,
    /// The number of the line.
    pub(crate) position: u64,
}

impl Line {
    /// The type of the line of an entry.
    pub(crate) const FILE: u8 = 1;
    /// The type of a line with bytes of the tar.
    pub(crate) const SEGMENT: u8 = 2;
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Writes the lines. One line has what precedes the contents of an entry: padding and headers. The
/// next one has the size and checksum of the contents.
pub(crate) struct TarSplitWriter {
    frames: FrameWriter,
    /// The number of the next line.
    position: u64,
    names: HashSet<String>,
}

impl TarSplitWriter {
    pub(crate) fn new(frames: FrameWriter) -> Self {
        Self { frames, position: 0, names: HashSet::new() }
    }

    /// Adds a part of the tar.
    pub(crate) fn segment(&mut self, bytes: &[u8]) -> Result<()> {
        self.line(Line::SEGMENT, "", 0, Some(STANDARD.encode(bytes)))
    }

    /// Adds an entry. `crc64` is the checksum of its contents, if it has any. Returns `false` if an
    /// earlier entry has this path.
    pub(crate) fn file(&mut self, name: &str, size: u64, crc64: Option<u64>) -> Result<bool> {
        let payload = crc64.map(|sum| STANDARD.encode(sum.to_be_bytes()));
        self.line(Line::FILE, name, size, payload)?;
        Ok(self.names.insert(clean(name)))
    }

    /// Adds what follows the last entry, and returns the frames and the size of the text.
    pub(crate) fn finish(mut self, rest: &[u8]) -> Result<(Vec<u8>, u64)> {
        for part in rest.chunks(MAX_REST) {
            self.segment(part)?;
        }
        let size = self.frames.size();
        Ok((self.frames.finish()?, size))
    }

    fn line(&mut self, kind: u8, name: &str, size: u64, payload: Option<String>) -> Result<()> {
        let (name, position) = (name.to_owned(), self.position);
        let mut text = json::to_bytes(&Line { kind, name, size, payload, position });
        text.push(b'\n');
        self.position += 1;
        self.frames.write(&text)
    }
}

/// The path without empty names and `.`, by which readers recognise an entry.
pub(crate) fn clean(name: &str) -> String {
    let names = name.split('/').filter(|name| !matches!(*name, "" | "."));
    names.collect::<Vec<_>>().join("/")
}
