//! Deletes tags and manifests.

use reqwest::Method;

use crate::{
    basics::{error::Result, registry_error::RegistryErrorKind},
    registry::{
        client::Client, failure::Failure, message::Access, reference::Reference, session::Session,
    },
};

impl Client {
    /// Deletes a tag; or, if the reference has a digest, the manifest or index with this digest and
    /// all its tags. Blobs stay until the registry collects its garbage.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`](crate::Error::Registry) if the registry cannot be reached, denies
    /// access, does not have the image, or does not delete: many registries delete only by digest,
    /// or not at all. [`Error::Invalid`](crate::Error::Invalid) and
    /// [`Error::Read`](crate::Error::Read) for credentials.
    pub fn delete(&self, reference: &Reference) -> Result<()> {
        let session = Session::open_for(self, reference, Access::Delete)?;
        let (what, name) = match (reference.digest, &reference.tag) {
            (Some(digest), _) => (format!("manifest {digest}"), digest.to_string()),
            (None, tag) => {
                let tag = tag.as_deref().unwrap_or("latest");
                (format!("tag {tag}"), tag.to_owned())
            }
        };
        let path = format!("manifests/{name}");
        let request = || match session.ask(|| session.request(Method::DELETE, &path)) {
            Err(Failure::Refused(refusal)) => match refused(refusal.status, &refusal.codes) {
                Some(outcome) => Ok(outcome),
                None => Err(Failure::Refused(refusal)),
            },
            answer => answer.map(|_| Outcome::Deleted),
        };
        let (kind, reason) = match session.attempt(&what, request)? {
            Outcome::Deleted => return Ok(()),
            Outcome::Missing => (
                RegistryErrorKind::NotFound,
                format!(
                    "the registry does not have {what}: correct the name, the tag or the digest"
                ),
            ),
            Outcome::Unsupported(status) => {
                let advice = match reference.digest {
                    Some(_) => "enable deletion in its configuration, or use its own interface",
                    None => {
                        "delete the image by its digest, PATH@sha256:…, which deletes all its tags \
                         (`oci-layout digest` prints it); or enable deletion in its configuration"
                    }
                };
                let kind = RegistryErrorKind::Refused { status };
                (kind, format!("the registry does not support deleting {what}: {advice}"))
            }
        };
        Err(session.refuse(kind, reason))
    }
}

enum Outcome {
    Deleted,
    Missing,
    Unsupported(u16),
}

/// What an error response to a deletion [means](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#deleting-manifests).
fn refused(status: u16, codes: &[String]) -> Option<Outcome> {
    let has = |code: &str| codes.iter().any(|it| it == code);
    match status {
        405 | 501 => Some(Outcome::Unsupported(status)),
        400 if has("UNSUPPORTED") || has("DIGEST_INVALID") => Some(Outcome::Unsupported(status)),
        404 => Some(Outcome::Missing),
        _ => None,
    }
}
