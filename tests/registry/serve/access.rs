//! Rights of users and tokens, by the beginnings of names.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_layout::{Digest, registry::Endpoint};
use serde_json::json;
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{Answer, ask, get},
    image,
    named::fake::Fake,
};

/// The passwords are `U*U` and `python`.
const USERS: &str = "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\
                     snake:$2b$04$qeZgTM7uOhbUKstD8NM1m.mEbic94Maz9IXiK604.jTN7QGNQ4./y\n";

/// The digest is that of `printf %s secret-token | sha256sum`.
const ACCESS: &str = "# who may pull what\n\n\
    user  me  team tools/curl\n\
    token sha256:930bbdc51b6aed5c2a5678fd6e28dee7a05e8a4b643cfc0b4427c3efb86c0d94 team/app\n";

fn fixture() -> (TempDir, Served) {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let (users, access) = (file("users", USERS), file("access", ACCESS));
    let images = ["team/app", "teams", "tools/curl", "tools/git"]
        .map(|name| (name, vec![image(name, "linux/amd64").tagged("latest")]));
    let served = Served::with(images, |endpoint| {
        let endpoint = endpoint.htpasswd(users).unwrap().access(access).unwrap();
        endpoint.named_images(Fake::open())
    });
    (dir, served)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn with(served: &Served, key: &str, target: &str) -> Answer {
    get(&served.address, target, &[("Authorization", key)])
}

#[test]
fn each_login_pulls_its_names_only() {
    let (_dir, served) = fixture();
    let (me, snake) = (basic("me", "U*U"), basic("snake", "python"));
    let (bearer, token) = ("Bearer secret-token".to_owned(), basic("token", "secret-token"));
    for (key, name, status) in [
        (&me, "team/app", 200),
        (&me, "tools/curl", 200),
        (&me, "teams", 403),
        (&me, "tools/git", 403),
        // Whether or not it exists.
        (&me, "nothing", 403),
        (&me, "team/nothing", 200),
        (&snake, "team/app", 403),
        (&bearer, "team/app", 200),
        (&bearer, "tools/curl", 403),
        (&token, "team/app", 200),
        (&token, "tools/curl", 403),
        (&"Bearer other".to_owned(), "team/app", 401),
        (&basic("token", "other"), "team/app", 401),
        (&basic("me", "secret-token"), "team/app", 401),
    ] {
        let answer = with(&served, key, &format!("/v2/{name}/manifests/latest"));
        assert_eq!(answer.status, status, "{key} {name}");
        match status {
            403 => assert_eq!(answer.code(), "DENIED"),
            401 => assert_eq!(answer.header("www-authenticate"), "Basic realm=\"oci-layout\""),
            _ => {}
        }
        assert_eq!(with(&served, key, "/v2/").status, if status == 401 { 401 } else { 200 });
    }
    let answer = get(&served.address, "/v2/team/app/manifests/latest", &[]);
    assert_eq!(answer.status, 401);
}

/// Every endpoint of a foreign name is closed, also for a blob that an own name has too.
#[test]
fn foreign_names_are_closed() {
    let (_dir, served) = fixture();
    let key = basic("me", "U*U");
    let manifest = with(&served, &key, "/v2/team/app/manifests/latest").json();
    let layer: Digest = manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    assert_eq!(with(&served, &key, &format!("/v2/team/app/blobs/{layer}")).status, 200);
    for target in [
        format!("blobs/{layer}"),
        format!("manifests/{layer}"),
        "manifests/latest".to_owned(),
        "tags/list".to_owned(),
        format!("referrers/{layer}"),
    ] {
        for name in ["teams", "named/team", "tools"] {
            let target = format!("/v2/{name}/{target}");
            assert_eq!(with(&served, &key, &target).status, 403, "{target}");
            let head = ask(&served.address, "HEAD", &target, &[("Authorization", &key)]);
            assert_eq!(head.status, 403, "{target}");
        }
    }
}

#[test]
fn the_catalog_has_only_own_names() {
    let (_dir, served) = fixture();
    for (key, names) in [
        (basic("me", "U*U"), json!(["team/app", "tools/curl"])),
        (basic("snake", "python"), json!([])),
        ("Bearer secret-token".to_owned(), json!(["team/app"])),
    ] {
        assert_eq!(with(&served, &key, "/v2/_catalog").json()["repositories"], names, "{key}");
    }
}

#[test]
fn a_changed_file_is_read_again() {
    let (dir, served) = fixture();
    let key = basic("me", "U*U");
    let status = || with(&served, &key, "/v2/tools/git/manifests/latest").status;
    assert_eq!(status(), 403);
    fs::write(dir.path().join("access"), "user me *\n").unwrap();
    assert_eq!(status(), 200);
    fs::write(dir.path().join("access"), "user me\n").unwrap();
    assert_eq!(status(), 200);
    let events = served.events("line 1: name what may be pulled");
    assert_eq!(events.len(), 1, "{events:?}");
    fs::write(dir.path().join("access"), "").unwrap();
    assert_eq!(status(), 403);
}

#[test]
fn tokens_need_no_users() {
    let dir = TempDir::new().unwrap();
    let access = dir.path().join("access");
    fs::write(&access, ACCESS).unwrap();
    let images = [("team/app", vec![image("a", "linux/amd64").tagged("latest")])];
    let served = Served::with(images, |endpoint| endpoint.access(&access).unwrap());
    let target = "/v2/team/app/manifests/latest";
    assert_eq!(with(&served, "Bearer secret-token", target).status, 200);
    assert_eq!(with(&served, &basic("me", "U*U"), target).status, 401);
    fs::write(&access, "user me\n").unwrap();
    let none: [(&str, Vec<oci_layout::Image>); 0] = [];
    assert!(Endpoint::new(none).unwrap().access(&access).is_err());
}
