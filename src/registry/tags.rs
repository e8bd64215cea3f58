//! Lists the tags of a repository.

use serde::Deserialize;

use crate::{
    basics::{
        error::{Error, Result},
        registry_error::RegistryErrorKind,
    },
    registry::{
        client::Client, failure::Refusal, message::quote, pages::pages, reference::Reference,
        session::Session,
    },
};

/// The most bytes of a list.
const MOST_BYTES: u64 = 256 << 20;

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
    // A registry that does not list tags has another code.
    let is_absent = |refusal: &Refusal| refusal.has(&["NAME_UNKNOWN"]);
    let parse =
        |page: &[u8]| serde_json::from_slice(page).map(|Page { tags }| tags.unwrap_or_default());
    pages(session, "the list of tags", MOST_BYTES, "tags/list".to_owned(), is_absent, parse)
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
