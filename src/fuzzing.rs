//! Functions that fuzzers and tests call with arbitrary bytes: one for each kind of input.
//!
//! A function reads its input as untrusted input is read, and asserts what must hold for any input.
//! Random bytes rarely have a matching digest or checksum, so the code after such a check would
//! never run. The input therefore only marks the place of a digest or checksum, and `mend` computes
//! it.
//!
//! The module exists in tests, which replay `fuzz/corpus`, and if `cargo fuzz` sets `cfg(fuzzing)`.

#[cfg(all(test, feature = "cli"))]
pub(crate) mod corpus;
pub(crate) mod layout;
pub(crate) mod mend;
pub(crate) mod tars;
pub(crate) mod values;

pub use crate::fuzzing::{
    layout::{archive, document},
    tars::{source_tar, tar},
    values::{graph, recipe, spec},
};
pub use crate::on_demand::fuzzing::{declared, image_name};
pub use crate::registry::fuzzing::{challenge, http, reference};
#[cfg(feature = "cli")]
pub use crate::{serve_config::fuzzing::serve_config, signature::fuzzing::bundle};

use std::{io::Read, path::Path};

use tempfile::TempDir;

use crate::{
    basics::{digest::Digest, error::Result},
    blob::traits::Blob,
    pool::Pool,
};

/// The maximum length of an input. Longer inputs find nothing new, and take longer.
const LONGEST: usize = 64 << 10;

/// A folder for one input.
fn scratch() -> TempDir {
    TempDir::new().expect("the folder for temporary files can be written")
}

/// Chooses one of several operations for an input. Each input runs only one, so that inputs stay
/// fast.
fn turn(data: &[u8], of: usize) -> usize {
    data.iter().map(|&byte| usize::from(byte)).sum::<usize>() % of
}

/// Few threads, because the fuzzer uses all processors.
fn pool() -> Pool {
    Pool::new(2)
}

/// All bytes of a blob, which must match its descriptor.
pub(crate) fn read(blob: &(impl Blob + ?Sized)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = blob.open()?.read_to_end(&mut bytes);
    read.map_err(|cause| crate::Error::blob(blob.descriptor().digest, cause))?;
    assert_eq!(bytes.len() as u64, blob.descriptor().size, "of the size that the descriptor says");
    assert_eq!(
        Digest::of(&bytes),
        blob.descriptor().digest,
        "of the digest that the descriptor says"
    );
    Ok(bytes)
}

fn write(path: impl AsRef<Path>, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the folder for temporary files can be written");
}
