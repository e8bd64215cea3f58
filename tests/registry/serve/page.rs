//! The page at `/` for people.

use std::{fs, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_layout::{
    Digest, Image,
    registry::{NamedImageError, NamedImageErrorKind as Kind, NamedImages, Stop},
};
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{Answer, ask, get},
    image,
};

/// What browsers send.
const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// Images with names as they are in a catalog, which fail unless their names begin with `good`.
struct Images {
    names: Vec<String>,
    failure: NamedImageError,
}

impl NamedImages for Images {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        Ok(format!("{name}:{tag}"))
    }
    fn known(&self, _: &str) -> Option<Arc<Image>> {
        None
    }
    fn make(&self, request: &str, _: &Stop) -> Result<Arc<Image>, NamedImageError> {
        match request.contains("good") {
            true => Ok(Arc::new(image(request, "linux/amd64").into())),
            false => Err(self.failure.clone()),
        }
    }
    fn holding(&self, _: &str, _: Digest) -> Option<Arc<Image>> {
        None
    }
    fn tags(&self, _: &str) -> Result<Vec<String>, NamedImageError> {
        Ok(Vec::new())
    }
    fn about(&self) -> Option<String> {
        Some("A name is <b>anything</b>.".to_owned())
    }
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn failing(message: &str, detail: &str, names: &[&str]) -> Images {
    let failure = NamedImageError::new(Kind::Failed, message).detail(detail);
    Images { names: names.iter().map(|name| (*name).to_owned()).collect(), failure }
}

fn fixed(names: &[&'static str]) -> Vec<(&'static str, Vec<Image>)> {
    let fixed = names.iter();
    fixed.map(|name| (*name, vec![image(*name, "linux/amd64").tagged("v1")])).collect()
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body.clone()).unwrap()
}

fn manifest(served: &Served, name: &str, headers: &[(&str, &str)]) -> u16 {
    get(&served.address, &format!("/v2/{name}/manifests/latest"), headers).status
}

#[test]
fn browsers_get_a_page_and_programs_get_none() {
    let images = failing("it does not compile", "in /nix/store/x", &["shell"]);
    let served = Served::with(fixed(&["app"]), |endpoint| endpoint.named_images(images));
    let address = &served.address;
    assert_eq!(manifest(&served, "good/one", &[]), 200);
    assert_eq!(manifest(&served, "two", &[]), 422);
    let page = get(address, "/", &[HTML]);
    let html = text(&page);
    for expected in [
        &format!("<pre>podman pull {address}/app:v1</pre>"),
        &format!("<title>Images at {address}</title>"),
        "<p>A name is &lt;b&gt;anything&lt;/b&gt;.</p>",
        "--tls-verify=false",
        "<li><code>app:v1</code></li>",
        "<li><code>shell</code></li>",
        "<li><code>good/one:latest</code>, now, in 0.0 s: <code>sha256:",
        "<code>two:latest</code>, now: it does not compile",
    ] {
        assert!(html.contains(expected), "{expected}: {html}");
    }
    // Everybody can read this registry, and may not see more than a client that pulls.
    assert!(!html.contains("/nix/store"), "{html}");
    assert!(page.is_whole());
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Accept, Authorization"),
    ] {
        assert_eq!(page.header(name), value);
    }
    // The policy allows the style of the page and nothing else.
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let digest = Digest::of(style).hex();
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
    let style = format!("default-src 'none'; style-src 'sha256-{}'", BASE64_STANDARD.encode(bytes));
    assert!(page.header("content-security-policy").starts_with(&style), "{page:?}");
    assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("src="));

    let head = ask(address, "HEAD", "/", &[HTML]);
    assert_eq!((head.status, head.header("content-length")), (200, page.header("content-length")));
    assert_eq!(get(address, "/?a=b", &[HTML]).status, 200);
    // Another name of the same machine.
    let port = address.rsplit_once(':').unwrap().1;
    let other = get(address, &format!("http://localhost:{port}/"), &[HTML]);
    assert!(text(&other).contains(&format!("podman pull localhost:{port}/app:v1")));
    for (target, headers) in [
        ("/", &[][..]),
        ("/", &[("Accept", "*/*")]),
        ("/", &[("Accept", "application/json")]),
        ("/index.html", &[HTML]),
        ("//", &[HTML]),
        ("/v2/x", &[HTML]),
    ] {
        let answer = get(address, target, headers);
        assert_eq!((answer.status, &*answer.code()), (404, "UNSUPPORTED"), "{target}");
    }
    assert_eq!(ask(address, "POST", "/", &[HTML]).status, 405);
    let without = Served::with(fixed(&["app"]), |endpoint| endpoint.page(false));
    assert_eq!(get(&without.address, "/", &[HTML]).status, 404);
}

#[test]
fn hostile_text_is_escaped() {
    let attack = "</code></pre><script>alert(1)</script><img src=x onerror='a' \"b\" & \u{1b}[2J";
    let (dir, users) = users();
    let images = failing(attack, attack, &[attack]);
    let served = Served::with(fixed(&["app"]), |endpoint| {
        endpoint.htpasswd(users).unwrap().named_images(images)
    });
    let login = basic("me", "U*U");
    let login = [("Authorization", &*login), HTML];
    assert_eq!(manifest(&served, "two", &login), 422);
    let html = text(&get(&served.address, "/", &login));
    // The name, the message and the detail.
    assert_eq!(html.matches("alert(1)").count(), 3);
    let escaped = "&lt;/code&gt;&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x \
                   onerror=&#39;a&#39; &quot;b&quot; &amp; \\u{1b}[2J";
    assert_eq!(html.matches(escaped).count(), 3, "{html}");
    // A host that is not one of the registry.
    for host in ["<script>", "evil.example", "localhost\"><script>", "a@localhost"] {
        let page = get(&served.address, &format!("http://{host}/"), &login);
        assert!(matches!(page.status, 400 | 421), "{host}: {page:?}");
        assert!(!String::from_utf8_lossy(&page.body).contains("<main>"));
    }
    drop(dir);
}

#[test]
fn the_size_is_bounded() {
    let names: Vec<String> = (0..5000).map(|number| format!("name{number}")).collect();
    // Characters that become longer.
    let long = "é\u{1b}&".repeat(5000);
    let failure = NamedImageError::new(Kind::Failed, long.clone()).detail(long + "<end>");
    let (_dir, users) = users();
    let app = image("app", "linux/amd64");
    let tags: Vec<_> = (0..1000).map(|number| app.clone().tagged(format!("v{number}"))).collect();
    let served = Served::with([("app", tags)], |endpoint| {
        endpoint.htpasswd(users).unwrap().named_images(Images { names, failure })
    });
    let login = basic("me", "U*U");
    let login = [("Authorization", &*login), HTML];
    for number in 0..60 {
        manifest(&served, &format!("two{number}"), &login);
        manifest(&served, &format!("good{number}"), &login);
    }
    let html = text(&get(&served.address, "/", &login));
    assert!(html.len() < 1 << 20, "{}", html.len());
    assert_eq!(html.matches("<li>").count(), 200 + 200 + 20);
    assert_eq!(html.matches("&lt;end&gt;").count(), 20, "the end of a log has the reason");
    assert_eq!(html.matches("There are more").count(), 2);
    assert!(html.contains("two59:") && html.contains("two40:") && !html.contains("two39:"));
    // Each image occurs once.
    assert_eq!(manifest(&served, "good59", &login), 200);
    let html = text(&get(&served.address, "/", &login));
    assert!(html.contains("good40:") && html.matches("good59:").count() == 1);
}

/// The passwords are `U*U` and `python`.
fn users() -> (TempDir, std::path::PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("users");
    let users = "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n\
                 snake:$2b$04$qeZgTM7uOhbUKstD8NM1m.mEbic94Maz9IXiK604.jTN7QGNQ4./y\n";
    fs::write(&file, users).unwrap();
    (dir, file)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn users_see_only_their_names() {
    let (dir, users) = users();
    let access = dir.path().join("access");
    fs::write(&access, "user me team\nuser snake *\n").unwrap();
    let images = failing("the reason", "the log in /nix/store/x", &["team/shell", "secret/shell"]);
    let served = Served::with(fixed(&["team/app", "teams", "secret/app"]), |endpoint| {
        let endpoint = endpoint.htpasswd(users).unwrap().access(access).unwrap();
        endpoint.named_images(images)
    });
    let (me, snake) = (basic("me", "U*U"), basic("snake", "python"));
    let (me, snake) = ([("Authorization", &*me), HTML], [("Authorization", &*snake), HTML]);
    for name in ["team/good", "team/bad", "teams/good", "secret/good", "secret/bad"] {
        manifest(&served, name, &snake);
    }
    let answer = get(&served.address, "/", &[HTML]);
    assert_eq!((answer.status, &*answer.code()), (401, "UNAUTHORIZED"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("team"));

    let html = text(&get(&served.address, "/", &me));
    for name in ["team/app:v1", "team/shell", "team/good:latest", "team/bad:latest", "the reason"] {
        assert!(html.contains(name), "{name}: {html}");
    }
    for name in ["secret", "teams", "/nix/store"] {
        assert!(!html.contains(name), "{name}: {html}");
    }
    let html = text(&get(&served.address, "/", &snake));
    for name in ["team/bad", "secret/app", "secret/shell", "secret/good", "secret/bad", "teams"] {
        assert!(html.contains(name), "{name}: {html}");
    }
    assert_eq!(html.matches("<pre>the log in /nix/store/x</pre>").count(), 2);
}
