//! Decompresses an archive that is compressed as a whole, as `docker save | gzip` and Nix's
//! dockerTools write it.

use std::{fs::File, io::BufReader, os::unix::fs::FileExt, path::Path};

use crate::{
    basics::{Error, Result},
    store::scratch::{self, Copied},
    tarfile::{Packing, decompress},
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
    let mut start = [0; Packing::START];
    let read = file.read_at(&mut start, 0).map_err(Error::read(path))?;
    let packing = Packing::of(&start[..read]);
    if packing == Packing::Plain {
        return Ok(Tar::Plain);
    }
    let codec = packing.name();
    let remedy = format!("unpack it first, with `{codec} -dk {path:?}`");
    let compressed = || Ok(Tar::Refused(format!("is compressed with {codec}: {remedy}")));
    let Some(scratch) = scratch.filter(|_| packing.is_read()) else { return compressed() };
    let size = file.metadata().map_err(Error::read(path))?.len();
    let limit = size.saturating_mul(MAX_RATIO).max(free);
    let stream = BufReader::with_capacity(256 << 10, file.try_clone().map_err(Error::read(path))?);
    let Ok((_, unpacked)) = decompress(stream) else { return compressed() };
    Ok(match scratch::copy(unpacked, scratch, limit)? {
        Copied::File(tar) => Tar::Unpacked(tar),
        Copied::TooLarge => Tar::Refused(format!(
            "unpacks to more than {limit} bytes, {MAX_RATIO} times its size: if you trust it, \
             {remedy}"
        )),
        Copied::Unreadable(_, cause) => {
            Tar::Refused(format!("is a damaged archive: its {codec} cannot be unpacked: {cause}"))
        }
    })
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
