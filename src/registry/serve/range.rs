//! Parts of a blob: [RFC 9110, section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14).

use std::ops::Range;

use hyper::{HeaderMap, header};

/// The maximum number of parts in a response. podman requests up to 1024 at once if it has the rest
/// of a layer already.
const MOST: usize = 1024;

/// The bytes of a blob that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// At least two parts, which do not overlap.
    Parts(Vec<Range<u64>>),
    /// A part outside of the blob.
    Nothing,
}

/// What the headers request of a blob with this size and entity tag. A `Range` that cannot be
/// understood is ignored, as the RFC allows.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).iter().map(|value| value.to_str().ok());
    let (Some(Some(range)), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    // Section 13.1.5: if the client's version is not this one, send the whole blob. Weak tags and
    // times never match.
    let if_range = headers.get(header::IF_RANGE).map(|value| value.to_str().ok());
    if if_range.is_some_and(|value| value != Some(tag)) {
        return Wanted::Whole;
    }
    parse(range, size).unwrap_or(Wanted::Whole)
}

fn parse(text: &str, size: u64) -> Option<Wanted> {
    let (unit, text) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Section 5.6.1: elements of a list may be empty.
    let specs =
        text.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let ranges: Vec<Range<u64>> =
        specs.map(|spec| parse_spec(spec, size)).collect::<Option<_>>()?;
    if ranges.is_empty() {
        return None;
    }
    let ranges = coalesce(ranges.into_iter().filter(|range| !range.is_empty()).collect());
    match <[_; 1]>::try_from(ranges) {
        Ok([range]) => Some(Wanted::Part(range)),
        Err(ranges) if ranges.is_empty() => Some(Wanted::Nothing),
        Err(ranges) => (ranges.len() <= MOST).then_some(Wanted::Parts(ranges)),
    }
}

/// Parses one range. A range outside of the blob becomes an empty one.
fn parse_spec(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    Some(match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(length)) => size.saturating_sub(length)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => first..size.min(last.saturating_add(1)),
    })
}

/// Merges ranges that overlap or touch, so that no byte is sent twice. Section 15.3.7.2: the result
/// keeps the requested order; a merged range takes the position of its first part.
fn coalesce(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    sorted.sort_by_key(|(_, range)| range.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(sorted.len());
    for (place, range) in sorted {
        match merged.last_mut() {
            Some((first, last)) if range.start <= last.end => {
                *first = place.min(*first);
                last.end = range.end.max(last.end);
            }
            _ => merged.push((place, range)),
        }
    }
    merged.sort_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, range)| range).collect()
}

/// `Some(None)` for an empty text, and `None` if it is not a number.
fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        text if text.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(text.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let headers = |range: &str| HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=5-", Wanted::Part(5..10)),
            ("Bytes=5-100", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-100", Wanted::Part(0..10)),
            ("bytes=3-99999999999999999999", Wanted::Part(3..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=3-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Parts(vec![0..2, 3..5])),
            ("bytes=5-6 ,\t0-0,, -1", Wanted::Parts(vec![5..7, 0..1, 9..10])),
            ("BYTES=0-0,-1", Wanted::Parts(vec![0..1, 9..10])),
            // They overlap, touch, or lie in one another.
            ("bytes=0-4,3-6", Wanted::Part(0..7)),
            ("bytes=4-6,0-3", Wanted::Part(0..7)),
            ("bytes=0-,0-,0-,0-", Wanted::Part(0..10)),
            ("bytes=8-9,2-5,3-4,0-0", Wanted::Parts(vec![8..10, 2..6, 0..1])),
            // One that is not there is left out.
            ("bytes=20-30,0-1", Wanted::Part(0..2)),
            ("bytes=20-30,-0", Wanted::Nothing),
            // One that is wrong makes all wrong.
            ("bytes=0-1,3-2", Wanted::Whole),
            ("bytes=0-1,x", Wanted::Whole),
            ("bytes=0-1;3-4", Wanted::Whole),
            ("bytes=0 - 1", Wanted::Whole),
            ("bytes=0-1-2", Wanted::Whole),
            ("bytes=,", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ] {
            assert_eq!(wanted(&headers(range), 10, "\"tag\""), expected, "{range}");
        }
        assert_eq!(wanted(&headers("bytes=0-"), 0, "\"tag\""), Wanted::Nothing);
    }

    #[test]
    fn a_range_with_another_etag_returns_the_whole_blob() {
        for (tag, expected) in [
            ("\"tag\"", Wanted::Part(0..1)),
            ("\"other\"", Wanted::Whole),
            ("W/\"tag\"", Wanted::Whole),
            ("tag", Wanted::Whole),
            ("\"other\", \"tag\"", Wanted::Whole),
            ("*", Wanted::Whole),
            ("Sat, 28 Nov 2026 12:00:00 GMT", Wanted::Whole),
        ] {
            let headers = [
                (header::RANGE, "bytes=0-0".parse().unwrap()),
                (header::IF_RANGE, tag.parse().unwrap()),
            ];
            assert_eq!(wanted(&HeaderMap::from_iter(headers), 10, "\"tag\""), expected);
        }
    }

    #[test]
    fn as_many_parts_as_podman_asks_for() {
        let of = |count: u64| {
            let ranges: Vec<String> = (0..count).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
            let headers = [(header::RANGE, format!("bytes={}", ranges.join(",")).parse().unwrap())];
            wanted(&HeaderMap::from_iter(headers), 10_000, "\"tag\"")
        };
        let expected = (0..1024).map(|n| 2 * n..2 * n + 1).collect();
        assert_eq!((of(1024), of(1025)), (Wanted::Parts(expected), Wanted::Whole));
    }

    #[test]
    fn two_range_headers_are_ignored() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-0".parse().unwrap());
        headers.append(header::RANGE, "bytes=1-1".parse().unwrap());
        assert_eq!(wanted(&headers, 10, "\"tag\""), Wanted::Whole);
    }
}
