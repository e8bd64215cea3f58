//! The referrers of a manifest: the artifacts that are attached to an image.

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
        registry_error::RegistryErrorKind,
    },
    document::{
        descriptor::{Descriptor, MediaType},
        layout_paths::MAX_DOCUMENT,
        manifest::Index,
    },
    registry::{
        client::Client, failure::Refusal, message::Access, pages::pages, reference::Reference,
        referrer::Referrer, session::Session,
    },
};

/// The most bytes of a list. Its entries take several times as much memory.
const MOST_BYTES: u64 = 32 << 20;

impl Client {
    /// Returns the manifests and indexes of the repository whose `subject` is the manifest with
    /// this digest, in the order of the registry: the artifacts that are attached to an image. The
    /// tag and the digest of the reference are ignored. Each descriptor has the artifact type and
    /// the annotations of its manifest.
    ///
    /// A registry without the [API for
    /// referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers)
    /// has the list under the tag `sha256-HEX`, if clients keep it there.
    ///
    /// # Errors
    ///
    /// As [`Client::tags`]. A manifest that the registry does not have has no referrers.
    pub fn referrers(&self, reference: &Reference, digest: Digest) -> Result<Vec<Descriptor>> {
        let repository = Reference { tag: None, digest: None, ..reference.clone() };
        let session = Session::open(self, &repository)?;
        match listed(&session, digest)? {
            Some(referrers) => Ok(referrers),
            None => Ok(tagged(&session, digest)?.map(|list| list.manifests).unwrap_or_default()),
        }
    }

    /// Deletes a referrer of the manifest with the digest `subject`: the manifest of the reference,
    /// which has a digest, and its entry in the list under the tag `sha256-HEX`, if the registry
    /// has such a list.
    ///
    /// # Errors
    ///
    /// As [`Client::delete`].
    pub fn delete_referrer(&self, reference: &Reference, subject: Digest) -> Result<()> {
        let Some(digest) = reference.digest else {
            let reason = "it has no digest: name the referrer as PATH@sha256:…";
            return Err(Error::invalid(format!("referrer {reference}"), reason));
        };
        self.delete(reference)?;
        let repository = Reference { tag: None, digest: None, ..reference.clone() };
        let session = Session::open_for(self, &repository, Access::Push)?;
        let Some(mut list) = tagged(&session, subject)? else { return Ok(()) };
        let before = list.manifests.len();
        list.manifests.retain(|entry| entry.digest != digest);
        if list.manifests.len() < before { put(&session, subject, &list) } else { Ok(()) }
    }
}

/// The list of the API; `None` if the registry does not have it.
fn listed(session: &Session, digest: Digest) -> Result<Option<Vec<Descriptor>>> {
    let parse = |page: &[u8]| json::from_slice(page).map(|Index { manifests, .. }| manifests);
    // Registries without the API answer in several ways.
    let is_absent = |refusal: &Refusal| matches!(refusal.status, 400 | 404 | 405 | 501);
    let path = format!("referrers/{digest}");
    Ok(pages(session, "the list of referrers", MOST_BYTES, path, is_absent, parse)?.ok())
}

/// Adds the referrer to the list under the
/// [tag](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject)
/// of its subject, unless it is in the list already.
pub(crate) fn add(session: &Session, referrer: &Referrer) -> Result<()> {
    let mut list = tagged(session, referrer.subject)?.unwrap_or_else(|| Index::of(Vec::new()));
    if list.manifests.iter().any(|entry| entry.digest == referrer.entry.digest) {
        return Ok(());
    }
    list.manifests.push(referrer.entry.clone());
    put(session, referrer.subject, &list)
}

/// The list under the tag of a subject.
fn tagged(session: &Session, subject: Digest) -> Result<Option<Index>> {
    let (tag, index) = (tag(subject), MediaType::INDEX.to_string());
    let (path, what) = (format!("manifests/{tag}"), format!("tag {tag}"));
    let bytes = session.attempt(&what, || {
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
    let Some(bytes) = bytes else { return Ok(None) };
    json::from_slice(&bytes).map(Some).map_err(|_| {
        let reason =
            format!("{what} is not an index of the referrers of {subject}: delete that tag");
        session.refuse(RegistryErrorKind::InvalidResponse, reason)
    })
}

fn put(session: &Session, subject: Digest, list: &Index) -> Result<()> {
    let (tag, bytes) = (tag(subject), json::to_bytes(list));
    let put = || {
        session
            .request(Method::PUT, &format!("manifests/{tag}"))
            .header(CONTENT_TYPE, MediaType::INDEX.to_string())
            .body(bytes.clone())
    };
    session.attempt(&format!("tag {tag}"), || session.ask(put)).map(|_| ())
}

fn tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}
