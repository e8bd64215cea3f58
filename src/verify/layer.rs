//! One layer: its blob, what the blob is packed in, and the tar.

use std::{
    io::{BufReader, Read},
    thread,
};

use crate::{
    basics::digest::{Digest, HashRead},
    document::descriptor::MediaType,
    tarfile::reader::TarReader,
    verify::{
        blob_use::{LayerUse, Referred, compare, compare_bytes, read_over, unreadable},
        defect::Defect,
        entries::Entries,
        finding::{Finding, Findings},
        reading::Reading,
        unpack::{Packing, Unpack, unpack_ahead},
    },
};

/// The most findings in one layer that are listed.
const MAX_FINDINGS: usize = 1000;

/// Reads a layer to its end, and returns the blob's size if its bytes have its digest; what is wrong with them all
/// the same is added to `contents`.
pub(crate) fn check(
    file: Box<dyn Read + Send>,
    blob: &Referred,
    limit: u64,
    threads: usize,
    contents: &mut Vec<Finding>,
) -> Result<u64, Defect> {
    let (unpack, packing) = Unpack::new(file, limit)?;
    let in_image = blob.layers.iter().find(|(said, _)| said.in_image);
    let (_, place) = in_image.or(blob.layers.first()).expect("the caller has seen that it is used as a layer");
    let mut findings = Findings::new(MAX_FINDINGS);
    let (tar, bytes) = thread::scope(|scope| {
        let ahead = if threads == 1 { Err(unpack) } else { unpack_ahead(scope, unpack) };
        Ok(match ahead {
            Ok((tar, unpacking)) => {
                let tar = Tar::read(tar, place, blob.digest, &mut findings);
                (tar, unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
            }
            Err(mut unpack) => (Tar::read(&mut unpack, place, blob.digest, &mut findings), unpack.finish()?),
        })
    })?;
    compare(blob.digest, bytes.digest, bytes.size)?;

    let found = |place: &str, defect| Finding::new(place, Some(blob.digest), defect);
    let lies = |said: &LayerUse| packing_said(&said.media_type) != Some(packing);
    for (said, place) in blob.layers.iter().filter(|(said, _)| packing_said(&said.media_type).is_some() && lies(said)) {
        let (in_image, said, packing) = (said.in_image, said.media_type.clone(), packing.name());
        contents.push(found(
            place,
            match in_image {
                true => Defect::CompressionDiffers { said, found: packing },
                false => Defect::NotALayer { said, found: packing },
            },
        ));
    }
    // Nobody unpacks what artifacts have.
    if in_image.is_none() || matches!(packing, Packing::Other(_)) {
        return Ok(bytes.size);
    }
    contents.extend(findings.into_list(place, Some(blob.digest)));
    if let Some(defect) = bytes.defect {
        // Whatever else is wrong with the end of the tar comes from this.
        contents.push(found(place, defect));
        return Ok(bytes.size);
    }
    contents.extend(tar.end.map(|defect| found(place, defect)));
    for (layer, place) in blob.layers.iter().filter(|(said, _)| said.in_image) {
        if let Some(said) = layer.diff_id.filter(|said| *said != tar.diff_id) {
            contents.push(found(place, Defect::DiffIdDiffers { said, actual: tar.diff_id }));
        }
    }
    Ok(bytes.size)
}

/// What a media type says of the bytes; `None` if it is one that is not known, an encrypted layer's for one.
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

/// What is known of a tar when all of it was read.
struct Tar {
    diff_id: Digest,
    /// What is wrong with how it ends, or where it can't be read any further.
    end: Option<Defect>,
}

impl Tar {
    fn read(tar: impl Read, place: &str, digest: Digest, findings: &mut Findings) -> Self {
        let mut tar = BufReader::with_capacity(256 << 10, HashRead::new(tar));
        let end = Self::read_entries(&mut tar, place, digest, findings).err();
        let mut tar = tar.into_inner();
        let end = read_over(&mut tar).err().map(unreadable).or(end);
        Self { diff_id: tar.finish().0, end }
    }

    fn read_entries(tar: impl Read, place: &str, digest: Digest, findings: &mut Findings) -> Result<(), Defect> {
        let mut tar = TarReader::new(tar);
        let damaged = |error: crate::tarfile::reader::block::TarError| Defect::TarDamaged {
            offset: error.offset,
            reason: error.reason,
        };
        let mut entries = Entries::new(place, digest, findings);
        while let Some(entry) = tar.next_entry().map_err(damaged)? {
            entries.check(&entry);
        }
        let ending = tar.ending().map_err(damaged)?;
        match ending.garbage {
            // POSIX wants two blocks: what follows a single one is not behind the end for every reader.
            Some(offset) => Err(Defect::TarTrailing { offset }),
            None if ending.zero_blocks < 2 => Err(Defect::TarUnended),
            None => Ok(()),
        }
    }
}

/// Reads the blob's bytes, wherever they come from, and returns their number if they have its digest. What is wrong
/// with them all the same is added to `contents`.
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
