//! The maps of sparse files, in the four formats of GNU tar:
//! <https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html>.

use std::ops::Range;

use crate::tarfile::reader::{
    Extent,
    block::BLOCK,
    header::{Header, unsigned},
    pax::{Records, decimal},
};

/// The maximum number of extents of a sparse file.
const MAX_EXTENTS: usize = 1 << 20;

/// The parts of a file that are stored.
pub(crate) struct Map {
    /// The size of the whole file.
    pub(crate) size: u64,
    /// The offset and length of each part, in order and not empty.
    parts: Vec<(u64, u64)>,
}

impl Map {
    /// Reads the beginning of the map of an entry of type S. Returns whether it continues in the
    /// next block.
    pub(crate) fn in_header(header: &Header) -> Result<(Self, bool), String> {
        let block = header.as_bytes();
        let mut map = Self {
            size: unsigned("size of the sparse file", &block[483..495])?,
            parts: Vec::new(),
        };
        map.add_fields(&block[386..482])?;
        Ok((map, block[482] != 0))
    }

    /// Reads a block that continues such a map. Returns whether it continues in the next one.
    pub(crate) fn add_block(&mut self, block: &[u8; BLOCK]) -> Result<bool, String> {
        self.add_fields(&block[..504])?;
        Ok(block[504] != 0)
    }

    fn add_fields(&mut self, fields: &[u8]) -> Result<(), String> {
        for field in fields.chunks_exact(24).take_while(|field| field[0] != 0) {
            self.add(unsigned("sparse map", &field[..12])?, unsigned("sparse map", &field[12..])?)?;
        }
        Ok(())
    }

    /// Reads the map of formats 0.0 and 0.1, which is in the records.
    pub(crate) fn in_records(records: &Records) -> Result<Option<Self>, String> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut number =
            |text: &[u8]| decimal(text).map(|number| numbers.push(number)).ok_or_else(broken);
        match records.get("GNU.sparse.map") {
            Some(map) => map.split(|&byte| byte == b',').try_for_each(number)?,
            None => {
                let keys: [&[u8]; 2] = [b"GNU.sparse.offset", b"GNU.sparse.numbytes"];
                let parts = records.iter().filter(|(key, _)| keys.contains(key));
                for (index, (key, value)) in parts.enumerate() {
                    if key != keys[index % 2] {
                        return Err(broken());
                    }
                    number(value)?;
                }
            }
        }
        let count = records.number("GNU.sparse.numblocks")?;
        if numbers.is_empty() && count.is_none_or(|count| count > 0)
            || records.get("GNU.sparse.major").is_some()
        {
            return Ok(None);
        }
        if count.is_some_and(|count| count != numbers.len() as u64 / 2) || numbers.len() % 2 == 1 {
            return Err(broken());
        }
        let size = records.number("GNU.sparse.size")?.ok_or_else(broken)?;
        let mut map = Self { size, parts: Vec::new() };
        numbers.chunks_exact(2).try_for_each(|part| map.add(part[0], part[1]))?;
        Ok(Some(map))
    }

    /// The size of a file in format 1.0, whose map is at the beginning of the stored contents.
    pub(crate) fn size_if_in_contents(records: &Records) -> Result<Option<u64>, String> {
        match (records.number("GNU.sparse.major")?, records.number("GNU.sparse.minor")?) {
            (None, None) => Ok(None),
            (Some(1), Some(0)) => {
                records.number("GNU.sparse.realsize")?.ok_or_else(broken).map(Some)
            }
            _ => Err("it is a sparse file of an unknown version".into()),
        }
    }

    fn add(&mut self, at: u64, length: u64) -> Result<(), String> {
        let before = self.parts.last().map_or(0, |(at, length)| at + length);
        let end = at
            .checked_add(length)
            .filter(|&end| end <= self.size && at >= before)
            .ok_or_else(broken)?;
        if self.parts.len() == MAX_EXTENTS {
            return Err(format!("its sparse contents have more than {MAX_EXTENTS} extents"));
        }
        if end > at {
            self.parts.push((at, length));
        }
        Ok(())
    }

    /// The extents of the parts in a tar that stores them consecutively in these bytes.
    pub(crate) fn extents(self, stored: Range<u64>) -> Result<Vec<Extent>, String> {
        let mut offset = stored.start;
        let extent = |(at, length)| {
            let extent = Extent { at, length, offset };
            offset += length;
            extent
        };
        // No part extends beyond the size, so neither does their sum.
        let extents: Vec<Extent> = self.parts.into_iter().map(extent).collect();
        if offset == stored.end { Ok(extents) } else { Err(broken()) }
    }
}

/// Reads a map of format 1.0: decimal numbers, each followed by a newline. The first is the number
/// of parts.
pub(crate) struct MapReader {
    map: Map,
    line: Vec<u8>,
    /// The numbers that are left. Unknown before the first one.
    left: Option<u64>,
    at: Option<u64>,
}

impl MapReader {
    pub(crate) fn new(size: u64) -> Self {
        Self { map: Map { size, parts: Vec::new() }, line: Vec::new(), left: None, at: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    pub(crate) fn add_block(&mut self, block: &[u8; BLOCK]) -> Result<(), String> {
        for &byte in block {
            if self.is_done() {
                break;
            }
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let number = decimal(&self.line).ok_or_else(broken)?;
            self.line.clear();
            match (self.left, self.at.take()) {
                (None, _) => self.left = Some(number.checked_mul(2).ok_or_else(broken)?),
                (Some(left), None) => (self.left, self.at) = (Some(left - 1), Some(number)),
                (Some(left), Some(at)) => {
                    self.map.add(at, number)?;
                    self.left = Some(left - 1);
                }
            }
        }
        if self.line.len() > 20 { Err(broken()) } else { Ok(()) }
    }

    pub(crate) fn into_map(self) -> Map {
        self.map
    }
}

fn broken() -> String {
    "the map of its sparse contents is out of order, or does not match its size".into()
}
