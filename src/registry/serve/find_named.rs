//! Finds what a request asks for among the named images.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    image::graph::Image,
    registry::serve::{
        asked::Asked,
        look::{self, Found, Search},
        named::Named,
        named_images::NamedImageError,
        places::network,
        refusal::Refusal,
        route::{Page, Reference, Route},
        server::Server,
        shared_making::Asker,
    },
};

/// Finds what the route names. If it names a tag whose image is not known, the image is made.
/// What it names by a digest is only looked up, in images of the same name.
pub(crate) async fn find(
    server: &Arc<Server>,
    named: &Arc<Named>,
    route: Route,
    asked: &Asked,
) -> Result<Found, Refusal> {
    let search = |route| Search { server: Arc::clone(server), route, asked: asked.clone() };
    let its = Arc::clone(named);
    match route {
        Route::Manifest(name, Reference::Tag(tag)) => {
            let image = image(server, named, &name, &tag, asked).await?;
            let digest = Reference::Digest(Some(image.digest()));
            let search = search(Route::Manifest(name, digest));
            server.run(move || search.look(&its.contents(&image))).await?
        }
        Route::Tags(name, page) => {
            let list = move || Ok(tags(&name, &its.images.tags(&name)?, &page));
            server.run(list).await?.map_err(|error: NamedImageError| error.into())
        }
        Route::Manifest(_, Reference::Digest(digest))
        | Route::Blob(_, digest)
        | Route::Referrers(_, digest, _) => {
            let search = search(route);
            let look = move || {
                let name = search.route.repository().unwrap_or_default();
                let image = digest.and_then(|digest| its.images.holding(name, digest));
                let contents = image.map(|image| its.contents(&image)).unwrap_or_default();
                search.look(&contents)
            };
            server.run(look).await?
        }
        Route::Base | Route::Catalog(_) => list(server, named, route, asked).await,
    }
}

/// The image with this name and tag.
async fn image(
    server: &Arc<Server>,
    named: &Arc<Named>,
    name: &str,
    tag: &str,
    asked: &Asked,
) -> Result<Arc<Image>, Refusal> {
    let request = named.images.request(name, tag)?;
    let (its, canonical) = (Arc::clone(named), request.clone());
    if let Some(image) = server.run(move || its.images.known(&canonical)).await? {
        return Ok(image);
    }
    let client = network(asked.client.ip());
    let asker = Asker { client, id: asked.id.clone(), image: format!("{name}:{tag}") };
    Ok(named.makings.image(&request, asker).await?)
}

/// The responses that belong to no repository.
pub(crate) async fn list(
    server: &Arc<Server>,
    named: &Arc<Named>,
    route: Route,
    asked: &Asked,
) -> Result<Found, Refusal> {
    let rights = asked.rights.clone();
    let Route::Catalog(page) = route else { return Ok(server.list(&route, &rights)) };
    let (named, fixed) = (Arc::clone(named), Arc::clone(server));
    let list = move || {
        let mut names: BTreeSet<String> = named.images.names().into_iter().collect();
        names.extend(fixed.repositories.keys().cloned());
        let names: Vec<String> = names.into_iter().filter(|name| rights.allow(name)).collect();
        look::catalog(after(&names, &page), &page)
    };
    server.run(list).await
}

fn tags(name: &str, tags: &[String], page: &Page) -> Found {
    look::tags(name, after(tags, page), page)
}

/// The part of a sorted list after the last entry of the previous page.
fn after<'a>(sorted: &'a [String], page: &Page) -> impl Iterator<Item = &'a String> {
    let last = page.last.as_deref();
    let from = last.map_or(0, |last| sorted.partition_point(|entry| entry.as_str() <= last));
    sorted[from..].iter()
}
