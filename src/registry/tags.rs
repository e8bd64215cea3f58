//! Lists the tags of a repository.

use reqwest::{
    Method,
    header::{HeaderMap, LINK},
};
use serde::Deserialize;

use crate::{
    basics::{
        error::{Error, Result},
        registry_error::RegistryErrorKind,
    },
    document::layout_paths::MAX_DOCUMENT,
    registry::{
        client::Client, failure::Failure, message::quote, reference::Reference, session::Session,
    },
};

/// The largest number of pages. A registry must not keep a client forever.
const MOST_PAGES: usize = 10_000;

/// A page of tags. Some registries answer `null` for none.
#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Client {
    /// Returns the tags of the repository, in the order of the registry. The tag and the digest of
    /// the reference are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] if the registry cannot be reached, denies access, does not have the
    /// repository, or sends an invalid response. [`Error::Invalid`] and [`Error::Read`] for
    /// credentials.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        let repository = Reference { tag: None, digest: None, ..reference.clone() };
        let session = Session::open(self, &repository)?;
        tags(&session)?.map_err(|said| no_repository(&session, &said))
    }
}

/// Lists the
/// [tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags);
/// what the registry says if the repository does not exist.
fn tags(session: &Session) -> Result<std::result::Result<Vec<String>, String>> {
    let mut path = "tags/list".to_owned();
    let mut all: Vec<String> = Vec::new();
    for _ in 0..MOST_PAGES {
        let get = || {
            let response = match session.ask(|| session.request(Method::GET, &path)) {
                // A registry that does not list tags has another code.
                Err(Failure::Refused(refusal)) if refusal.has(&["NAME_UNKNOWN"]) => {
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
                return Err(Failure::Odd("the list of tags continues on another host".to_owned()));
            }
            let body = session.http.body(response, MAX_DOCUMENT)?.unwrap_or_default();
            let page: Page = serde_json::from_slice(&body)
                .map_err(|error| Failure::Odd(format!("the list of tags is invalid: {error}")))?;
            Ok(Ok((page.tags.unwrap_or_default(), next)))
        };
        let (tags, next) = match session.attempt("the list of tags", get)? {
            Ok(page) => page,
            Err(said) => return Ok(Err(said)),
        };
        all.extend(tags);
        match next {
            // A page that leads to itself would be read again and again.
            Some(next) if next.as_str() != path => path = next.into(),
            _ => return Ok(Ok(all)),
        }
    }
    let reason = format!("its list of tags has more than {MOST_PAGES} pages");
    Err(session.refuse(RegistryErrorKind::InvalidResponse, reason))
}

/// The address of the next page: [RFC 5988](https://www.rfc-editor.org/rfc/rfc5988).
fn next(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let rel = parameters.to_ascii_lowercase().replace(['"', ' '], "");
    rel.split(';').any(|parameter| parameter == "rel=next").then(|| address.to_owned())
}

fn no_repository(session: &Session, said: &str) -> Error {
    let (Reference { registry, repository, .. }, said) = (&session.reference, quote(said));
    let reason = format!("{registry} has no repository {repository}{said}: correct the name");
    session.refuse(RegistryErrorKind::NotFound, reason)
}

/// Explains that a tag was not found: the repository does not exist, or has other tags.
pub(crate) fn explain(session: &Session, error: Error) -> Error {
    const SHOWN: usize = 5;
    let is_missing = matches!(error, Error::Registry { kind: RegistryErrorKind::NotFound, .. });
    if !is_missing || session.reference.digest.is_some() {
        return error;
    }
    let tag = session.reference.tag.as_deref().unwrap_or("latest");
    match tags(session) {
        Ok(Err(said)) => no_repository(session, &said),
        // A registry that makes images on demand may list a tag of which it cannot make one.
        Ok(Ok(tags)) if !tags.is_empty() && !tags.iter().any(|other| other == tag) => {
            let mut has = tags[..tags.len().min(SHOWN)].join(", ");
            if tags.len() > SHOWN {
                has += &format!(" and {} more", tags.len() - SHOWN);
            }
            let reason = format!("the repository has no tag {tag}: it has {has}");
            session.refuse(RegistryErrorKind::NotFound, reason)
        }
        _ => error,
    }
}
