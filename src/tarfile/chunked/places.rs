//! Where the table of contents and tar-split are in a blob, as the annotations of its descriptor and
//! its footer have it.

use crate::{basics::Digest, document::descriptor::Annotations};

/// The annotation with the digest of the compressed table.
pub(crate) const CHECKSUM: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// The annotation with the place of the table.
pub(crate) const TABLE: &str = "io.github.containers.zstd-chunked.manifest-position";
/// The annotation with the place of tar-split.
pub(crate) const TAR_SPLIT: &str = "io.github.containers.zstd-chunked.tarsplit-position";

/// The type of the only kind of table.
const KIND: u64 = 1;

/// The end of the footer.
const MAGIC: [u8; 8] = *b"GNUlInUx";

/// The size of the footer, without the header of its frame.
pub(crate) const FOOTER: usize = 64;

/// The size of the header of a skippable frame.
pub(crate) const FRAME_HEADER: usize = 8;

/// The header of a skippable frame with contents of this size.
pub(crate) fn frame_header(size: u32) -> [u8; FRAME_HEADER] {
    let mut header = [0; FRAME_HEADER];
    header[..4].copy_from_slice(&0x184d_2a50_u32.to_le_bytes());
    header[4..].copy_from_slice(&size.to_le_bytes());
    header
}

/// The place of something that is compressed, after the header of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// The compressed size.
    pub(crate) size: u64,
    pub(crate) unpacked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) table: Place,
    pub(crate) tar_split: Place,
}

impl Places {
    /// The annotations of the descriptor. `checksum` is the digest of the compressed table.
    pub(crate) fn annotations(self, checksum: Digest) -> Annotations {
        let text = |Place { offset, size, unpacked }| format!("{offset}:{size}:{unpacked}");
        Annotations::from([
            (CHECKSUM.to_owned(), checksum.to_string()),
            (TABLE.to_owned(), format!("{}:{KIND}", text(self.table))),
            (TAR_SPLIT.to_owned(), text(self.tar_split)),
        ])
    }

    /// The places and the digest of the compressed table in annotations. `None` if there are none.
    /// The error is a sentence.
    pub(crate) fn read(annotations: &Annotations) -> Option<Result<(Self, Digest), String>> {
        if ![CHECKSUM, TABLE, TAR_SPLIT].iter().any(|key| annotations.contains_key(*key)) {
            return None;
        }
        let value = |key| {
            let value = annotations.get(key).map(String::as_str);
            value.ok_or_else(|| format!("the annotation {key} is missing"))
        };
        let numbers = |key, text: &str| {
            let numbers: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
            numbers.ok_or_else(|| format!("the annotation {key} is {text:?}"))
        };
        let read = || {
            let checksum = value(CHECKSUM)?.parse().map_err(|error| format!("{error}"))?;
            let (table, tar_split) = (value(TABLE)?, value(TAR_SPLIT)?);
            let places = (&numbers(TABLE, table)?[..], &numbers(TAR_SPLIT, tar_split)?[..]);
            let (&[offset, size, unpacked, KIND], &[split_offset, split_size, split_unpacked]) =
                places
            else {
                return Err(format!("the positions are {table:?} and {tar_split:?}"));
            };
            let table = Place { offset, size, unpacked };
            let tar_split =
                Place { offset: split_offset, size: split_size, unpacked: split_unpacked };
            Ok((Self { table, tar_split }, checksum))
        };
        Some(read())
    }

    pub(crate) fn footer(self) -> [u8; FOOTER] {
        let Self { table, tar_split } = self;
        let numbers = [
            table.offset,
            table.size,
            table.unpacked,
            KIND,
            tar_split.offset,
            tar_split.size,
            tar_split.unpacked,
        ];
        let mut footer = [0; FOOTER];
        let (fields, magic) = footer.split_at_mut(FOOTER - MAGIC.len());
        for (field, number) in fields.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        magic.copy_from_slice(&MAGIC);
        footer
    }

    /// `None` if this is not a footer.
    pub(crate) fn from_footer(footer: &[u8; FOOTER]) -> Option<Self> {
        let (numbers, _) = footer.as_chunks();
        let [offset, size, unpacked, kind, split_offset, split_size, split_unpacked, magic] =
            *numbers
        else {
            return None;
        };
        let number = u64::from_le_bytes;
        let place = |offset, size, unpacked| Place {
            offset: number(offset),
            size: number(size),
            unpacked: number(unpacked),
        };
        let places = Self {
            table: place(offset, size, unpacked),
            tar_split: place(split_offset, split_size, split_unpacked),
        };
        (magic == MAGIC && number(kind) == KIND).then_some(places)
    }
}
