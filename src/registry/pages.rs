//! Lists that a registry sends in pages.

use std::fmt::Display;

use reqwest::{
    Method,
    header::{HeaderMap, LINK},
};

use crate::{
    basics::{error::Result, registry_error::RegistryErrorKind},
    document::layout_paths::MAX_DOCUMENT,
    registry::{
        failure::{Failure, Refusal},
        session::Session,
    },
};

/// The largest number of pages. A registry must not keep a client forever.
const MOST_PAGES: usize = 10_000;

/// Reads a list from its first page on. `what` names it in errors, and `parse` reads a page. If the
/// registry refuses with an answer that `is_absent`, there is no list, and this is the message. All pages
/// together have at most `most` bytes, because a registry must not fill the memory of a client.
pub(crate) fn pages<T, E: Display>(
    session: &Session,
    what: &str,
    most: u64,
    first: String,
    is_absent: impl Fn(&Refusal) -> bool,
    parse: impl Fn(&[u8]) -> std::result::Result<Vec<T>, E>,
) -> Result<std::result::Result<Vec<T>, String>> {
    let mut path = first;
    let mut all = Vec::new();
    let mut bytes = 0;
    for _ in 0..MOST_PAGES {
        let get = || {
            let response = match session.ask(|| session.request(Method::GET, &path)) {
                Err(Failure::Refused(refusal)) if is_absent(&refusal) => {
                    return Ok(Err(refusal.message));
                }
                response => response?,
            };
            let headers = response.headers().clone();
            let next = match next(&headers) {
                Some(next) => Some(session.follow(response.url(), &next)?),
                None => None,
            };
            if next.as_ref().is_some_and(|next| !session.is_own(next)) {
                return Err(Failure::Odd(format!("{what} continues on another host")));
            }
            let body = session.http.body(response, MAX_DOCUMENT)?.unwrap_or_default();
            let items = parse(&body)
                .map_err(|error| Failure::Odd(format!("{what} is invalid: {error}")))?;
            Ok(Ok((items, next, body.len() as u64)))
        };
        let (items, next, length) = match session.attempt(what, get)? {
            Ok(page) => page,
            Err(said) => return Ok(Err(said)),
        };
        all.extend(items);
        bytes += length;
        match next {
            Some(_) if bytes > most => break,
            // A page that leads to itself would be read again and again.
            Some(next) if next.as_str() != path => path = next.into(),
            _ => return Ok(Ok(all)),
        }
    }
    let what = what.strip_prefix("the ").unwrap_or(what);
    let reason = format!("its {what} has more than {MOST_PAGES} pages, or {most} bytes");
    Err(session.refuse(RegistryErrorKind::InvalidResponse, reason))
}

/// The address of the next page: [RFC 5988](https://www.rfc-editor.org/rfc/rfc5988).
fn next(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let rel = parameters.to_ascii_lowercase().replace(['"', ' '], "");
    rel.split(';').any(|parameter| parameter == "rel=next").then(|| address.to_owned())
}
