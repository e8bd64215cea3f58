//! Checks a user name and a password before they are stored.

use std::sync::Arc;

use reqwest::Method;

use crate::{
    basics::{
        error::{Error, Result},
        registry_error::RegistryErrorKind,
    },
    registry::{
        byte_counter::ByteCounter,
        client::Client,
        credentials::{Credentials, Secret},
        failure::Failure,
        http::Http,
        login::Login,
        message::Access,
        reference::Reference,
        session::Session,
    },
};

impl Client {
    /// Checks that a registry accepts this user name and password. Returns false if it asks for
    /// none, so that they could not be checked. [`Client::credentials`] is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] if the registry cannot be reached, does not accept them
    /// ([`RegistryErrorKind::Unauthorized`]), or sends an invalid response; [`Error::Invalid`] if
    /// the name is not that of a registry.
    pub fn check_login(&self, registry: &str, user: &str, password: &str) -> Result<bool> {
        let reference: Option<Reference> = format!("{registry}/login").parse().ok();
        let Some(reference) = reference.filter(|it| it.registry == registry) else {
            let reason = "expected HOST[:PORT], as in ghcr.io or localhost:5000";
            return Err(Error::invalid(format!("registry {registry:?}"), reason));
        };
        // The repository is none that exists.
        let named = |error| match error {
            Error::Registry { kind, reason, .. } => {
                Error::Registry { reference: registry.to_owned(), kind, reason }
            }
            other => other,
        };
        let anonymous = self.clone().credentials(Credentials::Anonymous);
        let http = Arc::new(Http::new(&anonymous, &reference)?);
        let counter = Arc::new(ByteCounter::new(None));
        let session =
            Session::over(&http, &counter, &anonymous, &reference, Access::Pull, Vec::new());
        let session = session.map_err(named)?;
        let root = || session.request(Method::GET, "/v2/");
        let is_open = || Ok(session.exchange_once(root())?.status().is_success());
        if session.attempt("a login", is_open).map_err(named)? {
            return Ok(false);
        }
        let login = Login::new(Secret::password(user, password), Vec::new());
        let refused = || match session.exchange_by(&login, root).and_then(|it| session.success(it))
        {
            Ok(_) => Ok(None),
            Err(Failure::Denied(message)) => Ok(Some(message)),
            Err(Failure::Refused(refusal)) if matches!(refusal.status, 401 | 403) => {
                Ok(Some(refusal.message))
            }
            Err(failure) => Err(failure),
        };
        match session.attempt("a login", refused).map_err(named)? {
            None => Ok(true),
            Some(_) => Err(Error::Registry {
                reference: registry.to_owned(),
                kind: RegistryErrorKind::Unauthorized,
                reason: "the registry does not accept this user name and password; some \
                         registries want a token instead of the password"
                    .to_owned(),
            }),
        }
    }
}
