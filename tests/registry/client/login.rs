//! Logins for reading.

use std::{fs, path::Path};

use oci_layout::{
    Blob, Image,
    registry::{Client, Credentials},
};

use crate::common;
use crate::registry::client::{assert_sound, client, fake::Registry, image, pull};

/// `me:secret` in base64.
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn me() -> Client {
    client()
        .credentials(Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() })
}

fn registry() -> Registry {
    Registry::with(&Image::from(image("linux/amd64")))
}

#[test]
fn a_password_is_accepted() {
    let registry = registry();
    registry.lock(BASIC, "Basic realm=\"x\"");
    let dir = tempfile::tempdir().unwrap();
    pull(&me(), &registry.reference(":v1"), None, dir.path()).unwrap();
    assert_sound(dir.path());
    for client in [
        client(),
        client()
            .credentials(Credentials::Password { user: "me".into(), password: "sesame".into() }),
    ] {
        let said = common::message(client.image(&registry.reference(":v1"), None));
        let address = &registry.address;
        assert!(said.contains("access to tag v1 is denied ") && !said.contains("sesame"), "{said}");
        assert!(
            said.contains(&format!("`docker login {address}` or `podman login {address}`")),
            "{said}"
        );
    }
}

#[test]
fn a_token_is_requested_and_accepted() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", br#"{"token":"abc"}"#);
    registry.lock(
        "Bearer abc",
        &format!("Bearer realm=\"http://{}/token\",service=\"images\"", guard.address),
    );
    for (client, told) in [(client(), None), (me(), Some(BASIC.to_owned()))] {
        let dir = tempfile::tempdir().unwrap();
        pull(&client, &registry.reference(":v1"), None, dir.path()).unwrap();
        assert_sound(dir.path());
        let asked = guard.requests("/token").pop().unwrap();
        assert_eq!(asked.headers.get("authorization").cloned(), told);
        assert!(asked.path.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", asked.path);
    }
    // Only the token service gets the password.
    assert!(
        registry
            .requests("")
            .iter()
            .all(|request| !request.headers.values().any(|value| value == BASIC))
    );
}

#[test]
fn a_login_is_checked_before_it_is_stored() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", br#"{"token":"abc"}"#);
    let check = |password| client().check_login(&registry.address, "me", password);
    assert!(!check("secret").unwrap(), "a registry without a lock asks for nothing");
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    assert!(check("secret").unwrap());
    let asked = guard.requests("/token").pop().unwrap();
    assert_eq!(asked.headers["authorization"], BASIC);
    guard.say("/token", 9, 401, "UNAUTHORIZED");
    let refused = "the registry does not accept this user name and password";
    let said = common::message(check("sesame"));
    assert!(said.starts_with(&format!("{}: {refused}", registry.address)), "{said}");
    registry.lock(BASIC, "Basic realm=\"x\"");
    assert!(check("secret").unwrap());
    let said = common::message(check("sesame"));
    assert!(said.contains(refused) && !said.contains("sesame"), "{said}");
    let said = common::message(client().check_login("127.0.0.1:1", "me", "secret"));
    assert!(said.starts_with("127.0.0.1:1: cannot connect to 127.0.0.1:1"), "{said}");
    for name in ["me", "a.b/c", ""] {
        let said = common::message(client().check_login(name, "me", "secret"));
        assert!(said.contains("expected HOST[:PORT]"), "{name}: {said}");
    }
}

/// Every program has its own key for a registry.
#[test]
fn a_login_replaces_all_that_the_file_has_for_a_registry() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/auth.json");
    let read = || serde_json::from_slice::<serde_json::Value>(&fs::read(&file).unwrap()).unwrap();
    assert!(!Credentials::has(&file, "docker.io").unwrap());
    Credentials::store(&file, "docker.io", "me", "secret").unwrap();
    let auth = serde_json::json!({ "auth": "bWU6c2VjcmV0" });
    let key = "https://index.docker.io/v1/";
    assert_eq!(read(), serde_json::json!({ "auths": { (key): auth } }));
    let before = serde_json::json!({
        "auths": { "docker.io": {}, "https://docker.io/v2/": {}, "docker.io/me": { "auth": "x" } },
        "credHelpers": { "docker.io": "" }, "x": null,
    });
    fs::write(&file, before.to_string()).unwrap();
    Credentials::store(&file, "docker.io", "me", "secret").unwrap();
    let now = read();
    assert_eq!(now["auths"], serde_json::json!({ (key): auth, "docker.io/me": { "auth": "x" } }));
    assert_eq!([&now["credHelpers"], &now["x"]], [&before["credHelpers"], &before["x"]]);
    assert!(Credentials::has(&file, "docker.io").unwrap());
    assert!(Credentials::forget(&file, "docker.io").unwrap());
    assert!(!Credentials::forget(&file, "docker.io").unwrap());
    // A file that is a link stays one.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    Credentials::store(&link, "a.b", "me", "secret").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && read()["auths"]["a.b"] == auth);
    // Nothing else is written.
    assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1);

    for (json, part) in [
        (r#"{"credsStore":"none"}"#, "docker-credential-none is not on PATH"),
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
    ] {
        fs::write(&file, json).unwrap();
        let said = common::message(Credentials::store(&file, "a.b", "me", "secret"));
        assert!(said.contains(part) && !said.contains("secret"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), json);
    }
    let said = common::message(Credentials::store(&file, "a.b", "m:e", "secret"));
    assert!(said.contains("must not contain a colon"), "{said}");
}

#[test]
fn a_response_without_a_token_is_an_error() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", b"no token");
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    let said = common::message(me().image(&registry.reference(":v1"), None));
    assert!(said.contains("returned neither `token` nor `access_token`"), "{said}");
    guard.say("/token", 9, 401, "UNAUTHORIZED");
    let said = common::message(me().image(&registry.reference(":v1"), None));
    assert!(said.contains("for the current login") && !said.contains("secret"), "{said}");
}

/// A redirect to another host does not get the password.
#[test]
fn a_password_stays_with_its_registry() {
    let (registry, elsewhere) = (registry(), Registry::start());
    registry.lock(BASIC, "Basic realm=\"x\"");
    let layer = image("linux/amd64").layers()[0].clone();
    elsewhere.serve("/elsewhere", &common::bytes(&layer));
    let location = ("Location".to_owned(), format!("http://{}/elsewhere", elsewhere.address));
    registry.fault(
        layer.descriptor().digest,
        9,
        crate::registry::client::fake::Then::Say(307, vec![location], String::new()),
    );
    let dir = tempfile::tempdir().unwrap();
    pull(&me(), &registry.reference(":v1"), None, dir.path()).unwrap();
    let asked = elsewhere.requests("/elsewhere").pop().unwrap();
    assert_eq!(asked.headers.get("authorization"), None);
}

#[test]
fn files_of_docker_and_podman_are_read() {
    let registry = registry();
    registry.lock(BASIC, "Basic realm=\"x\"");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth.json");
    let auths = format!(r#"{{"auths": {{"{}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#, registry.address);
    fs::write(&file, auths).unwrap();
    let with = |files: &[&Path]| {
        client().credentials(Credentials::Files(files.iter().map(Into::into).collect()))
    };
    with(&[Path::new("/nowhere"), &file]).image(&registry.reference(":v1"), None).unwrap();
    with(&[Path::new("/nowhere")]).image(&registry.reference(":v1"), None).unwrap_err();
}

/// Forms that crane, skopeo or both understand.
#[test]
fn challenges_in_every_form() {
    for challenge in [
        "Basic realm=\"Regístre\"",
        "Basic\trealm=\"x\"",
        "Basic realm=Sonatype Nexus Repository Manager",
        "Basic realm=",
        "Basic",
        "basic",
        "Negotiate oYG3, Basic realm=\"x\"",
        "Negotiate, NTLM, Basic realm=\"x\"",
        "Basic realm=\"x\", Negotiate",
        "Basic realm=\"x\",",
        // crane sends a password, whatever the challenge is.
        "Negotiate",
        "???",
        "Digest realm=\"x\", nonce=\"y\"",
        // If no token service is named, a password may suffice.
        "Bearer service=\"x\", Basic realm=\"x\"",
    ] {
        let registry = registry();
        registry.lock(BASIC, challenge);
        let pulled = me().image(&registry.reference(":v1"), None);
        pulled.unwrap_or_else(|error| panic!("{challenge}: {error}"));
    }
    for challenge in [
        "Bearer  realm=\"ADDRESS\",service=\"x\"",
        "Bearer realm=\"ADDRESS\";service=\"x\"",
        "Bearer realm=\"ADDRESS\" service=\"x\"",
        "Bearer realm = \"ADDRESS\" , service = \"x\"",
        "Bearer realm=ADDRESS,service=x",
        "BEARER REALM=\"ADDRESS\",SERVICE=\"x\",",
        "Bearer\trealm='ADDRESS',service='x'",
        "Basic realm=\"x\", Bearer realm=\"ADDRESS\",service=\"x\"",
        "Negotiate, Bearer realm=\"ADDRESS\",service=\"x\",scope=\"repository:a/b:pull\"",
        "Bearer service=\"x\",error=\"invalid_token\",realm=\"ADDRESS\"",
    ] {
        let (registry, guard) = (registry(), Registry::start());
        guard.serve("/token", br#"{"token":"abc","expires_in":"300"}"#);
        registry.lock(
            "Bearer abc",
            &challenge.replace("ADDRESS", &format!("http://{}/token", guard.address)),
        );
        for client in [client(), me()] {
            let pulled = client.image(&registry.reference(":v1"), None);
            pulled.unwrap_or_else(|error| panic!("{challenge}: {error}"));
        }
        let asked = guard.requests("/token").pop().unwrap().path;
        assert_eq!(asked, "/token?scope=repository%3Aa%2Fb%3Apull&service=x", "{challenge}");
    }
}

#[test]
fn an_unsupported_challenge_is_an_error() {
    for (challenge, how) in [
        ("Negotiate", "accepts only Negotiate, which is not supported"),
        ("Negotiate oYG3, NTLM", "accepts only Negotiate, NTLM, which is not supported"),
        ("???", "its WWW-Authenticate header is malformed"),
    ] {
        let registry = registry();
        registry.lock("something", challenge);
        for client in [client(), me()] {
            let said = common::message(client.image(&registry.reference(":v1"), None));
            assert!(
                said.contains("requires a login for tag v1, but ") && said.contains(how),
                "{challenge}: {said}"
            );
            assert!(!said.contains("log in"), "{said}");
        }
    }
    let registry = registry();
    registry.fault(
        "/v2/",
        99,
        crate::registry::client::fake::Then::Say(401, Vec::new(), String::new()),
    );
    let said = common::message(client().image(&registry.reference(":v1"), None));
    assert!(said.contains("sends no WWW-Authenticate header"), "{said}");
    // The address of the token service is wrong.
    for (challenge, why) in [
        ("Bearer", "the challenge has no realm"),
        ("Bearer realm=\"\"", "the challenge has no realm"),
        ("Bearer realm=\"http://\"", "empty host"),
        ("Bearer realm=\"ftp://a.b/\"", "expected http:// or https://"),
    ] {
        let registry = self::registry();
        registry.lock("something", challenge);
        let said = common::message(client().image(&registry.reference(":v1"), None));
        assert!(
            said.contains("the address of its token service is invalid") && said.contains(why),
            "{challenge}: {said}"
        );
    }
}

/// The realm may be a path of the registry itself.
#[test]
fn tokens_of_the_registry_itself() {
    let registry = registry();
    registry.serve("/token", br#"{"token":"","access_token":"abc"}"#);
    registry.lock("Bearer abc", "Bearer realm=\"/token\"");
    client().image(&registry.reference(":v1"), None).unwrap();
}

/// A token service may return a new identity token with each response, and refuse the old one
/// afterwards.
#[test]
fn an_identity_token_that_is_replaced() {
    let (registry, guard) = (registry(), Registry::start());
    for (times, old, new) in [(1, "first", "second"), (1, "second", "third")] {
        let _ = old;
        let answer = format!(r#"{{"access_token":"{new}","refresh_token":"{new}"}}"#);
        guard.fault(
            "POST /token",
            times,
            crate::registry::client::fake::Then::Say(200, Vec::new(), answer),
        );
    }
    registry.lock("Bearer third", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    fs::write(
        &file,
        format!(r#"{{"auths": {{"{}": {{"identitytoken": "first"}}}}}}"#, registry.address),
    )
    .unwrap();
    // The first token is refused, and a second one is requested.
    client()
        .credentials(Credentials::Files(vec![file]))
        .image(&registry.reference(":v1"), None)
        .unwrap();
    let sent: Vec<_> =
        guard.requests("POST /token").into_iter().map(|request| request.body).collect();
    let sent: Vec<_> = sent.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(
        sent[0].contains("refresh_token=first") && sent[1].contains("refresh_token=second"),
        "{sent:?}"
    );
}

/// Some services exchange no identity tokens, and accept a password.
#[test]
fn an_identity_token_that_cannot_be_exchanged() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", br#"{"token":"abc"}"#);
    guard.fault(
        "POST /token",
        9,
        crate::registry::client::fake::Then::Say(404, Vec::new(), String::new()),
    );
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let entry = r#"{"auth": "bWU6c2VjcmV0", "identitytoken": "it"}"#;
    fs::write(&file, format!(r#"{{"auths": {{"{}": {entry}}}}}"#, registry.address)).unwrap();
    client()
        .credentials(Credentials::Files(vec![file]))
        .image(&registry.reference(":v1"), None)
        .unwrap();
    assert_eq!(guard.requests("GET /token").pop().unwrap().headers["authorization"], BASIC);
}

/// A token for the registry itself is never exchanged.
#[test]
fn a_registry_token_is_sent_as_it_is() {
    let registry = registry();
    registry.lock("Bearer abc", "Bearer realm=\"http://127.0.0.1:1/token\"");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    for (token, is_let_in) in [("abc", true), ("abd", false)] {
        fs::write(
            &file,
            format!(r#"{{"auths": {{"{}": {{"registrytoken": "{token}"}}}}}}"#, registry.address),
        )
        .unwrap();
        let client = client().credentials(Credentials::Files(vec![file.clone()]));
        let pulled = client.image(&registry.reference(":v1"), None);
        assert_eq!(pulled.is_ok(), is_let_in, "{token}");
    }
}
