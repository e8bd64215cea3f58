//! Lists the referrers of a manifest under a
//! [tag](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject),
//! for registries that do not list them on their own.

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::{
    basics::{error::Result, json, registry_error::RegistryErrorKind},
    document::{descriptor::MediaType, layout_paths::MAX_DOCUMENT, manifest::Index},
    registry::{referrer::Referrer, session::Session},
};

/// Adds the referrer to the list, unless it is in it already.
pub(crate) fn list(session: &Session, referrer: &Referrer) -> Result<()> {
    let tag = format!("sha256-{}", referrer.subject.hex());
    let (path, what) = (format!("manifests/{tag}"), format!("tag {tag}"));
    let index = MediaType::INDEX.to_string();
    let listed = session.attempt(&what, || {
        let response =
            session.exchange(|| session.request(Method::GET, &path).header(ACCEPT, &index))?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            _ => session
                .http
                .body(session.success(response)?, MAX_DOCUMENT)
                .map(|bytes| Some(bytes.unwrap_or_default())),
        }
    })?;
    let mut list = match listed {
        None => Index::of(Vec::new()),
        Some(bytes) => json::from_slice::<Index>(&bytes).map_err(|_| {
            let subject = referrer.subject;
            let reason =
                format!("{what} is not an index of the referrers of {subject}: delete that tag");
            session.refuse(RegistryErrorKind::InvalidResponse, reason)
        })?,
    };
    if list.manifests.iter().any(|entry| entry.digest == referrer.entry.digest) {
        return Ok(());
    }
    list.manifests.push(referrer.entry.clone());
    let bytes = json::to_bytes(&list);
    let put =
        || session.request(Method::PUT, &path).header(CONTENT_TYPE, &index).body(bytes.clone());
    session.attempt(&what, || session.ask(put)).map(|_| ())
}
