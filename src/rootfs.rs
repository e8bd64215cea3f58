//! The files of an image: its layers on top of each other, as a container sees them.

pub(crate) mod contents;
pub(crate) mod diff;
pub(crate) mod each_entry;
pub(crate) mod entry;
pub(crate) mod image_files;
pub(crate) mod layer_diff;
pub(crate) mod layer_stream;
pub(crate) mod search;
pub(crate) mod split_files;
pub(crate) mod squash;
pub(crate) mod tar;
pub(crate) mod unpack;

pub use crate::rootfs::{
    diff::{
        BytesDiff, DiffLayer, FieldDiff, FileChange, FileDiff, ImageDiff, LayerDiff, MemberDiff,
        image_diff::image_diff, index_diff::index_diff,
    },
    entry::{FileEntry, FileKind},
    image_files::ImageFiles,
    layer_diff::layer_diff,
    search::FileSearch,
    split_files::layer_split_files,
    unpack::{Skipped, UnpackOptions, unpack},
};
