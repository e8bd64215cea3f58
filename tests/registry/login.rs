//! Who may read what.

use std::{fs, path::Path};

use oci_layout::{
    Blob, Image,
    registry::{Client, Credentials},
};

use crate::{assert_sound, client, common, fake::Registry, image, pull};

/// `me:secret` in base64.
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn me() -> Client {
    client().credentials(Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() })
}

fn registry() -> Registry {
    Registry::with(&Image::from(image("linux/amd64")))
}

#[test]
fn a_password_opens() {
    let registry = registry();
    registry.lock(BASIC, "Basic realm=\"x\"");
    let dir = tempfile::tempdir().unwrap();
    pull(&me(), &registry.reference(":v1"), None, dir.path()).unwrap();
    assert_sound(dir.path());
    for client in
        [client(), client().credentials(Credentials::Password { user: "me".into(), password: "sesame".into() })]
    {
        let said = common::message(client.image(&registry.reference(":v1"), None));
        let address = &registry.address;
        assert!(said.contains("the registry does not give tag v1 to ") && !said.contains("sesame"), "{said}");
        assert!(said.contains(&format!("`docker login {address}` or `podman login {address}`")), "{said}");
    }
}

#[test]
fn a_token_opens() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", br#"{"token":"abc"}"#);
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\",service=\"images\"", guard.address));
    for (client, told) in [(client(), None), (me(), Some(BASIC.to_owned()))] {
        let dir = tempfile::tempdir().unwrap();
        pull(&client, &registry.reference(":v1"), None, dir.path()).unwrap();
        assert_sound(dir.path());
        let asked = guard.requests("/token").pop().unwrap();
        assert_eq!(asked.headers.get("authorization").cloned(), told);
        assert!(asked.path.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", asked.path);
    }
    // The password is for the guard alone.
    assert!(registry.requests("").iter().all(|request| !request.headers.values().any(|value| value == BASIC)));
}

#[test]
fn no_token_is_told_of() {
    let (registry, guard) = (registry(), Registry::start());
    guard.serve("/token", b"no token");
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    let said = common::message(me().image(&registry.reference(":v1"), None));
    assert!(said.contains("no token that can be read"), "{said}");
    guard.say("/token", 9, 401, "UNAUTHORIZED");
    let said = common::message(me().image(&registry.reference(":v1"), None));
    assert!(said.contains("to who you are logged in as") && !said.contains("secret"), "{said}");
}

/// A redirect to another host takes no password there.
#[test]
fn a_password_stays_with_its_registry() {
    let (registry, elsewhere) = (registry(), Registry::start());
    registry.lock(BASIC, "Basic realm=\"x\"");
    let layer = image("linux/amd64").layers()[0].clone();
    elsewhere.serve("/elsewhere", &common::bytes(&layer));
    let location = ("Location".to_owned(), format!("http://{}/elsewhere", elsewhere.address));
    registry.fault(layer.descriptor().digest, 9, crate::fake::Then::Say(307, vec![location], String::new()));
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
    let with = |files: &[&Path]| client().credentials(Credentials::Files(files.iter().map(Into::into).collect()));
    with(&[Path::new("/nowhere"), &file]).image(&registry.reference(":v1"), None).unwrap();
    with(&[Path::new("/nowhere")]).image(&registry.reference(":v1"), None).unwrap_err();
}
