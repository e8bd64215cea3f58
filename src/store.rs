//! Files on disk: atomic writes, locks, and verified contents.

pub(crate) mod beneath;
pub(crate) mod blob_files;
pub(crate) mod checked;
pub(crate) mod file_kind;
pub(crate) mod known_files;
pub(crate) mod lock;
pub(crate) mod new_file;
pub(crate) mod write_options;
