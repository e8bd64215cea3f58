//! What fuzzers and the tests do with bytes of any kind: one function for each kind of input.
//!
//! A function reads what it is given as a stranger's input would be read, and asserts what must
//! hold whatever that is. A digest or a checksum that has to fit would keep random bytes from
//! everything that is checked after it. The input therefore says only where one belongs, and `mend`
//! computes it.
//!
//! The module exists in tests, which replay `fuzz/corpus`, and where `cargo fuzz` sets
//! `cfg(fuzzing)`.

#[cfg(test)]
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
pub use crate::registry::fuzzing::{challenge, http, reference};

use std::{io::Read, path::Path};

use tempfile::TempDir;

use crate::{
    basics::{digest::Digest, error::Result},
    blob::traits::Blob,
    pool::Pool,
};

/// The longest input. A longer one says nothing new, and takes longer.
const LONGEST: usize = 64 << 10;

/// A folder for one input.
fn scratch() -> TempDir {
    TempDir::new().expect("the folder for temporary files can be written")
}

/// Which of several things is done with an input. Each is done with some, and the next input has
/// its turn sooner.
fn turn(data: &[u8], of: usize) -> usize {
    data.iter().map(|&byte| usize::from(byte)).sum::<usize>() % of
}

/// Few threads: the machine is the fuzzer's.
fn pool() -> Pool {
    Pool::new(2)
}

/// All bytes of a blob, which are what its descriptor says.
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
