//! How a registry accepts blobs, learned from what it refuses.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::registry::failure::Refusal;

/// The smallest chunk that is worth a request.
const LEAST: u64 = 256;

/// How a registry accepts blobs, as far as is known. All uploads of a push share it, and it only
/// becomes smaller.
pub(crate) struct Manner(AtomicU64);

impl Manner {
    /// In one `PUT`, the first way in the specification.
    pub(crate) const WHOLE: u64 = u64::MAX;
    /// In one `PATCH` and an empty `PUT`, as docker and podman do. A smaller number is the maximum
    /// size of a `PATCH`.
    pub(crate) const STREAM: u64 = u64::MAX - 1;

    pub(crate) fn new() -> Self {
        Self(Self::WHOLE.into())
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Switches to another manner after this one was refused for a blob of this size. Returns
    /// whether there is one.
    pub(crate) fn change(&self, tried: u64, refusal: &Refusal, size: u64, least: u64) -> bool {
        let refused = tried.max(least).min(size);
        let next = match (refusal.status, tried) {
            (413, Self::WHOLE | Self::STREAM) => below(size),
            (413, _) => below(refused) / 2,
            (_, Self::WHOLE) if wants_patch(refusal) => Self::STREAM,
            _ => return false,
        };
        let next = next.max(least);
        if next < LEAST || next >= refused && next != Self::STREAM {
            // Another upload may have switched already.
            return self.now() < tried;
        }
        self.0.fetch_min(next, Ordering::Relaxed);
        true
    }
}

/// The largest power of two below `size`.
fn below(size: u64) -> u64 {
    size.saturating_sub(1).checked_ilog2().map_or(0, |power| 1 << power)
}

/// Whether a `PUT` may be refused because it contains the blob. Some registries accept `PATCH`
/// only, and report this in various ways, or ignore the bytes and report that the digest differs.
pub(crate) fn wants_patch(refusal: &Refusal) -> bool {
    let is_other = ["UNAUTHORIZED", "DENIED", "TOOMANYREQUESTS", "NAME_INVALID", "NAME_UNKNOWN"];
    matches!(refusal.status, 400 | 404 | 405 | 406 | 409 | 411 | 415 | 416 | 422 | 500 | 501)
        && !refusal.has(&is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16) -> Refusal {
        let (codes, message, schemes) = (Vec::new(), String::new(), Vec::new());
        Refusal { status, codes, message, retry_after: None, schemes, has_challenge: false }
    }

    /// Every part is smaller than the one that was too large, and there is a smallest one.
    #[test]
    fn parts_become_smaller() {
        for (size, expected) in [
            (0, &[][..]),
            (256, &[]),
            (257, &[256]),
            (300, &[256]),
            (1 << 10, &[512]),
            (1500, &[1024, 256]),
            (5 << 20, &[4 << 20, 1 << 20, 1 << 18, 1 << 16, 1 << 14, 1 << 12, 1 << 10, 1 << 8]),
        ] {
            for mut tried in [Manner::WHOLE, Manner::STREAM] {
                let (manner, mut found) = (Manner(tried.into()), Vec::new());
                while manner.change(tried, &refusal(413), size, 0) {
                    tried = manner.now();
                    found.push(tried);
                }
                assert_eq!(found, expected, "{size}");
            }
        }
        // A blob that is smaller than the others, but still too large.
        let manner = Manner((1 << 20).into());
        assert!(manner.change(1 << 20, &refusal(413), 3000, 0) && manner.now() == 1024);
        // Another upload has found a manner first.
        assert!(manner.change(1 << 20, &refusal(413), 5 << 20, 0) && manner.now() == 1024);
        // Registries may have a smallest part.
        assert!(!Manner::new().change(Manner::WHOLE, &refusal(413), 5000, 1 << 20));
    }

    #[test]
    fn only_some_refusals_change_the_upload_method() {
        let manner = Manner::new();
        assert!(manner.change(Manner::WHOLE, &refusal(405), 10, 0));
        assert_eq!(manner.now(), Manner::STREAM);
        assert!(!manner.change(Manner::STREAM, &refusal(405), 10, 0));
        for status in [401, 403, 408, 429, 503, 507] {
            assert!(!Manner::new().change(Manner::WHOLE, &refusal(status), 1 << 20, 0), "{status}");
        }
        let denied = Refusal { codes: vec!["DENIED".to_owned()], ..refusal(400) };
        assert!(!Manner::new().change(Manner::WHOLE, &denied, 10, 0));
    }
}
