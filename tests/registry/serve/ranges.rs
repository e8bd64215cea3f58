//! Ranges of blobs, as in RFC 9110, section 14.

use tempfile::TempDir;

use crate::common;
use crate::registry::serve::{
    Served,
    client::{Answer, ask, get},
    image,
};

/// "A registry SHOULD support the Range request header in accordance with RFC 9110."
#[test]
fn pulling_parts_of_blobs() {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(700_000, 1), "linux/amd64");
    let blob = image.layers()[0].clone();
    let (whole, digest) = (common::bytes(&blob), blob.descriptor().digest);
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image))]);
    let size = whole.len();
    let target = format!("/v2/a/blobs/{digest}");
    let part = |range: &str| get(&served.address, &target, &[("Range", range)]);
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=100-299999".to_owned(), 100, 300_000),
        ("bytes=262144-524287".to_owned(), 262_144, 524_288),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=-400000".to_owned(), size - 400_000, size),
        ("bytes=0-99999999".to_owned(), 0, size),
    ] {
        let answer = part(&range);
        assert_eq!((answer.status, answer.body == whole[from..to]), (206, true), "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert!(answer.is_whole());
    }
    for range in [format!("bytes={size}-"), "bytes=-0".to_owned()] {
        let answer = part(&range);
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
    }
    for range in ["bytes=5-2", "lines=0-1", "nonsense", "bytes=0-1,5-2", "bytes=0-1,x"] {
        assert_eq!((part(range).status, part(range).body.len()), (200, size), "{range}");
    }
    let tag = part("bytes=0-0").header("etag").to_owned();
    let if_range = |tag: &str| {
        get(&served.address, &target, &[("Range", "bytes=0-0"), ("If-Range", tag)]).status
    };
    assert_eq!(
        (if_range(&tag), if_range("\"other\""), if_range(&format!("W/{tag}"))),
        (206, 200, 200)
    );
}

/// RFC 9110, section 9.3.2: HEAD has the header fields that GET would have. Nginx, Apache and Go do
/// so too.
#[test]
fn head_has_the_header_fields_of_get() {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(300_000, 1), "linux/amd64");
    let digest = image.layers()[0].descriptor().digest;
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image))]);
    for target in [format!("blobs/{digest}"), "manifests/latest".to_owned(), "tags/list".to_owned()]
    {
        let target = format!("/v2/a/{target}");
        for range in [
            "bytes=0-9",
            "bytes=-5",
            "bytes=0-0,5-9",
            "bytes=9999999-",
            "bytes=9-3",
            "bytes=0-99999999",
        ] {
            let [mut get, mut head] = ["GET", "HEAD"]
                .map(|method| ask(&served.address, method, &target, &[("Range", range)]));
            for answer in [&mut get, &mut head] {
                answer.headers.remove("date");
                assert!(answer.headers.remove("x-request-id").is_some());
                // Each response with several parts has another boundary.
                if answer
                    .headers
                    .get("content-type")
                    .is_some_and(|kind| kind.starts_with("multipart/byteranges; b"))
                {
                    answer.headers.insert("content-type".to_owned(), "multipart".to_owned());
                }
            }
            assert_eq!(
                (get.status, &get.headers),
                (head.status, &head.headers),
                "{target} {range}"
            );
        }
    }
}

/// Parses a response with several parts as in RFC 2046, section 5.1.1: the headers and the bytes of
/// each.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    assert_eq!(answer.status, 206);
    assert!(answer.is_whole());
    let boundary =
        answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("\r\n--{boundary}");
    // The first boundary is at the beginning.
    let body = [b"\r\n", &*answer.body].concat();
    let at: Vec<usize> =
        (0..body.len()).filter(|at| body[*at..].starts_with(delimiter.as_bytes())).collect();
    assert_eq!((at[0], &body[at[at.len() - 1] + delimiter.len()..]), (0, &b"--\r\n"[..]));
    let part = |pair: &[usize]| {
        let text = &body[pair[0] + delimiter.len()..pair[1]];
        let end = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(text[..end].to_vec()).unwrap(), text[end + 4..].to_vec())
    };
    at.windows(2).map(part).collect()
}

/// Section 14.6.
#[test]
fn several_parts_of_a_blob() {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(700_000, 1), "linux/amd64");
    let blob = image.layers()[0].clone();
    let (whole, digest) = (common::bytes(&blob), blob.descriptor().digest);
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image))]);
    let size = whole.len();
    let target = format!("/v2/a/blobs/{digest}");
    let last = format!("bytes={}-,-10,0-0", size - 5);
    for (range, expected) in [
        ("bytes=0-0,-1", &[(0, 1), (size - 1, size)][..]),
        // Across chunks, out of order, in one chunk.
        ("bytes=500000-600000,0-9,20-300000", &[(500_000, 600_001), (0, 10), (20, 300_001)]),
        ("bytes=262143-262144, 524287-524288,", &[(262_143, 262_145), (524_287, 524_289)]),
        // Ranges that overlap or touch become one part, and ranges beyond the end are ignored.
        ("bytes=100-200,150-300,301-310,5-6", &[(100, 311), (5, 7)]),
        ("bytes=0-1,5-6,99999999-", &[(0, 2), (5, 7)]),
        (&last, &[(size - 10, size), (0, 1)]),
    ] {
        let answer = get(&served.address, &target, &[("Range", range)]);
        let parts = parts(&answer);
        assert_eq!(parts.len(), expected.len(), "{range}");
        for ((head, bytes), (from, to)) in parts.iter().zip(expected) {
            let content_range = format!("Content-Range: bytes {from}-{}/{size}", to - 1);
            assert_eq!(
                *head,
                format!("\r\nContent-Type: application/octet-stream\r\n{content_range}"),
                "{range}"
            );
            assert!(*bytes == whole[*from..*to], "{range}");
        }
    }
    // A single part is not multipart: section 15.3.7.2.
    for range in ["bytes=0-4,5-9", "bytes=0-9,0-9,0-9", "bytes=0-9,99999999-"] {
        let answer = get(&served.address, &target, &[("Range", range)]);
        assert_eq!((answer.status, &*answer.body), (206, &whole[..10]), "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes 0-9/{size}"));
    }
}

/// No response has more bytes than the blob, apart from a few around each part.
#[test]
fn ranges_amplify_nothing() {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(300_000, 1), "linux/amd64");
    let blob = image.layers()[0].descriptor().clone();
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image))]);
    let ask = |ranges: Vec<String>| {
        let range = format!("bytes={}", ranges.join(","));
        get(&served.address, &format!("/v2/a/blobs/{}", blob.digest), &[("Range", &range)])
    };
    let answer = ask(vec!["0-".to_owned(); 1500]);
    assert_eq!((answer.status, answer.body.len() as u64), (206, blob.size));
    // Each range contains the next.
    let answer = ask((0..1500).map(|n| format!("{n}-{}", 200_000 - n)).collect());
    assert_eq!((answer.status, answer.body.len()), (206, 200_001));
    let apart = |count: u64| (0..count).map(|n| format!("{}-{}", 3 * n, 3 * n)).collect();
    assert_eq!(parts(&ask(apart(1024))).len(), 1024);
    let answer = ask(apart(1025));
    assert_eq!((answer.status, answer.body.len() as u64), (200, blob.size));
}
