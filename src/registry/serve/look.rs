//! What the contents of a repository answer to a request: a document, a blob, or a page of a list.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use hyper::header::{self, HeaderName};
use serde_json::json;

use crate::{
    basics::{digest::Digest, error::Error, json},
    blob::chunks::read_document,
    document::{descriptor::MediaType, manifest::Index},
    registry::serve::{
        access::Rights,
        asked::Asked,
        contents::{Content, Contents},
        event::Event,
        refusal::Refusal,
        route::{AnyDigest, Page, Reference, Route},
        server::Server,
    },
};

/// The response header that lists the filters applied to a list of referrers.
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The result of a lookup.
pub(crate) enum Found {
    Small {
        headers: Vec<(HeaderName, String)>,
        bytes: Vec<u8>,
    },
    Manifest {
        media_type: MediaType,
        digest: Digest,
        bytes: Vec<u8>,
    },
    /// The blob, and whether its bytes are stored rather than built on demand.
    Blob(Content, bool),
}

impl Found {
    pub(crate) fn json(
        headers: impl IntoIterator<Item = (HeaderName, String)>,
        value: &impl serde::Serialize,
    ) -> Self {
        let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
        Self::Small {
            headers: [content_type].into_iter().chain(headers).collect(),
            bytes: json::to_bytes(value),
        }
    }
}

/// A request to a repository.
pub(crate) struct Search {
    pub(crate) server: Arc<Server>,
    pub(crate) route: Route,
    pub(crate) asked: Asked,
}

impl Search {
    /// Whether the contents include what the request names by digest. A digest always means the
    /// same bytes, so older contents are sufficient.
    pub(crate) fn is_in(&self, contents: &Contents) -> bool {
        match self.route {
            Route::Manifest(_, Reference::Digest(Some(digest))) => {
                contents.manifest(digest).is_some()
            }
            Route::Blob(_, Some(digest)) => contents.blob(digest).is_some(),
            _ => false,
        }
    }

    pub(crate) fn look(&self, contents: &Contents) -> Result<Found, Refusal> {
        match &self.route {
            Route::Base | Route::Catalog(_) => {
                Ok(self.server.list(&self.route, &self.asked.rights))
            }
            Route::Tags(name, page) => Ok(tags(name, range(&contents.tags, page), page)),
            Route::Manifest(_, reference) => self.manifest(contents, reference),
            Route::Blob(_, digest) => {
                let unknown = || Refusal::blob_unknown("no image in this repository has this blob");
                let content =
                    digest.and_then(|digest| contents.blob(digest)).ok_or_else(unknown)?;
                Ok(Found::Blob(content.clone(), content.is_at_hand()))
            }
            Route::Referrers(_, digest, artifact_type) => {
                Ok(referrers(contents, *digest, artifact_type.as_deref()))
            }
        }
    }

    fn manifest(&self, contents: &Contents, reference: &Reference) -> Result<Found, Refusal> {
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) if contents.ambiguous.contains(tag) => {
                return Err(Refusal::manifest_unknown(
                    "several images have this tag: request one by its digest",
                ));
            }
            Reference::Tag(tag) => contents.tags.get(tag).copied(),
        };
        let unknown = || Refusal::manifest_unknown("this repository does not have this manifest");
        let content = digest.and_then(|digest| contents.manifest(digest)).ok_or_else(unknown)?;
        let bytes = read_document(&content.blob).map_err(|error| match error {
            Error::BlobMissing { .. } => {
                Refusal::manifest_unknown("the layout does not have this manifest")
            }
            error => self.server.failed(&self.asked, Arc::new(error)),
        })?;
        Ok(Found::Manifest {
            media_type: content.media_type.clone(),
            digest: content.blob.descriptor().digest,
            bytes,
        })
    }
}

impl Server {
    /// The responses that belong to no repository. A list has only what the client may pull.
    pub(crate) fn list(&self, route: &Route, rights: &Rights) -> Found {
        match route {
            Route::Catalog(page) => {
                let names = range(&self.repositories, page);
                catalog(names.filter(|name| rights.allow(name)), page)
            }
            _ => Found::json([], &json!({})),
        }
    }

    /// What a client may know about an error. Paths of this machine are for the log only.
    pub(crate) fn failed(&self, asked: &Asked, error: Arc<Error>) -> Refusal {
        let Asked { id, target, .. } = asked.clone();
        self.tell(&Event::Failed { request: id, target, error });
        Refusal::failed("the requested content cannot be read: see the log of this registry")
    }
}

/// [Listing
/// referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers).
fn referrers(contents: &Contents, digest: AnyDigest, artifact_type: Option<&str>) -> Found {
    let all = digest.map_or(&[][..], |digest| contents.referrers(digest));
    let wanted = all.iter().filter(|referrer| {
        artifact_type.is_none() || referrer.artifact_type.as_deref() == artifact_type
    });
    let index = Index::of(wanted.cloned().collect());
    let mut headers = vec![(header::CONTENT_TYPE, MediaType::INDEX.to_string())];
    headers.extend(artifact_type.map(|_| (FILTERS, "artifactType".to_owned())));
    Found::Small { headers, bytes: json::to_bytes(&index) }
}

/// The page of the names in the catalog. The names start after the last one of the previous page.
pub(crate) fn catalog<'a>(names: impl Iterator<Item = &'a String>, page: &Page) -> Found {
    let (names, link) = part(names, page, "/v2/_catalog");
    Found::json(link, &json!({ "repositories": names }))
}

/// The page of the tags of a repository. The tags start after the last one of the previous page.
pub(crate) fn tags<'a>(name: &str, tags: impl Iterator<Item = &'a String>, page: &Page) -> Found {
    let (tags, link) = part(tags, page, &format!("/v2/{name}/tags/list"));
    Found::json(link, &json!({ "name": name, "tags": tags }))
}

/// The keys after the last one of the previous page. The cost does not depend on those before.
fn range<'a, V>(all: &'a BTreeMap<String, V>, page: &'a Page) -> impl Iterator<Item = &'a String> {
    let after = page.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    all.range::<str, _>((after, Bound::Unbounded)).map(|(name, _)| name)
}

/// One page of a sorted list, and a link to the next page, if any: [listing
/// tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags).
fn part<'a>(
    rest: impl Iterator<Item = &'a String>,
    page: &Page,
    path: &str,
) -> (Vec<&'a String>, Option<(HeaderName, String)>) {
    let mut rest = rest.peekable();
    let names: Vec<_> = rest.by_ref().take(page.n.unwrap_or(usize::MAX)).collect();
    let next = names.last().filter(|_| rest.peek().is_some());
    let link = next.map(|last| format!("<{path}?n={}&last={last}>; rel=\"next\"", names.len()));
    (names, link.map(|link| (header::LINK, link)))
}
