//! Decompresses an archive that is compressed as a whole, as `docker save | gzip` and Nix's
//! dockerTools write it.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use crate::{
    basics::{Error, Result},
    tarfile::{Unpacked, decompress},
};

/// The maximum ratio of unpacked to compressed size, beyond [`FREE`]. Compressed layers do not
/// shrink further, and file systems rarely shrink to a tenth; but a few kilobytes can unpack
/// without end.
const MAX_RATIO: u64 = 100;

/// The size that every archive may unpack to, in bytes.
const FREE: u64 = 1 << 30;

/// An archive after decompression.
pub(crate) enum Tar {
    /// The archive is a tar.
    Plain,
    /// The decompressed tar.
    Unpacked(File),
    /// The stream was not decompressed. The reason is a sentence about the archive.
    Refused(String),
}

/// Decompresses an archive into an unnamed file in the scratch folder.
pub(crate) fn unpack(path: &Path, file: &File, scratch: Option<&Path>) -> Result<Tar> {
    unpack_within(path, file, scratch, FREE)
}

fn unpack_within(path: &Path, file: &File, scratch: Option<&Path>, free: u64) -> Result<Tar> {
    let mut magic = [0; 6];
    let read = file.read_at(&mut magic, 0).map_err(Error::read(path))?;
    let (codec, program) = match &magic[..read] {
        [0x1f, 0x8b, ..] => ("gzip", "gzip -dk"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", "zstd -dk"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            return Ok(Tar::Refused(refusal(path, "xz", "xz -dk")));
        }
        [b'B', b'Z', b'h', ..] => return Ok(Tar::Refused(refusal(path, "bzip2", "bzip2 -dk"))),
        _ => return Ok(Tar::Plain),
    };
    let Some(scratch) = scratch else { return Ok(Tar::Refused(refusal(path, codec, program))) };
    let failed = |cause| Error::Write { path: scratch.to_owned(), cause };
    let size = file.metadata().map_err(Error::read(path))?.len();
    let limit = size.saturating_mul(MAX_RATIO).max(free);
    let stream = BufReader::with_capacity(256 << 10, file.try_clone().map_err(Error::read(path))?);
    let mut unpacked = match decompress(stream) {
        Ok(Unpacked::Compressed(unpacked) | Unpacked::Plain(unpacked)) => unpacked.take(limit + 1),
        Err(_) => return Ok(Tar::Refused(refusal(path, codec, program))),
    };
    let mut tar = tempfile::tempfile_in(scratch).map_err(failed)?;
    let mut part = vec![0; 256 << 10];
    let mut written = 0;
    loop {
        match unpacked.read(&mut part) {
            Ok(0) => break,
            Ok(read) => tar.write_all(&part[..read]).map_err(failed)?,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(cause) => {
                return Ok(Tar::Refused(format!(
                    "is a damaged archive: its {codec} cannot be unpacked: {cause}"
                )));
            }
        }
        written = limit + 1 - unpacked.limit();
    }
    match written > limit {
        true => Ok(Tar::Refused(format!(
            "unpacks to more than {limit} bytes, {MAX_RATIO} times its size: if you trust it, \
             unpack it first, with `{program} {path:?}`"
        ))),
        false => Ok(Tar::Unpacked(tar)),
    }
}

fn refusal(path: &Path, codec: &str, program: &str) -> String {
    format!("is compressed with {codec}: unpack it first, with `{program} {path:?}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros shrink to less than a hundredth.
    #[test]
    fn an_archive_does_not_fill_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb.gz");
        let zeros = vec![0; 4 << 20];
        let mut gzip = flate2::bufread::GzEncoder::new(&zeros[..], flate2::Compression::default());
        std::io::copy(&mut gzip, &mut File::create(&path).unwrap()).unwrap();
        let unpack = |free| {
            unpack_within(&path, &File::open(&path).unwrap(), Some(dir.path()), free).unwrap()
        };
        assert!(
            matches!(unpack(4 << 20), Tar::Unpacked(tar) if tar.metadata().unwrap().len() == 4 << 20)
        );
        assert!(
            matches!(unpack(1 << 20), Tar::Refused(reason) if reason.starts_with("unpacks to more \
                than 1048576 bytes"))
        );
    }
}
