//! Checks a layer: its blob, the compression and the tar.

use std::io::{BufReader, Read};

use crate::{
    basics::digest::{Digest, HashRead},
    document::descriptor::MediaType,
    tarfile::{
        read_ahead::read_ahead,
        reader::{TarEntry, TarReader},
    },
    verify::{
        blob_use::{LayerUse, Referred, compare, compare_bytes, read_over, unreadable},
        collected::{Collected, Collector},
        defect::Defect,
        entries::Entries,
        finding::{Finding, Findings},
        frames::Frames,
        reading::Reading,
        table::Claims,
        unpack::{Packing, Unpack},
    },
};

/// The maximum number of findings in one layer.
const MAX_FINDINGS: usize = 1000;

/// Reads a layer to its end, and returns the size of the blob if it matches its digest. Defects of
/// its contents are added to `contents`.
pub(crate) fn check(
    file: Box<dyn Read + Send>,
    blob: &Referred,
    limit: u64,
    threads: usize,
    contents: &mut Vec<Finding>,
) -> Result<u64, Defect> {
    let claims = Claims::of(blob);
    let frames = claims.first().map(|(claim, _)| Frames::new(claim.ranges()));
    let (mut unpack, packing) = Unpack::new(file, limit, frames)?;
    let mut collected = claims.first().map(|_| Collected::default());
    let in_image = blob.layers.iter().find(|(said, _)| said.in_image);
    let (_, place) =
        in_image.or(blob.layers.first()).expect("the caller has seen that it is used as a layer");
    let mut findings = Findings::new(MAX_FINDINGS);
    let mut read =
        |tar: &mut dyn Read| Tar::read(tar, place, blob.digest, collected.as_mut(), &mut findings);
    let tar = if threads == 1 { read(&mut unpack) } else { read_ahead(&mut unpack, read) };
    let bytes = unpack.finish()?;
    compare(blob.digest, bytes.digest, bytes.size)?;

    let found = |place: &str, defect| Finding::new(place, Some(blob.digest), defect);
    let lies = |said: &LayerUse| packing_said(&said.media_type) != Some(packing);
    for (said, place) in blob
        .layers
        .iter()
        .filter(|(said, _)| packing_said(&said.media_type).is_some() && lies(said))
    {
        let (in_image, said, packing) = (said.in_image, said.media_type.clone(), packing.name());
        contents.push(found(
            place,
            match in_image {
                true => Defect::CompressionDiffers { said, found: packing },
                false => Defect::NotALayer { said, found: packing },
            },
        ));
    }
    // Layers of artifacts are not unpacked.
    if in_image.is_none() || matches!(packing, Packing::Other(_)) {
        return Ok(bytes.size);
    }
    contents.extend(findings.into_list(place, Some(blob.digest)));
    if let Some(defect) = bytes.defect {
        // This is the cause of any other defect at the end of the tar.
        contents.push(found(place, defect));
        return Ok(bytes.size);
    }
    if tar.end.is_none() {
        let mut findings = Findings::new(MAX_FINDINGS);
        let known = collected.as_ref().zip(bytes.frames.as_ref());
        claims.check(known, blob.digest, &mut findings);
        contents.extend(findings.into_list(place, Some(blob.digest)));
    }
    contents.extend(tar.end.map(|defect| found(place, defect)));
    for (layer, place) in blob.layers.iter().filter(|(said, _)| said.in_image) {
        if let Some(said) = layer.diff_id.filter(|said| *said != tar.diff_id) {
            contents.push(found(place, Defect::DiffIdDiffers { said, actual: tar.diff_id }));
        }
    }
    Ok(bytes.size)
}

/// Returns the compression that a media type names; `None` for an unknown media type, such as that
/// of an encrypted layer.
pub(crate) fn packing_said(media_type: &MediaType) -> Option<Packing> {
    let name = media_type.to_oci();
    let (_, tar) = name.as_str().rsplit_once('.')?;
    match tar {
        "tar" => Some(Packing::Tar),
        "tar+gzip" => Some(Packing::Gzip),
        "tar+zstd" => Some(Packing::Zstd),
        _ => None,
    }
}

/// What is known of a tar after it was read.
struct Tar {
    diff_id: Digest,
    /// The defect of its end, or the first one that stops the reader.
    end: Option<Defect>,
}

impl Tar {
    fn read(
        tar: impl Read,
        place: &str,
        digest: Digest,
        collected: Option<&mut Collected>,
        findings: &mut Findings,
    ) -> Self {
        let mut tar = BufReader::with_capacity(256 << 10, HashRead::new(tar));
        let mut entries = Entries::new(place, digest, findings);
        let end = match collected {
            None => Self::read_entries(&mut tar, |entry, _| entries.check(entry)),
            Some(collected) => {
                let (mut collector, tar) = Collector::new(collected, &mut tar);
                let end = Self::read_entries(tar, |entry, headers| {
                    entries.check(entry);
                    collector.entry(entry, headers);
                });
                collector.end();
                end
            }
        };
        let end = end.err();
        let mut tar = tar.into_inner();
        let end = read_over(&mut tar).err().map(unreadable).or(end);
        Self { diff_id: tar.finish().0, end }
    }

    fn read_entries(tar: impl Read, mut each: impl FnMut(&TarEntry, &[u8])) -> Result<(), Defect> {
        let mut tar = TarReader::new(tar);
        let damaged = |error: crate::tarfile::reader::block::TarError| Defect::TarDamaged {
            offset: error.offset,
            reason: error.reason,
        };
        while let Some(entry) = tar.next_entry().map_err(damaged)? {
            each(&entry, tar.headers());
        }
        let ending = tar.ending().map_err(damaged)?;
        match ending.garbage {
            // POSIX requires two blocks. Some readers continue after a single one.
            Some(offset) => Err(Defect::TarTrailing { offset }),
            None if ending.zero_blocks < 2 => Err(Defect::TarUnended),
            None => Ok(()),
        }
    }
}

/// Reads the bytes of the blob from any source, and returns their number if they match the digest.
/// Defects of its contents are added to `contents`.
pub(crate) fn read(
    blob: &Referred,
    bytes: Box<dyn Read + Send>,
    reading: &Reading,
    contents: &mut Vec<Finding>,
) -> Result<u64, Defect> {
    match blob.layers.is_empty() {
        true => compare_bytes(bytes, blob.digest),
        false => check(bytes, blob, reading.limit, reading.pool.threads(), contents),
    }
}
