//! Conditional requests: [RFC 9110, section 13](https://www.rfc-editor.org/rfc/rfc9110#section-13).
//!
//! Nothing here has a modification time, so conditions on times are ignored, as section 13.1.3
//! requires.

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};

/// The result of a request's conditions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Met,
    /// The client has the current version: 304.
    NotModified,
    /// The client wants a version that no longer exists: 412.
    Failed,
}

/// Evaluates the conditions in the order of section 13.2.2. `tag` is the entity tag with its
/// quotation marks.
pub(crate) fn condition(headers: &HeaderMap, tag: &str) -> Condition {
    // Section 13.1.1: a weak tag never matches `If-Match`. Section 13.1.2: it can match
    // `If-None-Match`.
    if headers.contains_key(header::IF_MATCH) && !names(headers, header::IF_MATCH, tag, false) {
        return Condition::Failed;
    }
    if names(headers, header::IF_NONE_MATCH, tag, true) {
        return Condition::NotModified;
    }
    Condition::Met
}

/// Whether a header is `*` or a list that contains the tag. A malformed entity tag ends the list.
fn names(headers: &HeaderMap, name: HeaderName, tag: &str, weak_too: bool) -> bool {
    headers.get_all(name).iter().any(|value| {
        let text = value.as_bytes().trim_ascii();
        text == b"*"
            || Tags(text).any(|(is_weak, other)| other == tag.as_bytes() && (weak_too || !is_weak))
    })
}

/// The entity tags of a list, each with whether it is weak.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Section 5.6.1: elements may be empty.
        let start = self.0.iter().position(|byte| !b", \t".contains(byte))?;
        let text = &self.0[start..];
        let (is_weak, text) = text.strip_prefix(b"W/").map_or((false, text), |text| (true, text));
        let end = 2 + text.strip_prefix(b"\"")?.iter().position(|byte| *byte == b'"')?;
        let (tag, rest) = text.split_at(end);
        if !matches!(rest.trim_ascii_start(), [] | [b',', ..]) {
            return None;
        }
        self.0 = rest;
        Some((is_weak, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: HeaderName, values: &[&str]) -> Condition {
        let headers = values.iter().map(|value| (name.clone(), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| _ = map.append(name, value));
        condition(&map, "\"a\"")
    }

    #[test]
    fn tags_that_the_client_has() {
        use Condition::{Met, NotModified};
        for (values, expected) in [
            (&["\"a\""][..], NotModified),
            (&["*"], NotModified),
            (&[" * "], NotModified),
            (&["W/\"a\""], NotModified),
            (&["\"b\", \"a\""], NotModified),
            (&["\"b\",W/\"a\""], NotModified),
            (&[",, \"b\" ,\t\"a\",,"], NotModified),
            (&["\"b\"", "\"a\""], NotModified),
            // A comma may be in a tag.
            (&["\"b,\", \"a\""], NotModified),
            (&["\",\"a\",\""], Met),
            (&["\"b\""], Met),
            (&["a"], Met),
            (&["\"a"], Met),
            (&["w/\"a\""], Met),
            (&["W/ \"a\""], Met),
            (&["\"b\" \"a\""], Met),
            (&["\"A\""], Met),
            (&["\"*\""], Met),
            (&[""], Met),
            (&[], Met),
        ] {
            assert_eq!(of(header::IF_NONE_MATCH, values), expected, "{values:?}");
        }
    }

    #[test]
    fn tags_that_the_client_wants() {
        use Condition::{Failed, Met};
        for (values, expected) in [
            (&["\"a\""][..], Met),
            (&["*"], Met),
            (&["\"b\", \"a\""], Met),
            (&["W/\"a\""], Failed),
            (&["\"b\""], Failed),
            (&["a"], Failed),
            (&[], Met),
        ] {
            assert_eq!(of(header::IF_MATCH, values), expected, "{values:?}");
        }
    }
}
