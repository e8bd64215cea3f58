//! What `serve` is told: the file of `serve --config`, whose keys the options of the command line
//! replace. Belongs to the program.
//!
//! A section declares each key once, with its type, default, option and meaning. The help of the
//! program and the table in `docs/on-demand.md` are made of these declarations.

pub(crate) mod change;
pub(crate) mod config;
#[cfg(all(any(test, fuzzing), feature = "on-demand"))]
pub(crate) mod fuzzing;
#[cfg(feature = "on-demand")]
pub(crate) mod options;
#[cfg(feature = "on-demand")]
pub(crate) mod packages;
pub(crate) mod paths;
pub(crate) mod read;
pub(crate) mod section;
#[cfg(feature = "on-demand")]
pub(crate) mod storage;
pub(crate) mod values;

#[cfg(all(test, feature = "on-demand"))]
mod table;
#[cfg(all(test, feature = "on-demand"))]
mod tests;

pub use crate::serve_config::{
    change::changed,
    config::{ServeConfig, TlsSection},
    read::{parse, read},
    section::{Key, Kind},
    values::{Address, LogFormat, Number, Period, Size},
};
#[cfg(feature = "on-demand")]
pub use crate::serve_config::{
    packages::{
        Codec, EvictionSection, LimitSection, NameSection, OsArch, PackageSection, Source, Stored,
    },
    storage::StorageSection,
};
