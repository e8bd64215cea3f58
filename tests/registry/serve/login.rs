//! Users and passwords, with hashes of other programs.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_layout::registry::Endpoint;
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{Answer, ask, get},
    image,
};

/// From crypt_blowfish's own tests, `htpasswd -B` of Apache, and bcrypt of Python.
const USERS: &str = "# users\n\
                     me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\n\
                     you:$2y$04$AHrho/vbBPwuFsCSXBCPFONJ/tTVD79mYWMKzNFW.Lahi6FC1jwt.\n\
                     snake:$2b$04$qeZgTM7uOhbUKstD8NM1m.mEbic94Maz9IXiK604.jTN7QGNQ4./y\n";

/// MD5, as `htpasswd` without -B writes it.
const NOT_BCRYPT: &str = "me:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00\n";

fn fixture() -> (TempDir, Served) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("users"), USERS).unwrap();
    let image = image("text", "linux/amd64");
    let file = dir.path().join("users");
    let served = Served::with([("a", vec![image.tagged("latest")])], |endpoint| {
        endpoint.htpasswd(file).unwrap()
    });
    (dir, served)
}

fn as_user(served: &Served, user: &str, password: &str) -> Answer {
    let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    get(&served.address, "/v2/a/manifests/latest", &[("Authorization", &value)])
}

#[test]
fn only_users_with_the_right_password_are_accepted() {
    let (_dir, served) = fixture();
    for (user, password) in
        [("me", "U*U"), ("you", "päss:wörd"), ("snake", "python"), ("me", "U*U")]
    {
        assert_eq!(as_user(&served, user, password).status, 200, "{user}");
    }
    for (user, password) in [
        ("me", "U*V"),
        ("me", ""),
        ("", ""),
        ("", "U*U"),
        ("Me", "U*U"),
        ("you", "U*U"),
        ("nobody", "U*U"),
        ("me", "U*U\0"),
        ("# users", "U*U"),
        // The hash is not a password.
        ("me", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ] {
        let answer = as_user(&served, user, password);
        assert_eq!((answer.status, &*answer.code()), (401, "UNAUTHORIZED"), "{user} {password}");
    }
}

/// RFC 7235, section 3.1: a response with 401 says how to log in. No request is answered without a
/// login.
#[test]
fn every_path_requires_a_login() {
    let (_dir, served) = fixture();
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        for target in [
            "/v2/",
            "/v2",
            "/v2/_catalog",
            "/v2/a/manifests/latest",
            "/v2/nothing/tags/list",
            "/",
            "/x",
        ] {
            for headers in
                [&[][..], &[("Authorization", "Bearer x")], &[("Authorization", "Basic x")]]
            {
                let answer = ask(&served.address, method, target, headers);
                assert_eq!(answer.status, 401, "{method} {target} {headers:?}");
                assert_eq!(answer.header("www-authenticate"), "Basic realm=\"oci-layout\"");
            }
        }
    }
    // The host is checked first: a browser that a hostile page leads here is not asked for a
    // password.
    let answer = ask(&served.address, "GET", "http://evil.example/v2/", &[]);
    assert_eq!(answer.status, 421);
}

#[test]
fn the_file_is_read_again() {
    let (dir, served) = fixture();
    let file = dir.path().join("users");
    let replace = |text: &str| {
        fs::write(dir.path().join("new"), text).unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
    };
    assert_eq!(as_user(&served, "snake", "python").status, 200);
    // A user who was removed from the file is refused, although the password was right a moment
    // ago.
    replace(USERS.split("snake").next().unwrap());
    assert_eq!(
        (as_user(&served, "snake", "python").status, as_user(&served, "me", "U*U").status),
        (401, 200)
    );
    // An invalid file changes nothing, and is reported once.
    for broken in [NOT_BCRYPT, "me\n", "me:$2a$05$short\n"] {
        replace(broken);
        assert_eq!(
            (as_user(&served, "me", "U*U").status, as_user(&served, "me", "U*U").status),
            (200, 200)
        );
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(as_user(&served, "me", "U*U").status, 200);
    assert_eq!(served.events("using the previous contents").len(), 4);
    fs::write(&file, USERS).unwrap();
    assert_eq!(as_user(&served, "snake", "python").status, 200);
    // Without users, every request is refused.
    replace("");
    assert_eq!(
        (as_user(&served, "me", "U*U").status, as_user(&served, "nobody", "x").status),
        (401, 401)
    );
}

#[test]
fn mistakes_in_the_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("users");
    let error = || {
        let endpoint = Endpoint::new([("a", vec![image("text", "linux/amd64")])]).unwrap();
        endpoint.htpasswd(&file).unwrap_err().to_string()
    };
    assert!(error().contains("users"));
    let line = USERS.lines().nth(1).unwrap();
    for (text, expected) in [
        (
            NOT_BCRYPT.to_owned(),
            "line 1: the password is not hashed with bcrypt: create the line with `htpasswd -B`",
        ),
        (format!("{line}\nme"), "line 2: expected USER:HASH"),
        (format!("{line}\n{line}"), "line 2: this user occurs twice"),
        ("# nobody\n".to_owned(), "the file contains no user: add one with `htpasswd -B`"),
    ] {
        fs::write(&file, text).unwrap();
        assert!(error().contains(expected), "{}", error());
    }
}

/// Many simultaneous clients with wrong passwords, beside a known user.
#[test]
fn wrong_passwords_do_not_lock_others_out() {
    let (_dir, served) = fixture();
    assert_eq!(as_user(&served, "me", "U*U").status, 200);
    std::thread::scope(|scope| {
        let wrong: Vec<_> = (0..50)
            .map(|n| {
                scope.spawn({
                    let served = &served;
                    move || as_user(served, "me", &n.to_string()).status
                })
            })
            .collect();
        assert_eq!(as_user(&served, "me", "U*U").status, 200);
        assert!(wrong.into_iter().all(|client| client.join().unwrap() == 401));
    });
}
