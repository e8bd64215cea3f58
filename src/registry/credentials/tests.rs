use crate::registry::credentials::*;

/// `user:NAME` in base64.
fn auth(user: &str) -> String {
    use base64::engine::general_purpose::STANDARD;
    STANDARD.encode(format!("{user}:secret"))
}

fn find(config: &str, reference: &str) -> Result<Secret> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth.json");
    fs::write(&file, config).unwrap();
    Credentials::Files(vec![dir.path().join("none/auth.json"), file])
        .find(&reference.parse().unwrap())
}

/// The user in this file, and the notes about it.
fn user(config: &str, reference: &str) -> String {
    match find(config, reference) {
        Ok(Secret { token: Some(token), .. }) => format!("token {token}"),
        Ok(Secret { identity: Some(token), .. }) => format!("identity {token}"),
        Ok(Secret { password: Some((user, password)), .. }) => {
            assert_eq!(password, b"secret");
            String::from_utf8(user).unwrap()
        }
        Ok(Secret { notes, .. }) => format!("anonymous {}", notes.join("; ")).trim_end().to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_longest_path_wins() {
    let config = format!(
        r#"{{"auths": {{
            "quay.io/me/app": {{"auth": "{}"}}, "quay.io/me": {{"auth": "{}"}}, "quay.io": {{"auth": "{}"}},
            "https://index.docker.io/v1/": {{"auth": "{}"}}, "https://ghcr.io": {{"auth": "{}"}}
        }}}}"#,
        auth("app"),
        auth("me"),
        auth("quay"),
        auth("hub"),
        auth("ghcr")
    );
    for (reference, expected) in [
        ("quay.io/me/app:1", "app"),
        ("quay.io/me/other", "me"),
        ("quay.io/you/app", "quay"),
        ("alpine", "hub"),
        ("ghcr.io/me/app", "ghcr"),
        ("localhost:5000/app", "anonymous"),
    ] {
        assert_eq!(user(&config, reference), expected, "{reference}");
    }
}

#[test]
fn identity_tokens_are_found() {
    assert_eq!(user(r#"{"auths": {"a.b": {"identitytoken": "it"}}}"#, "a.b/c"), "identity it");
}

#[test]
fn unusable_credentials_are_reported_without_the_secret() {
    for (config, said) in [
        ("{", "not valid JSON"),
        (r#"{"auths": {"a.b": {"auth": "c2VjcmV0"}}}"#, "is malformed"),
        (r#"{"auths": {"a.b": {"auth": "not base64!"}}}"#, "is malformed"),
        (r#"{"auths": {"a.b": {"auth": 5}}}"#, "is malformed"),
        (r#"{"auths": {"a.b": "c2VjcmV0"}}"#, "is malformed"),
        // A failing helper does not keep anyone from a public image: the note becomes part of the
        // registry's refusal.
        (r#"{"credHelpers": {"a.b": "not-installed"}}"#, "is not on PATH"),
    ] {
        let found = user(config, "a.b/c");
        assert!(found.contains(said) && !found.contains("secret"), "{config}: {found}");
    }
    let debug = format!(
        "{:?}",
        Credentials::Password { user: "me".to_owned(), password: "secret".to_owned() }
    );
    assert!(debug.contains("me") && !debug.contains("secret"), "{debug}");
}

/// The values follow docker's and podman's own code.
#[test]
fn members_of_an_entry() {
    let (me, you) = (auth("me"), auth("you"));
    for (entry, expected) in [
        ("{}".to_owned(), "anonymous"),
        ("null".to_owned(), "anonymous"),
        (r#"{"auth": ""}"#.to_owned(), "anonymous"),
        (r#"{"auth": null, "email": "me@a.b"}"#.to_owned(), "anonymous"),
        (r#"{"username": "", "password": ""}"#.to_owned(), "anonymous"),
        (r#"{"auth": "Og=="}"#.to_owned(), "anonymous"),
        (r#"{"username": "me", "password": "secret"}"#.to_owned(), "me"),
        (r#"{"auth": "", "username": "me", "password": "secret"}"#.to_owned(), "me"),
        // Docker keeps what is in `auth`.
        (format!(r#"{{"auth": "{you}", "username": "me", "password": "other"}}"#), "you"),
        (format!(r#"{{"auth": "{me}", "identitytoken": ""}}"#), "me"),
        (format!(r#"{{"auth": "{me}", "identitytoken": null, "registrytoken": ""}}"#), "me"),
        (format!(r#"{{"auth": "{me}", "identitytoken": "it"}}"#), "identity it"),
        (format!(r#"{{"auth": "{me}", "registrytoken": "rt"}}"#), "token rt"),
        (r#"{"registrytoken": "rt", "identitytoken": "it"}"#.to_owned(), "token rt"),
        // `user:secret` and zeros; `me:secret` with a line end in the middle and one at the end;
        // without padding.
        (r#"{"auth": "bWU6c2VjcmV0AAA="}"#.to_owned(), "me"),
        (r#"{"auth": "bWU6c2\nVjcmV0\r\n"}"#.to_owned(), "me"),
        (format!(r#"{{"auth": "{}"}}"#, you.trim_end_matches('=')), "you"),
        (r#"{"username": "<token>", "password": "it"}"#.to_owned(), "identity it"),
    ] {
        let config =
            format!(r#"{{"auths": {{"a.b": {entry}}}, "credsStore": "", "credHelpers": null}}"#);
        assert_eq!(user(&config, "a.b/c"), expected, "{entry}");
    }
}

#[test]
fn a_password_need_not_be_text() {
    // `me:` and `é` in Latin-1.
    let found = find(r#"{"auths": {"a.b": {"auth": "bWU66Q=="}}}"#, "a.b/c").unwrap();
    assert_eq!(found.password, Some((b"me".to_vec(), b"\xe9".to_vec())));
    let colons = find(r#"{"auths": {"a.b": {"auth": "bWU6YTpi"}}}"#, "a.b/c").unwrap();
    assert_eq!(colons.password, Some((b"me".to_vec(), b"a:b".to_vec())));
}

#[test]
fn keys_of_a_registry() {
    for key in [
        "a.b",
        "a.b/",
        "a.b/v1",
        "a.b/v1/",
        "a.b/v2/",
        "https://a.b",
        "http://a.b",
        "https://a.b/",
        "https://a.b/v2/",
    ] {
        let config = format!(r#"{{"auths": {{"{key}": {{"auth": "{}"}}}}}}"#, auth("me"));
        assert_eq!(user(&config, "a.b/c/d"), "me", "{key}");
        assert_eq!(user(&config, "a.b:5000/c/d"), "anonymous", "{key}");
    }
    for key in ["a.b/other", "a.b.c", "xa.b", "a.b:443", ""] {
        let config = format!(r#"{{"auths": {{"{key}": {{"auth": "{}"}}}}}}"#, auth("me"));
        assert_eq!(user(&config, "a.b/c/d"), "anonymous", "{key}");
    }
    for key in [
        "https://index.docker.io/v1/",
        "docker.io",
        "index.docker.io",
        "https://registry-1.docker.io/v2/",
    ] {
        let config = format!(r#"{{"auths": {{"{key}": {{"auth": "{}"}}}}}}"#, auth("me"));
        assert_eq!(user(&config, "alpine"), "me", "{key}");
    }
    // An entry without credentials does not hide one with credentials.
    let config = format!(
        r#"{{"auths": {{"a.b/c": {{}}, "a.b": {{"auth": ""}}, "a.b/v2/": {{"auth": "{}"}}}}}}"#,
        auth("me")
    );
    assert_eq!(user(&config, "a.b/c"), "me");
}

#[test]
fn empty_credential_files_are_accepted() {
    for config in [
        "",
        " \n",
        "{}",
        "null",
        r#"{"auths": null}"#,
        r#"{"auths": {}, "credsStore": null}"#,
        "[]",
    ] {
        assert_eq!(user(config, "a.b/c"), "anonymous", "{config}");
    }
    let with_mark = format!("\u{feff}{{\"auths\": {{\"a.b\": {{\"auth\": \"{}\"}}}}}}", auth("me"));
    assert_eq!(user(&with_mark, "a.b/c"), "me");
}

/// As in docker, an empty helper for a registry means that its password is in the file.
#[test]
fn a_missing_helper_does_not_hide_passwords_in_the_file() {
    let entry = format!(r#""auths": {{"a.b": {{"auth": "{}"}}}}"#, auth("me"));
    for helpers in [
        r#""credsStore": "not-installed""#,
        r#""credHelpers": {"a.b": "not-installed"}"#,
        r#""credsStore": "not-installed", "credHelpers": {"a.b": ""}"#,
    ] {
        assert_eq!(user(&format!("{{{entry}, {helpers}}}"), "a.b/c"), "me", "{helpers}");
    }
    let said = user(r#"{"credsStore": "not-installed"}"#, "a.b/c");
    assert!(
        said.contains(
            "auth.json: the credential helper docker-credential-not-installed is not on PATH"
        ),
        "{said}"
    );
    let none = r#"{"credsStore": "not-installed", "credHelpers": {"a.b": ""}}"#;
    assert_eq!(user(none, "a.b/c"), "anonymous");
}
