//! The page at `/`, for people: what this registry is, how to pull, and what happened lately.
//!
//! It has no script, loads nothing, and contains only names that the client may pull.

use std::{
    fmt::{self, Display, Write},
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{HeaderMap, Request, Response, StatusCode, header};

use crate::{
    basics::{digest::Digest, printable::Printable},
    registry::serve::{
        access::Rights,
        recent::Lists,
        refusal::Refusal,
        response::{Body, small},
        server::Server,
    },
};

/// The maximum number of references and of names.
const MOST: usize = 200;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
code,pre{font-family:ui-monospace,monospace;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;border-left:.2rem solid;padding-left:.8rem;max-height:30rem;overflow:auto}\
li{margin:.2rem 0}";

/// Nothing but the style above is allowed, whatever the page contains.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64_STANDARD.encode(Digest::of(STYLE).bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

/// Whether a client prefers the page at `/` to an error: browsers name HTML, and programs do not.
pub(crate) fn is_wanted<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/" && accepts_html(request.headers())
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let is_refused = |part: &str| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.parse() == Ok(0.0))
        };
        is_html && !parts.any(is_refused)
    })
}

/// The page. The host of the request is one that this endpoint serves.
pub(crate) async fn page<B>(
    server: &Arc<Server>,
    request: &Request<B>,
    rights: &Rights,
) -> Result<Response<Body>, Refusal> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or(host);
    let host = host.unwrap_or("localhost").to_owned();
    let (its, rights) = (Arc::clone(server), rights.clone());
    let html = server.run(move || html(&its, &host, &rights)).await?;
    let headers = vec![
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        // It differs between users and moments.
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::VARY, "Accept, Authorization".to_owned()),
    ];
    Ok(small(StatusCode::OK, headers, html.into_bytes()))
}

fn html(server: &Server, host: &str, rights: &Rights) -> String {
    let mut page = Html::default();
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width\">\n");
    page.line("title", format_args!("Images at {host}"));
    page.raw("<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n");
    page.line("h1", format_args!("Images at {host}"));
    page.line(
        "p",
        "This is a registry of container images. Programs such as podman, docker and \
                    containerd pull from it, and nobody can push to it.",
    );
    let named = server.named.as_ref();
    let about = named.and_then(|named| named.images.about());
    about.iter().for_each(|about| {
        page.line("p", about);
    });

    let references = references(server, rights);
    let names: Vec<String> = named.map(|named| named.images.names()).unwrap_or_default();
    let names: Vec<_> = names.into_iter().filter(|name| rights.allow(name)).collect();
    let lists = named.map(|named| named.recent.lists()).unwrap_or_default();
    let made = lists.made.iter().map(|one| &one.image).find(|image| allows(rights, image));
    let example = references.first().or(made).or(names.first());
    if let Some(example) = example {
        page.line("h2", "How to pull");
        for program in ["podman", "docker"] {
            page.line("pre", format_args!("{program} pull {host}/{example}"));
        }
        if server.certificate.is_none() {
            page.line(
                "p",
                "Without TLS, podman needs the option --tls-verify=false, and docker an \
                            entry in insecure-registries, except for localhost.",
            );
        }
    }
    page.list("Images", &references);
    page.list("Names", &names);

    recent(&mut page, &lists, rights, server.guard.is_closed());
    page.raw("</main>\n</body>\n</html>\n");
    page.0
}

/// `NAME:TAG` of the repositories, from what was read of them last.
fn references(server: &Server, rights: &Rights) -> Vec<String> {
    let allowed = server.repositories.iter().filter(|(name, _)| rights.allow(name));
    let references = allowed.flat_map(|(name, repository)| {
        let tags: Vec<_> = repository.known().tags.keys().take(MOST + 1).cloned().collect();
        tags.into_iter().map(move |tag| format!("{name}:{tag}"))
    });
    references.take(MOST + 1).collect()
}

/// What was made and what failed. Details are for those who may pull everything after a login:
/// they may name paths of the machine.
fn recent(page: &mut Html, lists: &Lists, rights: &Rights, is_closed: bool) {
    let made: Vec<_> = lists.made.iter().filter(|one| allows(rights, &one.image)).collect();
    if !made.is_empty() {
        page.line("h2", "Made lately");
        page.raw("<ul>\n");
        for one in made {
            page.raw("<li>").element("code", &one.image);
            let took = one.took.as_secs_f64();
            page.text(format_args!(", {}, in {took:.1} s: ", ago(one.at.elapsed())));
            page.element("code", &one.result).raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
    let failed: Vec<_> = lists.failed.iter().filter(|one| allows(rights, &one.image)).collect();
    if !failed.is_empty() {
        page.line("h2", "Failed lately");
        let sees_details = is_closed && *rights == Rights::All;
        if !sees_details {
            page.line("p", "The log of the registry has the details.");
        }
        for one in failed {
            page.raw("<p>").element("code", &one.image);
            page.text(format_args!(", {}: {}", ago(one.at.elapsed()), one.result.message));
            page.raw("</p>\n");
            for detail in one.result.detail.iter().filter(|_| sees_details) {
                page.line("pre", detail);
            }
        }
    }
}

/// Whether the client may pull `NAME:TAG`.
fn allows(rights: &Rights, image: &str) -> bool {
    rights.allow(image.split(':').next().unwrap_or_default())
}

fn ago(time: Duration) -> String {
    match time.as_secs() {
        0..60 => "now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

/// Text in HTML. Only literals of this file are not escaped.
#[derive(Default)]
struct Html(String);

impl Html {
    fn raw(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Lines of text. Control characters, which HTML does not allow, become visible.
    fn text(&mut self, text: impl Display) -> &mut Self {
        for (number, line) in text.to_string().split('\n').enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            // It never fails: a `String` takes everything.
            let _ = write!(Escaped(&mut self.0), "{end}{}", Printable(line));
        }
        self
    }

    fn element(&mut self, name: &'static str, text: impl Display) -> &mut Self {
        self.raw("<").raw(name).raw(">").text(text).raw("</").raw(name).raw(">")
    }

    fn line(&mut self, name: &'static str, text: impl Display) -> &mut Self {
        self.element(name, text).raw("\n")
    }

    /// A list with a heading, unless it is empty.
    fn list(&mut self, heading: &'static str, entries: &[String]) {
        if entries.is_empty() {
            return;
        }
        self.line("h2", heading).raw("<ul>\n");
        for entry in entries.iter().take(MOST) {
            self.raw("<li>").element("code", entry).raw("</li>\n");
        }
        self.raw("</ul>\n");
        if entries.len() > MOST {
            self.raw("<p>There are more: see <a href=\"/v2/_catalog\">/v2/_catalog</a>.</p>\n");
        }
    }
}

/// Escapes what has a meaning in HTML.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_html() {
        let mut html = Html::default();
        html.line("p", "<script>alert('1' & \"2\")</script>\r\u{0}\u{1b}[31m\u{202e}é\nb");
        let expected = "<p>&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;\
                        \\r\\0\\u{1b}[31m\\u{202e}é\nb</p>\n";
        assert_eq!(html.0, expected);
    }

    #[test]
    fn html_is_for_those_who_name_it() {
        for (accept, wants) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["text/html"], true),
            (&["Text/HTML;q=0.5"], true),
            (&["text/html;q=0"], false),
            (&["text/html; q=0.000"], false),
            (&["application/xhtml+xml,text/html;level=1,*/*;q=0.8"], true),
            (&["application/json", "text/html"], true),
            (&["text/htmlx"], false),
        ] {
            let mut headers = HeaderMap::new();
            accept.iter().for_each(|value| {
                _ = headers.append(header::ACCEPT, value.parse().unwrap());
            });
            assert_eq!(accepts_html(&headers), wants, "{accept:?}");
        }
    }
}
