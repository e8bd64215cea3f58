//! Images by names that the endpoint does not know in advance.

pub(crate) mod fake;
mod limits;
mod redirect;
mod stopping;

use std::{sync::Barrier, thread, time::Duration};

use fake::{Fake, manifest, served};
use oci_layout::Digest;

use crate::registry::serve::{
    client::{ask, open, read},
    wait_until,
};

#[test]
fn all_requests_for_an_image_agree() {
    let fake = Fake::open();
    let served = served(&fake);
    let head = ask(&served.address, "HEAD", "/v2/b/a/manifests/latest", &[]);
    assert_eq!((head.status, fake.makes()), (200, 1));
    let digest = head.header("docker-content-digest").to_owned();
    for name in ["a/b", "b/a", "a/b/a"] {
        for reference in ["latest", &digest] {
            let answer = served.get(format!("/v2/{name}/manifests/{reference}?ns=registry"));
            assert_eq!(answer.status, 200, "{name} {reference}");
            assert_eq!(Digest::of(&answer.body).to_string(), digest);
            assert_eq!(answer.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
        }
        let manifest = served.get(format!("/v2/{name}/manifests/{digest}")).json();
        for blob in [&manifest["config"], &manifest["layers"][0]] {
            let blob = blob["digest"].as_str().unwrap();
            let answer = served.get(format!("/v2/{name}/blobs/{blob}"));
            assert_eq!((answer.status, Digest::of(&answer.body).to_string()), (200, blob.into()));
        }
    }
    assert_eq!(fake.makes(), 1);
    // Another tag is another image.
    let other = ask(&served.address, "HEAD", "/v2/a/b/manifests/v2", &[]);
    assert_ne!(other.header("docker-content-digest"), digest);
    assert_eq!(fake.makes(), 2);
}

/// What a name has is not found under another name, by any digest.
#[test]
fn other_names_do_not_serve_a_blob() {
    let fake = Fake::open();
    let served = served(&fake);
    let first = served.get("/v2/a/b/manifests/latest");
    let digest = Digest::of(&first.body);
    let layer = first.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    served.get("/v2/c/manifests/latest");
    for (target, code) in [
        (format!("/v2/c/manifests/{digest}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/c/blobs/{layer}"), "BLOB_UNKNOWN"),
        (format!("/v2/never/blobs/{layer}"), "BLOB_UNKNOWN"),
        (format!("/v2/a/b/blobs/sha512:{}", "0".repeat(128)), "BLOB_UNKNOWN"),
    ] {
        let answer = served.get(&target);
        assert_eq!((answer.status, &*answer.code()), (404, code), "{target}");
    }
    // A digest makes nothing.
    assert_eq!(fake.makes(), 2);
}

#[test]
fn lists_have_fixed_and_named_repositories() {
    let fake = Fake::open();
    let served = served(&fake);
    let list = |target: &str| served.get(target).json();
    assert_eq!(list("/v2/_catalog")["repositories"], serde_json::json!(["fixed", "shell"]));
    assert_eq!(list("/v2/_catalog?n=1")["repositories"], serde_json::json!(["fixed"]));
    assert_eq!(list("/v2/_catalog?last=fixed")["repositories"], serde_json::json!(["shell"]));
    assert_eq!(list("/v2/a/tags/list")["tags"], serde_json::json!(["latest", "v2"]));
    let page = served.get("/v2/a/tags/list?n=1");
    assert_eq!(page.header("link"), "</v2/a/tags/list?n=1&last=latest>; rel=\"next\"");
    assert_eq!(list("/v2/a/tags/list?n=5&last=latest")["tags"], serde_json::json!(["v2"]));
    assert_eq!(served.get("/v2/bad/tags/list").code(), "NAME_INVALID");
    // The name of a repository is never a package.
    assert_eq!(served.get("/v2/fixed/manifests/latest").status, 200);
    assert_eq!(served.get("/v2/fixed/manifests/v2").status, 404);
    let digest = Digest::of(served.get("/v2/a/manifests/latest").body);
    let referrers = list(&format!("/v2/a/referrers/{digest}"));
    assert_eq!(referrers["manifests"], serde_json::json!([]));
    assert_eq!(fake.makes(), 1);
}

#[test]
fn fifty_clients_share_one_make() {
    const CLIENTS: usize = 50;
    let fake = Fake::closed();
    let served = served(&fake);
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (served, start) = (&served, &start);
                scope.spawn(move || {
                    start.wait();
                    let name = if n % 2 == 0 { "a/b" } else { "b/a" };
                    manifest(served, name)
                })
            })
            .collect();
        wait_until("it is being made", || fake.makes() == 1);
        thread::sleep(Duration::from_millis(200));
        fake.open_gate();
        let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(
            answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body)
        );
    });
    assert_eq!(fake.makes(), 1);
}

#[test]
fn an_image_for_which_no_client_waits_is_given_up() {
    let fake = Fake::closed();
    let served = served(&fake);
    let connect = || open(&served.address, "GET", "/v2/a/manifests/latest", &[]);
    let (first, second) = (connect(), connect());
    wait_until("it is being made", || fake.makes() == 1);
    thread::sleep(Duration::from_millis(200));
    drop(first);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(fake.stopped(), 0, "the second client waits");
    drop(second);
    wait_until("it is given up", || fake.stopped() == 1);
    // That is no failure: the next client gets the image.
    let third = connect();
    wait_until("it is made again", || fake.makes() == 2);
    fake.open_gate();
    assert_eq!(read(third, false).status, 200);
}

/// The client reads the sentence, and the operator the detail.
#[test]
fn failures_have_their_status_and_keep_their_detail() {
    let fake = Fake::open();
    let served = served(&fake);
    for (name, status, code) in [
        ("bad", 400, "NAME_INVALID"),
        ("unknown", 404, "NAME_UNKNOWN"),
        ("untagged", 404, "MANIFEST_UNKNOWN"),
        ("fails", 422, "UNKNOWN"),
        ("late", 422, "UNKNOWN"),
        ("busy", 429, "TOOMANYREQUESTS"),
        ("stopped", 503, "UNAVAILABLE"),
        ("broken", 500, "UNKNOWN"),
        ("panics", 500, "UNKNOWN"),
    ] {
        let answer = manifest(&served, name);
        assert_eq!((answer.status, &*answer.code()), (status, code), "{name}");
        let text = answer.json().to_string();
        assert!(!text.contains("/nix/store"), "{text}");
        assert!(name == "panics" || text.contains(&format!("the reason of {name}")), "{text}");
        match name {
            "busy" => assert_eq!(answer.header("retry-after"), "7"),
            "stopped" => assert_eq!(answer.header("retry-after"), "1"),
            _ => assert!(!answer.headers.contains_key("retry-after")),
        }
        let head = ask(&served.address, "HEAD", &format!("/v2/{name}/manifests/latest"), &[]);
        assert_eq!(head.status, status, "{name}");
    }
    let log = served.events("fails:latest was not made");
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains(r"the reason of fails: line 1\nthe log of /nix/store/x"), "{log:?}");
    assert_eq!(served.events("panics:latest was not made").len(), 1);
}
