//! Files on disk: atomic writes, locks, and verified contents.

pub(crate) mod beneath;
pub(crate) mod blob_files;
pub(crate) mod block_cache;
pub(crate) mod checked;
pub(crate) mod earlier_blocks;
pub(crate) mod file_kind;
pub(crate) mod known_files;
pub(crate) mod known_layers;
pub(crate) mod lease;
pub(crate) mod lock;
pub(crate) mod new_file;
pub(crate) mod scratch;
pub(crate) mod write_options;

pub(crate) use crate::store::{
    beneath::Beneath,
    blob_files::{BlobFiles, NewBlob, create_folder},
    block_cache::BlockCache,
    checked::FileBytes,
    earlier_blocks::EarlierBlocks,
    file_kind::FileKind,
    known_files::KnownFiles,
    known_layers::KnownLayers,
    lease::Lease,
    lock::Lock,
    new_file::{TEMPORARY, replace},
};
pub use crate::store::{
    checked::CheckedFile, lock::ReadLock, new_file::NewFile, write_options::WriteOptions,
};
