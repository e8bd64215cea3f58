//! Compares the table of contents of a zstd:chunked layer with its tar.

use std::{fmt, io::Read, ops::Range};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{
    basics::digest::Digest,
    document::descriptor::Annotations,
    tarfile::chunked::{
        places::{FRAME_HEADER, Place, Places, frame_header},
        table::{CHUNK, FILE, MAX_TABLE, TableEntry},
    },
    verify::{
        blob_use::Referred,
        collected::{Collected, Known, MAX_ENTRIES},
        defect::Defect,
        finding::{Finding, Findings, shown},
        frames::Frames,
        tar_split,
    },
};

/// The maximum size of the compressed tar-split.
const MAX_TAR_SPLIT: u64 = 64 << 20;

/// What the annotations of a layer say of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    places: Places,
    /// The digest of the compressed table.
    checksum: Digest,
}

impl Claim {
    /// `None` without such annotations.
    pub(crate) fn read(annotations: &Annotations) -> Option<Result<Self, Defect>> {
        let read = Places::read(annotations)?.and_then(|(places, checksum)| {
            let Places { table, tar_split } = places;
            if table.size.max(table.unpacked) > MAX_TABLE {
                return Err("the table is larger than the 150 MiB that readers accept".to_owned());
            }
            if tar_split.size > MAX_TAR_SPLIT {
                return Err("the tar-split is too large to be checked".to_owned());
            }
            let is_place = |offset: u64, size: u64| {
                offset >= FRAME_HEADER as u64 && offset.checked_add(size).is_some()
            };
            match is_place(table.offset, table.size) && is_place(tar_split.offset, tar_split.size) {
                true => Ok(Self { places, checksum }),
                false => Err("a position is outside of the blob".to_owned()),
            }
        });
        Some(read.map_err(|reason| Defect::TableMisplaced { reason }))
    }

    /// The ranges of the blob with the table and tar-split, and the headers of their frames.
    pub(crate) fn ranges(&self) -> [Range<u64>; 2] {
        let Places { table, tar_split } = self.places;
        let start = |place: Place| place.offset - FRAME_HEADER as u64;
        [table, tar_split].map(|place| start(place)..place.offset + place.size)
    }
}

/// Reads at most as many entries as are compared.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TableEntry>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<TableEntry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ENTRIES} entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = list.next_element()? {
                if entries.len() == MAX_ENTRIES {
                    return Err(de::Error::invalid_length(MAX_ENTRIES + 1, &self));
                }
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_seq(Entries)
}

/// What the descriptors of a layer say of its table, and where.
pub(crate) struct Claims<'a>(Vec<(Result<Claim, Defect>, &'a str)>);

impl<'a> Claims<'a> {
    pub(crate) fn of(blob: &'a Referred) -> Self {
        let in_images = blob.layers.iter().filter(|(layer, _)| layer.in_image);
        let claims = in_images
            .filter_map(|(layer, place)| Some((Claim::read(&layer.table)?, place.as_str())));
        Self(claims.collect())
    }

    /// The first claim that can be checked, and its place.
    pub(crate) fn first(&self) -> Option<(&Claim, &'a str)> {
        self.0.iter().find_map(|(claim, place)| Some((claim.as_ref().ok()?, *place)))
    }

    /// Compares the table with the tar, which could be read to its end. What is known of it is
    /// there if a claim can be checked.
    pub(crate) fn check(
        &self,
        known: Option<(&Collected, &Frames)>,
        digest: Digest,
        findings: &mut Findings,
    ) {
        let first = self.first();
        if let (Some((claim, place)), Some((collected, frames))) = (first, known) {
            check(claim, collected, frames, (place, digest), findings);
        }
        for (claim, place) in &self.0 {
            let defect = match (claim, first) {
                (Err(defect), _) => defect.clone(),
                (Ok(claim), Some((first, at))) if claim != first => {
                    let reason = format!("the annotations differ from those of {at}");
                    Defect::TableMisplaced { reason }
                }
                _ => continue,
            };
            findings.add(Finding::new(*place, Some(digest), defect));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    version: u64,
    #[serde(deserialize_with = "bounded")]
    entries: Vec<TableEntry>,
    #[serde(default)]
    tar_split_digest: Option<Digest>,
}

fn check(
    claim: &Claim,
    collected: &Collected,
    frames: &Frames,
    (place, digest): (&str, Digest),
    findings: &mut Findings,
) {
    let mut found = |entry: Option<&str>, defect| {
        let place = match entry {
            Some(path) => format!("{place}, entry \"{}\"", shown(path)),
            None => place.to_owned(),
        };
        findings.add(Finding::new(place, Some(digest), defect));
    };
    if frames.are_too_many || collected.more {
        let reason = "the layer has too many entries for its table to be checked".to_owned();
        return found(None, Defect::TableMisplaced { reason });
    }
    let [table, compressed] = claim.ranges().map(|range| skippable(frames, &range));
    let reason =
        |what: &str| format!("the position of the {what} is not that of a skippable frame");
    let misplaced = |what| Defect::TableMisplaced { reason: reason(what) };
    let Some(table) = table else { return found(None, misplaced("table")) };
    let Some(compressed) = compressed else { return found(None, misplaced("tar-split")) };
    let table = match read_table(claim, table) {
        Ok(table) => table,
        Err(reason) => return found(None, Defect::TableDamaged { reason }),
    };
    let differs = |reason: &str| Defect::TableDiffers { reason: reason.to_owned() };
    let mut rest = &table.entries[..];
    for known in &collected.entries {
        let Some((entry, after)) = rest.split_first() else {
            return found(Some(&known.path), differs("is in the layer, but not in its table"));
        };
        let chunks = after.iter().take_while(|entry| entry.kind == CHUNK).count();
        let (chunks, after) = after.split_at(chunks);
        rest = after;
        match compare(known, entry, chunks, frames) {
            Ok(()) => {}
            Err((reason, false)) => found(Some(&known.path), Defect::TableDiffers { reason }),
            // All others would differ too.
            Err((reason, true)) => {
                return found(Some(&known.path), Defect::TableDiffers { reason });
            }
        }
    }
    if let Some(entry) = rest.first() {
        found(Some(&entry.name), differs("is in the table of contents, but not in the layer"));
    }
    let result = match table.tar_split_digest {
        None => Err("the table of contents does not have its digest".to_owned()),
        Some(said) if said != Digest::of(compressed) => {
            Err(format!("it does not have the digest {said}, as the table of contents says"))
        }
        Some(_) => tar_split::check(compressed, claim.places.tar_split.unpacked, collected),
    };
    if let Err(reason) = result {
        found(None, Defect::TarSplitDiffers { reason });
    }
}

/// The contents of the skippable frame that has this range of the blob.
fn skippable<'a>(frames: &'a Frames, range: &Range<u64>) -> Option<&'a [u8]> {
    let (header, contents) = frames.bytes(range).split_at_checked(FRAME_HEADER)?;
    let size = u32::try_from(range.end - range.start).ok()?.checked_sub(FRAME_HEADER as u32)?;
    let is_whole = contents.len() as u64 == u64::from(size) && header == frame_header(size);
    (is_whole && frames.contents_at(range.start).is_some()).then_some(contents)
}

fn read_table(claim: &Claim, compressed: &[u8]) -> Result<Table, String> {
    if Digest::of(compressed) != claim.checksum {
        return Err(format!("it does not have the digest {} of its annotation", claim.checksum));
    }
    let unpacked = claim.places.table.unpacked;
    let mut text = Vec::new();
    let read = tar_split::zstd(compressed)
        .and_then(|decoder| decoder.take(unpacked + 1).read_to_end(&mut text));
    read.map_err(|error| format!("it cannot be decompressed: {error}"))?;
    if text.len() as u64 != unpacked {
        return Err(format!("it does not have {unpacked} bytes, as its annotation says"));
    }
    let table: Table = serde_json::from_slice(&text)
        .map_err(|error| format!("it is not the JSON of a table: {error}"))?;
    match table.version {
        1 => Ok(table),
        other => Err(format!("it has the version {other}")),
    }
}

/// The error says whether the entry is another one.
fn compare(
    known: &Known,
    entry: &TableEntry,
    chunks: &[TableEntry],
    frames: &Frames,
) -> Result<(), (String, bool)> {
    let expected = known
        .entry
        .as_ref()
        .map_err(|reason| (format!("{reason}, and should be in no table of contents"), false))?;
    let differs = |what: &str| Err((format!("has another {what} in the table of contents"), false));
    if entry.name != expected.name {
        let other = format!("is \"{}\" in the table of contents", shown(&entry.name));
        return Err((other, true));
    }
    let time = |entry: &TableEntry| match entry.modtime.as_deref().map(str::parse::<Timestamp>) {
        None => Some(Timestamp::UNIX_EPOCH),
        // The time that Go treats as none.
        Some(Ok(time)) if time.as_second() == -62_135_596_800 => Some(Timestamp::UNIX_EPOCH),
        Some(time) => time.ok(),
    };
    let is_time = entry.modtime == expected.modtime
        || time(entry).is_some_and(|found| Some(found) == time(expected));
    for (what, is_equal) in [
        ("type", entry.kind == expected.kind),
        ("link target", entry.link_name == expected.link_name),
        ("mode", entry.mode == expected.mode),
        ("size", entry.size == expected.size),
        ("owner", entry.uid == expected.uid),
        ("group", entry.gid == expected.gid),
        ("time", is_time),
        (
            "device number",
            (entry.dev_major, entry.dev_minor) == (expected.dev_major, expected.dev_minor),
        ),
        ("list of extended attributes", entry.xattrs == expected.xattrs),
    ] {
        if !is_equal {
            return differs(what);
        }
    }
    if known.contents.is_empty() {
        return match chunks.is_empty() && entry.digest.is_empty() {
            true => Ok(()),
            false => differs("kind of contents"),
        };
    }
    if entry.digest != known.sums.digest.to_string() {
        return differs("digest");
    }
    if entry.kind != FILE || frames.contents_at(entry.offset) != Some(known.contents.start) {
        return differs("offset");
    }
    if frames.contents_at(entry.end_offset) != Some(known.contents.end) {
        return differs("end");
    }
    let mut at = entry.chunk_size;
    for chunk in chunks {
        let is_there = known.contents.start.checked_add(at);
        if at == 0
            || chunk.name != entry.name
            || chunk.chunk_offset != at
            || is_there.is_none()
            || frames.contents_at(chunk.offset) != is_there
        {
            return differs("list of chunks");
        }
        at = at.checked_add(chunk.chunk_size).filter(|&at| at > chunk.chunk_offset).unwrap_or(0);
    }
    if !chunks.is_empty() && at != entry.size {
        return differs("list of chunks");
    }
    Ok(())
}
