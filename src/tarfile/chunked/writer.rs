//! Writes the table of contents and tar-split while the blocks of a tar are compressed.

use std::{collections::VecDeque, mem};

use crate::{
    basics::{Digest, Result, json},
    document::descriptor::Annotations,
    tarfile::{
        Compression,
        chunked::{
            frame_writer::FrameWriter,
            pieces::{Piece, PieceKind, parts},
            places::{FRAME_HEADER, Place, Places, frame_header},
            sums::{Frame, RunningSums, Sums},
            table::{MAX_TABLE, TableEntry},
            tar_split::TarSplitWriter,
        },
        header::padding,
        reader::TarReader,
    },
};

/// The maximum size of headers that are not understood yet.
const MAX_HEADERS: usize = 4 << 20;

/// What follows the blocks of a blob, and what its descriptor says of it.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) bytes: Vec<u8>,
    pub(crate) annotations: Annotations,
    /// Why there is no table of contents, if there should be one.
    pub(crate) untabled: Option<String>,
}

impl Ending {
    /// The ending of a blob without a table.
    pub(crate) fn plain(compression: Compression) -> Self {
        Self { bytes: compression.label(), ..Self::default() }
    }
}

/// The table of contents and tar-split of a tar, up to some block.
///
/// Each block is given twice, in order: first its bytes, then its frames, which may be compressed
/// much later. Of the blocks between, only headers are kept.
pub(crate) struct TableWriter {
    compression: Compression,
    /// The pieces whose frames are not known yet.
    pieces: VecDeque<Noted>,
    /// The sums of a file that is in several pieces.
    sums: RunningSums,
    /// The end of the last frame.
    at: u64,
    /// The bytes after the last entry: padding, headers of the next entries.
    between: Vec<u8>,
    /// The number of bytes at their beginning that are padding.
    padding: usize,
    /// The file whose contents follow the last piece.
    file: Option<TableEntry>,
    table: FrameWriter,
    entries: u64,
    tar_split: TarSplitWriter,
    untabled: Option<String>,
}

enum Noted {
    Between(Vec<u8>),
    /// The sums are those of a file that ends here and began in an earlier piece.
    Contents {
        size: usize,
        last: bool,
        sums: Option<Sums>,
    },
}

impl TableWriter {
    /// `None` if blobs with this compression have no table.
    pub(crate) fn new(compression: Compression) -> Result<Option<Self>> {
        if !matches!(compression, Compression::ZstdChunked { .. }) {
            return Ok(None);
        }
        let frames = || {
            let codec = compression.codec();
            codec.map(|codec| codec.expect("it compresses")).map(FrameWriter::new)
        };
        Ok(Some(Self {
            compression,
            pieces: VecDeque::new(),
            sums: RunningSums::default(),
            at: 0,
            between: Vec::new(),
            padding: 0,
            file: None,
            table: frames()?,
            entries: 0,
            tar_split: TarSplitWriter::new(frames()?),
            untabled: None,
        }))
    }

    /// Notes the next block of the tar.
    pub(crate) fn block(&mut self, block: &[u8], pieces: &[Piece]) {
        if self.untabled.is_some() {
            return;
        }
        for (kind, bytes) in parts(block, pieces) {
            let PieceKind::Contents { first, last } = kind else {
                self.pieces.push_back(Noted::Between(bytes.to_vec()));
                continue;
            };
            let is_part = !(first && last);
            if is_part {
                self.sums.update(bytes);
            }
            let sums = (is_part && last).then(|| mem::take(&mut self.sums).finish());
            self.pieces.push_back(Noted::Contents { size: bytes.len(), last, sums });
        }
    }

    /// Adds the frames of the next block, all blocks before which have theirs.
    pub(crate) fn frames(&mut self, frames: &[Frame]) -> Result<()> {
        for frame in frames {
            let start = self.at;
            self.at += frame.size;
            match self.pieces.pop_front() {
                Some(Noted::Between(bytes)) => self.between.extend_from_slice(&bytes),
                Some(Noted::Contents { size, last, sums }) => {
                    if self.file.is_none() {
                        self.read_entries(size)?;
                    }
                    let Some(file) = &mut self.file else { continue };
                    if file.offset == 0 {
                        file.offset = start;
                    }
                    if last
                        && let (Some(sums), Some(file)) = (sums.or(frame.sums), self.file.take())
                    {
                        self.end_file(file, sums)?;
                    }
                }
                None => {}
            }
        }
        // Most blocks end where an entry ends.
        if self.file.is_none() { self.read_entries(0) } else { Ok(()) }
    }

    fn end_file(&mut self, mut file: TableEntry, sums: Sums) -> Result<()> {
        file.end_offset = self.at;
        file.digest = sums.digest.to_string();
        self.add(&file, Some(sums.crc64))?;
        self.padding = padding(file.size) as usize;
        Ok(())
    }

    fn add(&mut self, entry: &TableEntry, crc64: Option<u64>) -> Result<()> {
        let text = json::to_bytes(entry);
        let separator: &[u8] =
            if self.entries == 0 { b"{\"version\":1,\"entries\":[" } else { b"," };
        self.entries += 1;
        self.table.write(separator)?;
        self.table.write(&text)?;
        if !self.tar_split.file(&entry.name, entry.size, crc64)? {
            self.refuse(&entry.name, "is in the layer twice");
        } else if self.table.size() > MAX_TABLE {
            self.untabled = Some(format!("its table would be larger than {MAX_TABLE} bytes"));
        }
        Ok(())
    }

    fn refuse(&mut self, path: &str, reason: &str) {
        self.untabled.get_or_insert_with(|| format!("{path:?} {reason}"));
    }

    /// Reads the entries in the bytes that are not understood yet. `contents` of the last one follow
    /// them, if that is not zero.
    fn read_entries(&mut self, contents: usize) -> Result<()> {
        let bytes = mem::take(&mut self.between);
        let (mut start, mut at) = (0, self.padding.min(bytes.len()));
        while at < bytes.len() && self.untabled.is_none() {
            let mut reader = TarReader::new(&bytes[at..]);
            let Ok(Some(entry)) = reader.next_entry() else { break };
            let end = at + entry.data_offset as usize;
            let has_contents = entry.stored_size > 0;
            let table_entry = match TableEntry::new(&entry, &bytes[at..end]) {
                Ok(entry) => entry,
                Err(reason) => {
                    self.refuse(&String::from_utf8_lossy(&entry.path), &reason);
                    break;
                }
            };
            if has_contents && (end < bytes.len() || contents == 0) {
                // Its headers may continue after this block.
                break;
            }
            self.tar_split.segment(&bytes[start..end])?;
            self.padding = 0;
            (start, at) = (end, end);
            if has_contents {
                self.file = Some(table_entry);
            } else {
                self.add(&table_entry, None)?;
            }
        }
        if self.untabled.is_some() {
            self.pieces.clear();
            return Ok(());
        }
        self.between = bytes[start..].to_vec();
        if contents > 0 && self.file.is_none() || self.between.len() > MAX_HEADERS {
            self.untabled = Some("it has headers that are not understood".to_owned());
        }
        Ok(())
    }

    /// The ending of the blob, with the table.
    pub(crate) fn finish(mut self) -> Result<Ending> {
        let label = self.compression.label();
        let zeros = &self.between[self.padding.min(self.between.len())..];
        if self.untabled.is_none()
            && (self.file.is_some() || zeros.len() < 1024 || zeros.iter().any(|&byte| byte != 0))
        {
            self.untabled = Some("its tar does not end as tars do".to_owned());
        }
        if self.entries == 0 {
            self.table.write(b"{\"version\":1,\"entries\":[")?;
        }
        let (tar_split, tar_split_size) = self.tar_split.finish(&self.between)?;
        let rest = format!("],\"tarSplitDigest\":\"{}\"}}", Digest::of(&tar_split));
        self.table.write(rest.as_bytes())?;
        let table_size = self.table.size();
        let table = self.table.finish()?;
        let frame_sizes = [table.len(), tar_split.len()].map(u32::try_from);
        let ([Ok(table_frame), Ok(split_frame)], None) = (frame_sizes, &self.untabled) else {
            let untabled = self.untabled.or_else(|| Some("its headers are too many".to_owned()));
            return Ok(Ending { bytes: label, untabled, ..Ending::default() });
        };
        let offset = self.at + (label.len() + FRAME_HEADER) as u64;
        let split_offset = offset + (table.len() + FRAME_HEADER) as u64;
        let place = |offset, frame: u32, unpacked| Place { offset, size: frame.into(), unpacked };
        let places = Places {
            table: place(offset, table_frame, table_size),
            tar_split: place(split_offset, split_frame, tar_split_size),
        };
        let footer = places.footer();
        let annotations = places.annotations(Digest::of(&table));
        let bytes = [
            &label[..],
            &frame_header(table_frame),
            &table,
            &frame_header(split_frame),
            &tar_split,
            &frame_header(footer.len() as u32),
            &footer,
        ];
        Ok(Ending { bytes: bytes.concat(), annotations, untabled: None })
    }
}
