//! What says something of another manifest, where the registry itself keeps no list of such: then
//! whoever pushes it does, [under a
//! tag](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject).

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::{
    basics::{error::Result, json, registry_error::RegistryErrorKind},
    document::{descriptor::MediaType, extra::Extra, layout_paths::MAX_DOCUMENT, manifest::Index},
    registry::{push::contents::Referrer, session::Session},
};

/// Puts it on the list, if it is not there.
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
        None => Index {
            schema_version: 2,
            media_type: Some(MediaType::INDEX),
            artifact_type: None,
            manifests: Vec::new(),
            subject: None,
            annotations: Default::default(),
            extra: Extra::default(),
        },
        Some(bytes) => json::from_slice::<Index>(&bytes).map_err(|_| {
            let subject = referrer.subject;
            let reason = format!(
                "{what} is no list of what refers to {subject}, as it should be: remove that tag"
            );
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
