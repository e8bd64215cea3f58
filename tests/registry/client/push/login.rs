//! Logins for writing.

use std::{fs, process::Command};

use oci_layout::{
    Image,
    registry::{Client, Credentials},
};

use super::{assert_has, client, counted};
use crate::common;
use crate::registry::client::{
    fake::{Registry, Then},
    image,
};

/// `me:secret` in base64.
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn me() -> Client {
    client()
        .credentials(Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() })
}

#[test]
fn a_password_is_accepted() {
    let (registry, image) = (Registry::start(), Image::from(image("linux/amd64")));
    registry.lock(BASIC, "Basic realm=\"x\"");
    let references = [registry.reference(":v1")];
    me().push(&image, &references).unwrap();
    assert_has(&registry, "a/b", "v1", &image);

    let registry = Registry::start();
    registry.lock(BASIC, "Basic realm=\"x\"");
    let references = [registry.reference(":v1")];
    let (name, login) = (
        registry.reference(""),
        format!(
            "`oci-layout login {0}`, `docker login {0}` or `podman login {0}`",
            registry.address
        ),
    );
    let said = common::message(client().push(&image, &references));
    let expected = format!(
        "{name}: pushing to a/b requires a login, and no credentials for {} were found: log in \
         with {login}, or correct the name",
        registry.address
    );
    assert_eq!(said, expected);
    let other = Credentials::Password { user: "me".into(), password: "sesame".into() };
    let said = common::message(client().credentials(other).push(&image, &references));
    let expected = format!(
        "{name}: pushing to a/b is denied for the current login: correct the name, or log in as \
         another user with {login}"
    );
    assert_eq!(said, expected);
}

/// A token service may refuse a whole request for one scope in it, so required scopes and scopes
/// that only save bytes are requested separately.
#[test]
fn tokens_have_only_the_required_scopes() {
    let (registry, guard) = (Registry::start(), Registry::start());
    guard.serve("/token", br#"{"token":"abc"}"#);
    registry.lock(
        "Bearer abc",
        &format!("Bearer realm=\"http://{}/token\",service=\"images\"", guard.address),
    );
    let (image, _) = counted(&["one", "two"], serde_json::Value::Null);
    let client = me().mount_from("base/image");
    client.push(&image, &[registry.reference(":v1")]).unwrap();
    assert_has(&registry, "a/b", "v1", &image);
    let asked = guard.requests("/token");
    let scopes = |request: &crate::registry::client::fake::Request| {
        request.path.split_once('?').unwrap().1.to_owned()
    };
    let own = "scope=repository%3Aa%2Fb%3Apull%2Cpush&service=images";
    let both = format!("scope=repository%3Abase%2Fimage%3Apull&{own}");
    assert_eq!(asked.iter().map(scopes).collect::<Vec<_>>(), [own, &both], "one token for each");
    assert!(
        registry
            .requests("")
            .iter()
            .all(|request| !request.headers.values().any(|value| value == BASIC))
    );
}

/// Without the permission to read there, or with a token for one scope only, the bytes are sent.
#[test]
fn a_refused_mount_scope_falls_back_to_an_upload() {
    for (at, then) in [
        (
            "base",
            Then::Say(
                403,
                Vec::new(),
                r#"{"errors":[{"code":"DENIED","message":"no"}]}"#.to_owned(),
            ),
        ),
        ("base", Then::Say(401, Vec::new(), r#"{"details":"no"}"#.to_owned())),
        ("base", Then::Say(404, Vec::new(), String::new())),
        ("base", Then::Say(200, Vec::new(), "{}".to_owned())),
        // A token that only permits pulling from the base repository.
        ("base", Then::Say(200, Vec::new(), r#"{"token":"other"}"#.to_owned())),
        ("base", Then::Say(500, Vec::new(), String::new())),
    ] {
        let (registry, guard) = (Registry::start(), Registry::start());
        guard.serve("/token", br#"{"token":"abc"}"#);
        guard.fault(at, 99, then);
        registry.lock(
            "Bearer abc",
            &format!("Bearer realm=\"http://{}/token\",service=\"images\"", guard.address),
        );
        let base = format!("{}/base/image:1", registry.address);
        let annotations =
            serde_json::json!({ "annotations": { "org.opencontainers.image.base.name": base } });
        let (image, _) = counted(&["one", "two", "three"], annotations);
        for client in [client(), me(), me().mount_from("base/other")] {
            client.push(&image, &[registry.reference(":v1")]).unwrap();
            assert_has(&registry, "a/b", "v1", &image);
            registry.forget("/v2/a/b/");
        }
    }
}

/// Tokens are valid for minutes, and sending a layer may take longer.
#[test]
fn a_token_that_ends_is_replaced() {
    let (registry, guard) = (Registry::start(), Registry::start());
    guard.serve("/token", br#"{"access_token":"abc"}"#);
    let challenge = format!("Bearer realm=\"http://{}/token\"", guard.address);
    registry.lock("Bearer abc", &challenge);
    let image = Image::from(image("linux/amd64"));
    let expired = Then::Say(401, vec![("WWW-Authenticate".to_owned(), challenge)], String::new());
    registry.fault("PUT /v2/a/b/blobs/uploads/upload-1", 1, expired.clone());
    registry.fault("PUT /v2/a/b/manifests", 1, expired);
    me().push(&image, &[registry.reference(":v1")]).unwrap();
    assert_has(&registry, "a/b", "v1", &image);
    assert_eq!(guard.requests("/token").len(), 3);
}

#[test]
fn an_identity_token_is_exchanged() {
    let (registry, guard) = (Registry::start(), Registry::start());
    guard.fault(
        "POST /token",
        9,
        Then::Say(200, Vec::new(), r#"{"access_token":"abc"}"#.to_owned()),
    );
    registry.lock(
        "Bearer abc",
        &format!("Bearer realm=\"http://{}/token\",service=\"images\"", guard.address),
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    fs::write(
        &file,
        format!(r#"{{"auths": {{"{}": {{"identitytoken": "it"}}}}}}"#, registry.address),
    )
    .unwrap();
    let (image, _) = counted(&["one"], serde_json::Value::Null);
    client()
        .credentials(Credentials::Files(vec![file]))
        .push(&image, &[registry.reference(":v1")])
        .unwrap();
    assert_has(&registry, "a/b", "v1", &image);
    let asked = String::from_utf8(guard.requests("POST /token").pop().unwrap().body).unwrap();
    for part in [
        "grant_type=refresh_token",
        "refresh_token=it",
        "service=images",
        "scope=repository%3Aa%2Fb%3Apull",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
}

/// Bytes may be sent to another host, which gets nothing else.
#[test]
fn a_password_stays_with_its_registry() {
    let (registry, elsewhere) = (Registry::start(), Registry::start());
    registry.lock(BASIC, "Basic realm=\"x\"");
    let place =
        (format!("http://{}/store/", elsewhere.address), "?signature=secret&a=b".to_owned());
    registry.uploads(|uploads| uploads.place = Some(place));
    elsewhere.lock("Basic other", "Basic realm=\"x\"");
    let (image, _) = counted(&["one"], serde_json::Value::Null);
    let took = Then::Say(201, Vec::new(), String::new());
    elsewhere.fault("PUT /store/", 2, took);
    let said = common::message(me().push(&image, &[registry.reference(":v1")]));
    // The other host has them now, and this fake does not look there.
    assert!(said.contains("the registry does not have a blob that tag v1 refers to"), "{said}");
    let asked = elsewhere.requests("");
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert!(!request.headers.contains_key("authorization"));
        assert!(
            request.path.contains("?signature=secret&a=b&digest=sha256%3A"),
            "{}",
            request.path
        );
        assert!(image.blobs().iter().any(|blob| common::bytes(blob) == request.body));
    }
}

/// Proxies are for remote hosts. A proxy for requests to this machine would let others read them.
#[test]
fn requests_to_this_machine_bypass_proxies() {
    let (registry, proxy, dir) =
        (Registry::start(), Registry::start(), tempfile::tempdir().unwrap());
    let (image, _) = counted(&["one"], serde_json::Value::Null);
    oci_layout::image_layout(
        dir.path(),
        [image.tagged("v1")],
        oci_layout::LayoutOptions::default(),
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command.arg("push").arg(dir.path()).arg(registry.reference(":v1").to_string());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        command.env(name, format!("http://{}", proxy.address));
    }
    let output = command.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(proxy.asked(), [""; 0]);
}

/// Credential helpers in common forms, each a script on PATH, and the result at a registry that
/// accepts `me`.
#[test]
fn helpers_of_every_kind() {
    let (image, _) = counted(&["one"], serde_json::Value::Null);
    let layout = tempfile::tempdir().unwrap();
    oci_layout::image_layout(
        layout.path(),
        [image.tagged("v1")],
        oci_layout::LayoutOptions::default(),
    )
    .unwrap();
    let me =
        r#"cat >/dev/null; echo; echo '{"ServerURL":"x","Username":"me","Secret":"secret"}'; echo"#;
    let nobody = r#"cat >/dev/null; echo '{"ServerURL":"x","Username":"","Secret":""}'"#;
    let entry = r#""auths": {"HOST": {"auth": "bWU6c2VjcmV0"}}"#;
    for (script, config, is_let_in, note) in [
        (me, r#"{"credsStore": "it"}"#, true, ""),
        (me, r#"{"credHelpers": {"HOST": "it"}, "credsStore": "other"}"#, true, ""),
        (
            r#"exec <&-; echo '{"username":"me","secret":"secret"}'"#,
            r#"{"credsStore": "it"}"#,
            true,
            "",
        ),
        (nobody, r#"{"credsStore": "it"}"#, false, ""),
        (nobody, r#"{"credsStore": "it", ENTRY}"#, true, ""),
        ("exit 0", r#"{"credsStore": "it"}"#, false, ""),
        ("echo null", r#"{"credsStore": "it", ENTRY}"#, true, ""),
        (
            "echo 'credentials not found in native keychain'; exit 1",
            r#"{"credsStore": "it"}"#,
            false,
            "",
        ),
        (
            "echo 'No stored credential for this server' >&2; exit 1",
            r#"{"credsStore": "it", ENTRY}"#,
            true,
            "",
        ),
        (
            "echo 'pass not initialized: secret'; exit 1",
            r#"{"credsStore": "it"}"#,
            false,
            "the credential helper docker-credential-it failed: run `docker-credential-it get` to \
             see why",
        ),
        ("exit 1", r#"{"credsStore": "it", ENTRY}"#, true, ""),
        (
            "echo secret",
            r#"{"credsStore": "it"}"#,
            false,
            "the credential helper docker-credential-it returned an invalid response",
        ),
        (
            "exit 0",
            r#"{"credsStore": "other"}"#,
            false,
            "the credential helper docker-credential-other is not on PATH",
        ),
        ("exit 0", r#"{"credHelpers": {"HOST": "other"}, ENTRY}"#, true, ""),
        (me, r#"{"credsStore": "", "credHelpers": {"HOST": ""}}"#, false, ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let helper = dir.path().join("docker-credential-it");
        fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let push = |is_locked: bool| {
            let registry = Registry::start();
            if is_locked {
                registry.lock(BASIC, "Basic realm=\"x\"");
            }
            let config = config.replace("ENTRY", entry).replace("HOST", &registry.address);
            fs::write(dir.path().join("config.json"), config).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
            command
                .arg("push")
                .arg(layout.path())
                .arg(registry.reference(":v1").to_string())
                .env_clear();
            command
                .env("DOCKER_CONFIG", dir.path())
                .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
            command.output().unwrap()
        };
        // A registry without a login ignores it.
        let open = push(false);
        assert!(open.status.success(), "{script}, {config}: {open:?}");
        let output = push(true);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_let_in, "{script}, {config}: {said}");
        assert!(said.contains(note) && !said.contains("secret"), "{script}, {config}: {said}");
        assert!(
            is_let_in || said.contains("requires a login, and no credentials for "),
            "{script}, {config}: {said}"
        );
    }
}
