//! A registry that sends single bytes slowly, or closes the connection again and again.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use oci_layout::{
    Image, LayoutOptions, image_layout,
    registry::{Client, Credentials, Waiting},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::common;
use crate::registry::client::{
    assert_sound, client,
    fake::{Registry, Then},
    image, pull,
};

/// A client that gives up at 50 bytes per second, averaged over half a second. It tolerates silence
/// for longer, but waits for no registry that works on a manifest.
fn hasty() -> Client {
    let client = client().timeout(Duration::from_millis(600)).patience(Duration::ZERO);
    client.least_rate(1000, Duration::from_millis(500))
}

fn registry() -> Registry {
    Registry::with(&Image::from(image("linux/amd64")))
}

/// The error, which must be returned soon.
#[track_caller]
fn gives_up(registry: &Registry, client: &Client) -> String {
    let (dir, begin) = (tempfile::tempdir().unwrap(), Instant::now());
    let said = common::message(pull(client, &registry.reference(":v1"), None, dir.path()));
    // The whole response would take longer than any test.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    said
}

#[test]
fn a_manifest_sent_too_slowly_is_an_error() {
    let registry = registry();
    registry.fault("GET /v2/a/b/manifests/", 9, Then::Drip(0));
    let said = gives_up(&registry, &hasty());
    let expected = "the registry sends tag v1 at less than 1000 bytes per second over 0.5 \
        seconds: try again later, or pull from another registry";
    assert!(said.ends_with(expected), "{said}");
    assert_eq!(registry.requests("GET /v2/a/b/manifests/").len(), 1);
}

#[test]
fn a_blob_sent_too_slowly_is_an_error() {
    for after in [0, 1, 200_000] {
        let registry = registry();
        let layer = image("linux/amd64").layers()[0].descriptor().digest;
        registry.fault(layer, 9, Then::Drip(after));
        let said = gives_up(&registry, &hasty());
        let expected = format!(
            "the registry sends blob {layer} at less than 1000 bytes per second over 0.5 seconds"
        );
        assert!(said.contains(&expected), "{after}: {said}");
    }
}

/// A refusal, a token, and the responses to a push, sent one byte at a time.
#[test]
fn other_responses_sent_too_slowly_are_errors() {
    let registry = self::registry();
    registry.fault("GET /v2/a/b/manifests/", 9, Then::DripHead);
    assert!(
        gives_up(&registry, &hasty()).contains("but did not answer the request for tag v1 within")
    );

    let (registry, guard) = (self::registry(), Registry::start());
    guard.serve("/token", format!(r#"{{"token":"abc","more":"{}"}}"#, "x".repeat(9999)).as_bytes());
    guard.fault("/token", 1, Then::Drip(0));
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    assert!(gives_up(&registry, &hasty()).contains("at less than 1000 bytes per second"));
    guard.fault("/token", 9, Then::DripHead);
    assert!(gives_up(&registry, &hasty()).contains("did not respond"));

    let (pushed, begin) = (image("linux/amd64"), Instant::now());
    for then in [Then::DripHead, Then::Drip(0)] {
        let registry = Registry::start();
        registry.fault("POST ", 99, then.clone());
        registry.fault("PUT ", 99, then.clone());
        let result = hasty().push(&pushed.clone().into(), &[registry.reference(":v1")]);
        // A response without a body is complete after its head.
        assert_eq!(result.is_err(), matches!(then, Then::DripHead));
    }
    assert!(begin.elapsed() < Duration::from_secs(30));
}

/// A registry whose silence lasts as long as the window of the rate is not retried forever.
#[test]
fn silent_periods_add_up() {
    let registry = registry();
    registry.fault("GET /v2/a/b/manifests/", 99, Then::Hang(0));
    let client = Client::default().retries(9).timeout(Duration::from_millis(100));
    let said = gives_up(&registry, &client.least_rate(1, Duration::from_millis(250)));
    assert!(
        said.contains("the registry did not respond") || said.contains("less than 1 bytes"),
        "{said}"
    );
    assert!(registry.requests("GET /v2/a/b/manifests/").len() <= 3);
}

/// A slow registry is not given up.
#[test]
fn a_slow_registry_gets_time() {
    let registry = registry();
    let layer = image("linux/amd64").layers()[0].descriptor().clone();
    registry.fault(layer.digest, 1, Then::Drip(layer.size as usize - 60));
    let dir = tempfile::tempdir().unwrap();
    let client = client().least_rate(10, Duration::from_millis(500));
    pull(&client, &registry.reference(":v1"), None, dir.path()).unwrap();
    assert_sound(dir.path());
}

/// A single byte, or the whole head of a blob, is not enough progress to retry after the connection
/// was closed.
#[test]
fn a_single_byte_does_not_reset_the_retries() {
    for (has_ranges, after) in [(true, 1), (true, 50_000), (false, 1)] {
        let registry = registry();
        let layer = image("linux/amd64").layers()[0].descriptor().digest;
        registry.fault(layer, 99, Then::Break(after));
        if !has_ranges {
            registry.refuse_ranges();
        }
        let said = gives_up(&registry, &client());
        assert!(said.contains("the registry stopped sending blob"), "{said}");
        assert_eq!(registry.requests(layer).len(), 2, "{after}");
    }
}

/// A large part of a blob is.
#[test]
fn a_mebibyte_resets_the_retries() {
    let options = oci_layout::LayerOptions::from(oci_layout::Compression::None);
    let file = oci_layout::FileMapping::bytes(common::text(4 << 20, 1), "/large");
    let layer = oci_layout::layer_tar([file], options).unwrap();
    let config = oci_layout::image_config([&layer], Value::Null).unwrap();
    let image = Image::from(oci_layout::image_manifest(config, [layer], Value::Null).unwrap());
    let registry = Registry::with(&image);
    let layer =
        image.blobs().iter().max_by_key(|blob| blob.descriptor().size).unwrap().descriptor().digest;
    registry.fault(layer, 3, Then::Break(5 << 18));
    let dir = tempfile::tempdir().unwrap();
    let remote = client().retries(1).image(&registry.reference(":v1"), None).unwrap();
    image_layout(dir.path(), [remote], LayoutOptions::default()).unwrap();
    assert_sound(dir.path());
    assert_eq!(registry.requests(layer).len(), 4);
}

/// A token service that redirects to another host.
#[test]
fn redirects_do_not_get_identity_tokens() {
    let dir = TempDir::new().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let (registry, guard, other) = (self::registry(), Registry::start(), Registry::start());
        other.serve("/token", br#"{"token":"abc"}"#);
        let location = ("Location".to_owned(), format!("http://{}/token", other.address));
        guard.fault("/token", 9, Then::Say(status, vec![location], String::new()));
        registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
        let said = gives_up(&registry, &identified(&registry, &dir));
        assert!(said.contains("it redirects an identity token to another host"), "{said}");
        assert!(other.requests("").is_empty(), "{status}");
    }
    // A redirect to the same host is followed.
    let (registry, guard) = (self::registry(), Registry::start());
    guard.serve("/there", br#"{"token":"abc"}"#);
    let location = ("Location".to_owned(), "/there".to_owned());
    guard.fault("POST /token", 1, Then::Say(307, vec![location], String::new()));
    guard.fault("POST /there", 1, Then::Say(200, Vec::new(), r#"{"token":"abc"}"#.to_owned()));
    registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
    identified(&registry, &dir).image(&registry.reference(":v1"), None).unwrap();
    assert!(
        String::from_utf8_lossy(&guard.requests("POST /there")[0].body)
            .contains("refresh_token=it")
    );
}

/// The same for a password.
#[test]
fn redirects_do_not_get_passwords() {
    for status in [301, 302, 303, 307, 308] {
        let (registry, guard, other) = (self::registry(), Registry::start(), Registry::start());
        other.serve("/token", br#"{"token":"abc"}"#);
        let location = ("Location".to_owned(), format!("http://{}/token", other.address));
        guard.fault("/token", 9, Then::Say(status, vec![location], String::new()));
        registry.lock("Bearer abc", &format!("Bearer realm=\"http://{}/token\"", guard.address));
        let me = Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() };
        let _ = client().credentials(me).image(&registry.reference(":v1"), None);
        assert!(
            guard
                .requests("/token")
                .iter()
                .all(|request| request.headers.contains_key("authorization"))
        );
        let told = other.requests("/token");
        assert!(
            told.iter().all(|request| !request.headers.contains_key("authorization")),
            "{status}: {told:?}"
        );
    }
}

/// The identity token belongs to the token service that received it first, whatever the registry
/// names later.
#[test]
fn an_identity_token_stays_with_its_first_token_service() {
    let dir = TempDir::new().unwrap();
    let (registry, first, second) = (self::registry(), Registry::start(), Registry::start());
    let answer = r#"{"access_token":"old","refresh_token":"new"}"#;
    first.fault("POST /token", 9, Then::Say(200, Vec::new(), answer.to_owned()));
    second.fault(
        "POST /token",
        9,
        Then::Say(200, Vec::new(), r#"{"access_token":"abc"}"#.to_owned()),
    );
    let challenge = |guard: &Registry| {
        let realm = format!("Bearer realm=\"http://{}/token\"", guard.address);
        Then::Say(401, vec![("WWW-Authenticate".to_owned(), realm)], String::new())
    };
    registry.fault("GET /v2/", 1, challenge(&first));
    registry.fault("GET /v2/", 9, challenge(&second));
    let said = gives_up(&registry, &identified(&registry, &dir));
    assert!(said.contains("it names several token services"), "{said}");
    assert_eq!(first.requests("POST /token").len(), 1);
    assert!(second.requests("").is_empty());
}

/// A client with an identity token for this registry, from a file in the folder.
fn identified(registry: &Registry, dir: &TempDir) -> Client {
    let file = dir.path().join("config.json");
    let auths = format!(r#"{{"auths": {{"{}": {{"identitytoken": "it"}}}}}}"#, registry.address);
    std::fs::write(&file, auths).unwrap();
    client().credentials(Credentials::Files(vec![file]))
}

/// A registry that makes the image first: the client waits, and says so.
#[test]
fn a_registry_may_work_on_a_manifest() {
    let registry = registry();
    registry.fault("GET /v2/a/b/manifests/", 1, Then::Work(Duration::from_secs(2)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let waiting = Waiting::new(move |registry, time| {
        tell.lock().unwrap().push((registry.to_owned(), time));
    });
    let (client, dir) = (client().retries(0).waiting(waiting), tempfile::tempdir().unwrap());
    pull(&client, &registry.reference(":v1"), None, dir.path()).unwrap();
    assert_sound(dir.path());
    assert_eq!(registry.requests("GET /v2/a/b/manifests/").len(), 1);
    let told = told.lock().unwrap();
    assert!((3..=6).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|(name, _)| *name == registry.address), "{told:?}");
    assert!(told[0].1 >= Duration::from_millis(300) && told[1].1 >= Duration::from_millis(600));
}

/// If other requests are not answered either, the registry does not work on the manifest.
#[test]
fn a_registry_that_does_not_work_is_given_up() {
    let registry = registry();
    registry.fault("GET /v2/", 99, Then::Work(Duration::from_secs(9)));
    let begin = Instant::now();
    let said = gives_up(&registry, &client().plain_http(true).retries(0));
    assert!(said.contains("the registry did not respond to the request for tag v1"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn patience_with_a_registry_ends() {
    let registry = registry();
    registry.fault("GET /v2/a/b/manifests/", 9, Then::Work(Duration::from_secs(9)));
    let client = client().patience(Duration::from_millis(500));
    let said = gives_up(&registry, &client);
    let expected = "the registry responds, but did not answer the request for tag v1 within 1 \
        seconds: try again later";
    assert!(said.ends_with(expected), "{said}");
    // Another attempt would begin the same work again.
    assert_eq!(registry.requests("GET /v2/a/b/manifests/").len(), 1);
}

/// A blob is there when the manifest is.
#[test]
fn a_registry_does_not_work_on_a_blob() {
    let registry = registry();
    let layer = image("linux/amd64").layers()[0].descriptor().digest;
    registry.fault(layer, 9, Then::Work(Duration::from_secs(9)));
    let said = gives_up(&registry, &client().retries(0));
    assert!(said.contains("did not respond to the request for blob"), "{said}");
}
