//! [RFC 9110, section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14): a part of a blob.

use std::ops::Range;

use hyper::{HeaderMap, header};

/// Which bytes of a blob are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A part that the blob does not have.
    Nothing,
}

/// What these headers ask of a blob with this size and entity tag. What can't be understood, and more than one range
/// at once, may be ignored, and is.
pub(super) fn wanted(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Wanted::Whole };
    // Section 13.1.5: a part of this very blob, or else the whole of what there is.
    if headers.contains_key(header::IF_RANGE) && text(header::IF_RANGE) != Some(tag) {
        return Wanted::Whole;
    }
    parse(range, size).unwrap_or(Wanted::Whole)
}

fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let range = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(length)) => size.saturating_sub(length)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => first..size.min(last.saturating_add(1)),
    };
    Some(if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) })
}

/// `Some(None)` for nothing, `None` for what is no number.
fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        text if text.bytes().all(|b| b.is_ascii_digit()) => Some(Some(text.parse().unwrap_or(u64::MAX))),
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
            ("bytes=0-1,3-4", Wanted::Whole),
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
    fn a_part_of_another_blob_is_the_whole() {
        for (tag, expected) in [("\"tag\"", Wanted::Part(0..1)), ("\"other\"", Wanted::Whole)] {
            let headers = [(header::RANGE, "bytes=0-0".parse().unwrap()), (header::IF_RANGE, tag.parse().unwrap())];
            assert_eq!(wanted(&HeaderMap::from_iter(headers), 10, "\"tag\""), expected);
        }
    }
}
