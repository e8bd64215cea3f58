//! Finds what a request asks for in the current contents of a repository: by tag, digest or page of
//! a list.

use std::sync::Arc;

use crate::registry::serve::{
    asked::Asked,
    event::Event,
    find_named,
    look::{Found, Search},
    refusal::Refusal,
    route::Route,
    server::Server,
};

/// Finds what the route names.
///
/// If a layout changed, it is read again first, which may take long. One request reads it, and the
/// others wait for the result without occupying a thread. A request for a digest that is already
/// known does not wait.
pub(crate) async fn find(
    server: &Arc<Server>,
    route: Route,
    asked: &Asked,
) -> Result<Found, Refusal> {
    let Some(name) = route.repository().map(str::to_owned) else {
        return match &server.named {
            Some(named) => find_named::list(server, named, route, asked).await,
            None => Ok(server.list(&route, &asked.rights)),
        };
    };
    let Some(repository) = server.repositories.get(&name) else {
        return match &server.named {
            Some(named) => find_named::find(server, named, route, asked).await,
            None => Err(Refusal::name_unknown("there is no repository with this name")),
        };
    };
    let search = Arc::new(Search { server: Arc::clone(server), route, asked: asked.clone() });

    let (searching, fresh) = (Arc::clone(&search), Arc::clone(repository));
    let looked = server.run(move || {
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
                return server.run(move || search.look(&known)).await?;
            }
            repository.turn().await
        }
    };
    let reading = Arc::clone(repository);
    server
        .run(move || {
            // The reading thread holds the turn, because the client may disconnect before it is done.
            let _turn = turn;
            let look = || {
                let trouble = |error| {
                    search.server.tell(&Event::Unreadable { repository: name.clone(), error })
                };
                search.look(&reading.contents(trouble))
            };
            match look() {
                Err(_) if reading.fresh().is_none() => look(),
                found => found,
            }
        })
        .await?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use tokio::{runtime::Builder, time};

    use super::*;
    use crate::{
        basics::digest::Digest,
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
        let client = ([127, 0, 0, 1], 1).into();
        find(server, route(target, "").unwrap(), &Asked::new("1", client, target)).await
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
