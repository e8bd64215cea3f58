//! zstd:chunked: zstd with a table of contents, by which a reader fetches single files.
//!
//! This is the format of [containers/storage](https://github.com/containers/storage), which podman,
//! buildah and CRI-O read. The contents of each file are whole frames. After the last frame of the
//! tar follow skippable frames, which other readers of zstd ignore: the table of contents, the
//! headers of the tar in the form of [tar-split](https://github.com/vbatts/tar-split), and a footer.
//! `docs/byte-format.md` documents what this library writes.

mod crc64;
mod frame_writer;
pub(crate) mod pieces;
pub(crate) mod places;
pub(crate) mod sums;
pub(crate) mod table;
pub(crate) mod tar_split;
pub(crate) mod writer;
