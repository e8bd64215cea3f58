//! Blobs that clients read elsewhere.

use super::fake::{Fake, manifest, served};
use crate::registry::serve::{
    Served,
    client::{Answer, ask, get},
};

/// The digest of the layer.
fn layer(answer: &Answer) -> String {
    answer.json()["layers"][0]["digest"].as_str().unwrap().to_owned()
}

fn fixture(to: &str) -> (Served, String) {
    let fake = Fake::open();
    fake.redirect(to);
    let served = served(&fake);
    let layer = layer(&manifest(&served, "a"));
    (served, layer)
}

#[test]
fn only_a_get_of_a_blob_is_redirected() {
    let (served, layer) = fixture("https://storage.example/?a=b&blob=");
    let target = format!("/v2/a/blobs/{layer}");
    for headers in [&[][..], &[("Range", "bytes=5-")], &[("If-None-Match", "\"other\"")]] {
        let answer = get(&served.address, &target, headers);
        assert_eq!(answer.status, 307, "{headers:?}");
        assert_eq!(answer.header("location"), format!("https://storage.example/?a=b&blob={layer}"));
        assert_eq!(answer.header("docker-content-digest"), layer);
        assert!(answer.is_whole() && answer.body.is_empty());
    }
    let head = ask(&served.address, "HEAD", &target, &[]);
    assert_eq!((head.status, head.header("docker-content-digest")), (200, &*layer));
    assert!(!head.headers.contains_key("location"));
    let tag = format!("\"{layer}\"");
    assert_eq!(get(&served.address, &target, &[("If-None-Match", &tag)]).status, 304);
    assert_eq!(get(&served.address, &target, &[("If-Match", "\"other\"")]).status, 412);
    assert_eq!(manifest(&served, "a").status, 200);
    // The blob of another name is not there, and a repository has its own.
    assert_eq!(get(&served.address, &format!("/v2/b/blobs/{layer}"), &[]).status, 404);
    let fixed = get(&served.address, "/v2/fixed/manifests/latest", &[]);
    let fixed = format!("/v2/fixed/blobs/{}", self::layer(&fixed));
    assert_eq!(get(&served.address, &fixed, &[]).status, 200);
}

#[test]
fn what_is_no_header_is_no_redirect() {
    let (served, layer) = fixture("https://storage.example/\r\nX: ");
    let answer = get(&served.address, &format!("/v2/a/blobs/{layer}"), &[]);
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("x"));
}
