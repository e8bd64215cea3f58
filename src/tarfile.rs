//! Tars: their headers and paths, a reader for tars of other programs, and compression.

pub(crate) mod block_reader;
pub(crate) mod blocks;
pub(crate) mod chunked;
pub(crate) mod codec;
pub(crate) mod compressed_block;
pub(crate) mod compression;
pub(crate) mod decompress;
pub(crate) mod decompress_ahead;
pub(crate) mod follow;
pub(crate) mod header;
pub(crate) mod label;
pub(crate) mod labelled;
pub(crate) mod path;
pub(crate) mod read_ahead;
pub(crate) mod reader;
pub(crate) mod xattrs;

pub use crate::tarfile::compression::Compression;
pub(crate) use crate::tarfile::{
    decompress::{Packing, decompress, unpacked},
    follow::{LinkFault, follow},
    path::LayerPath,
    reader::{Ending, Extent, TarEntry, TarReader, read_extents},
    xattrs::Xattrs,
};
