//! Finds what a request asks for in the current contents of a repository: by tag, digest or page of
//! a list.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use hyper::header::{self, HeaderName};
use serde_json::json;

use crate::{
    basics::{digest::Digest, error::Error, json},
    blob::chunks::read_document,
    document::{descriptor::MediaType, manifest::Index},
    registry::serve::{
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
    fn json(
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

/// Finds what the route names.
///
/// If a layout changed, it is read again first, which may take long. One request reads it, and the
/// others wait for the result without occupying a thread. A request for a digest that is already
/// known does not wait.
pub(crate) async fn find(
    server: &Arc<Server>,
    route: Route,
    target: &str,
) -> Result<Found, Refusal> {
    let Some(name) = route.repository().map(str::to_owned) else { return Ok(server.list(&route)) };
    let repository = server.repositories.get(&name);
    let repository =
        repository.ok_or_else(|| Refusal::name_unknown("there is no repository with this name"))?;
    let search = Arc::new(Search { server: Arc::clone(server), route, target: target.to_owned() });

    let (searching, fresh) = (Arc::clone(&search), Arc::clone(repository));
    let looked = blocking(server, move || {
        let found = searching.look(&*fresh.fresh()?);
        // If a tag moves, garbage collection may remove the old manifest after the index was read
        // and before the manifest was. The current index decides then.
        (found.is_ok() || fresh.fresh().is_some()).then_some(found)
    });
    let found = looked.await?;
    if let Some(found) = found {
        return found;
    }
    let turn = match repository.try_turn() {
        Some(turn) => turn,
        None => {
            let known = repository.known();
            if search.is_in(&known) {
                return blocking(server, move || search.look(&known)).await?;
            }
            repository.turn().await
        }
    };
    let reading = Arc::clone(repository);
    blocking(server, move || {
        // The reading thread holds the turn, because the client may disconnect before it is done.
        let _turn = turn;
        let look = || {
            let trouble =
                |error| search.server.tell(&Event::Unreadable { repository: name.clone(), error });
            search.look(&reading.contents(trouble))
        };
        match look() {
            Err(_) if reading.fresh().is_none() => look(),
            found => found,
        }
    })
    .await?
}

async fn blocking<T: Send + 'static>(
    server: &Server,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = server.blocking.run(work).await;
    done.map_err(|_| Refusal::failed("internal error: see the log of this registry"))
}

/// A request to a repository.
struct Search {
    server: Arc<Server>,
    route: Route,
    target: String,
}

impl Search {
    /// Whether the contents include what the request names by digest. A digest always means the
    /// same bytes, so older contents are sufficient.
    fn is_in(&self, contents: &Contents) -> bool {
        match self.route {
            Route::Manifest(_, Reference::Digest(Some(digest))) => {
                contents.manifest(digest).is_some()
            }
            Route::Blob(_, Some(digest)) => contents.blob(digest).is_some(),
            _ => false,
        }
    }

    fn look(&self, contents: &Contents) -> Result<Found, Refusal> {
        match &self.route {
            Route::Base | Route::Catalog(_) => Ok(self.server.list(&self.route)),
            Route::Tags(name, page) => {
                let (tags, link) = part(&contents.tags, page, &format!("/v2/{name}/tags/list"));
                Ok(Found::json(link, &json!({ "name": name, "tags": tags })))
            }
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
            error => self.server.failed(&self.target, Arc::new(error)),
        })?;
        Ok(Found::Manifest {
            media_type: content.media_type.clone(),
            digest: content.blob.descriptor().digest,
            bytes,
        })
    }
}

impl Server {
    /// The responses that belong to no repository.
    fn list(&self, route: &Route) -> Found {
        match route {
            Route::Catalog(page) => {
                let (names, link) = part(&self.repositories, page, "/v2/_catalog");
                Found::json(link, &json!({ "repositories": names }))
            }
            _ => Found::json([], &json!({})),
        }
    }

    /// What a client may know about an error. Paths of this machine are for the log only.
    pub(crate) fn failed(&self, target: &str, error: Arc<Error>) -> Refusal {
        self.tell(&Event::Failed { target: target.to_owned(), error });
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

/// One page of a sorted list, and a link to the next page, if any: [listing
/// tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags). The
/// cost depends on the page, not on the entries before it.
fn part<'a, V>(
    all: &'a BTreeMap<String, V>,
    page: &Page,
    path: &str,
) -> (Vec<&'a String>, Option<(HeaderName, String)>) {
    let after = page.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = all.range::<str, _>((after, Bound::Unbounded)).map(|(name, _)| name).peekable();
    let names: Vec<_> = rest.by_ref().take(page.n.unwrap_or(usize::MAX)).collect();
    let next = names.last().filter(|_| rest.peek().is_some());
    let link = next.map(|last| format!("<{path}?n={}&last={last}>; rel=\"next\"", names.len()));
    (names, link.map(|link| (header::LINK, link)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use tokio::{runtime::Builder, time};

    use super::*;
    use crate::{
        image::{config::image_config, manifest::image_manifest},
        layer::layer_tar::TarLayer,
        layout::image_layout::image_layout,
        registry::{Endpoint, serve::route::route},
    };

    /// Two repositories, of which the index of the first has changed.
    fn fixture() -> (tempfile::TempDir, Arc<Server>, Digest) {
        let dir = tempfile::TempDir::new().unwrap();
        let config = image_config(&[] as &[TarLayer], Value::Null).unwrap();
        let image = image_manifest(config, [] as [TarLayer; 0], Value::Null).unwrap();
        let layouts = ["a", "b"].map(|name| {
            let image = image.clone().tagged("latest");
            (name, image_layout(dir.path().join(name), [image], Value::Null).unwrap())
        });
        let server = Endpoint::new(layouts).unwrap().server().unwrap();
        let index = dir.path().join("a/index.json");
        let bytes = fs::read(&index).unwrap();
        assert!(
            server
                .repositories
                .values()
                .all(|repository| !repository.contents(|_| ()).tags.is_empty())
        );
        fs::write(dir.path().join("new"), bytes).unwrap();
        fs::rename(dir.path().join("new"), index).unwrap();
        (dir, server, image.digest())
    }

    async fn get(server: &Arc<Server>, target: &str) -> Result<Found, Refusal> {
        find(server, route(target, "").unwrap(), target).await
    }

    #[test]
    fn known_digests_are_served_while_a_layout_is_read_again() {
        let (_dir, server, digest) = fixture();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reading = server.repositories["a"].turn().await;
            let asking = Arc::clone(&server);
            let waiting: Vec<_> = (0..1000)
                .map(|_| {
                    let server = Arc::clone(&asking);
                    tokio::spawn(
                        async move { get(&server, "/v2/a/manifests/latest").await.is_ok() },
                    )
                })
                .collect();
            let manifest = format!("manifests/{digest}");
            for target in [
                "/v2/b/manifests/latest",
                "/v2/_catalog",
                &format!("/v2/a/{manifest}"),
                &format!("/v2/a/blobs/{digest}"),
            ] {
                assert!(get(&server, target).await.is_ok(), "{target}");
            }
            // Anything else may be in the index as it is now.
            let other = Digest::of(b"other");
            for target in
                ["tags/list", &format!("manifests/{other}"), &format!("referrers/{digest}")]
            {
                let target = format!("/v2/a/{target}");
                let answer =
                    time::timeout(std::time::Duration::from_millis(20), get(&server, &target))
                        .await;
                assert!(answer.is_err(), "{target}");
            }
            assert!(waiting.iter().all(|client| !client.is_finished()));
            drop(reading);
            for client in waiting {
                assert!(client.await.unwrap());
            }
        });
    }
}
