//! What went wrong between us and a registry, in a sentence.

use std::{error::Error, io};

use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};

use crate::descriptor::{Descriptor, MediaType};

/// Whether the same request may succeed later.
pub(super) fn may_pass(error: &OciDistributionError) -> bool {
    match error {
        // Whoever is not there now seldom comes within seconds, and a wrong name never does.
        OciDistributionError::RequestError(error) => !error.is_connect() && !error.is_builder() && !error.is_redirect(),
        OciDistributionError::ServerError { code, .. } => matches!(code, 408 | 429 | 500..),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| error.code == OciErrorCode::Toomanyrequests)
        }
        _ => false,
    }
}

/// What went wrong when this was asked for, and what to do. Addresses are left out: they may hold a signature that is
/// as good as a password.
pub(super) fn sentence(error: OciDistributionError, what: &str, registry: &str, is_anonymous: bool) -> String {
    use OciDistributionError as E;
    if may_pass(&error)
        && let E::ServerError { code: 429, .. } | E::RegistryError { .. } = error
    {
        return format!("the registry has had too many requests (asked for {what}): try again later, or log in");
    }
    let login = format!("`docker login {registry}` or `podman login {registry}`");
    let denied = |said: String| match is_anonymous {
        true => {
            format!("the registry does not give {what} to everybody{said}: correct the name, or log in with {login}")
        }
        false => format!(
            "the registry does not give {what} to who you are logged in as{said}: correct the name, or log in again \
             with {login}"
        ),
    };
    match error {
        E::UnauthorizedError { .. } => denied(String::new()),
        E::AuthenticationFailure(said) => denied(quote(&said)),
        E::ServerError { code: 401 | 403, message, .. } => denied(quote(&message)),
        E::ServerError { code: 404, .. } => missing(what),
        E::ServerError { code, message, .. } if code >= 500 => {
            format!("the registry failed with status {code}{}, asked for {what}: try again later", quote(&message))
        }
        E::ServerError { code, message, .. } => {
            format!(
                "the registry answers with status {code}{}, asked for {what}: is it a registry of images?",
                quote(&message)
            )
        }
        E::RegistryError { envelope, .. } => {
            use OciErrorCode as C;
            let said = quote(&envelope.errors.iter().map(|error| &*error.message).collect::<Vec<_>>().join("; "));
            match envelope.errors.first().map(|error| &error.code) {
                Some(C::ManifestUnknown | C::BlobUnknown | C::ManifestBlobUnknown | C::NotFound | C::NameUnknown) => {
                    missing(what)
                }
                Some(C::Unauthorized | C::Denied) => denied(said),
                _ => format!("the registry refuses {what}{said}: correct the name"),
            }
        }
        E::DigestError(DigestError::VerificationError { expected, actual }) => {
            format!(
                "the registry sends other bytes than {expected}, namely {actual}: it is damaged, or something between \
                 you and it is; try again, or pull from elsewhere"
            )
        }
        E::RequestError(ref request) if request.is_timeout() => {
            format!("the registry is silent, asked for {what}: try again later")
        }
        E::RequestError(ref request) if request.is_connect() => unreachable(&error, registry),
        E::RegistryTokenDecodeError(_) => {
            "the registry hands out no token that can be read: try again later".to_owned()
        }
        error => format!("the registry cannot be understood, asked for {what} ({}): is it a registry?", root(&error)),
    }
}

fn missing(what: &str) -> String {
    match what.starts_with("blob") {
        true => format!(
            "the registry lacks {what}, which the image's manifest names: push the image again, whole, or take another"
        ),
        false => format!("the registry has no {what}: correct the name, the tag or the digest"),
    }
}

fn unreachable(error: &OciDistributionError, registry: &str) -> String {
    let cause = root(error);
    if cause.contains("certificate") {
        return format!(
            "the certificate of {registry} is not trusted here ({cause}): name its authority's file in SSL_CERT_FILE"
        );
    }
    // What rustls says of an answer without TLS.
    if cause.contains("corrupt message") {
        return "the registry does not speak TLS: if it shall be asked without, allow plain HTTP (--plain-http)"
            .to_owned();
    }
    format!("{registry} cannot be reached ({cause}): correct its name, or look after the network")
}

/// The innermost cause: the outer ones say that there was an error, and name addresses.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = source(innermost) {
        innermost = inner;
    }
    printable(&innermost.to_string())
}

/// What an error of reading a stream was made of is not its source.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inside = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source())
}

/// Whether a stream ended with other bytes than its digest says.
pub(super) fn is_other_digest(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<DigestError>())
}

/// What a blob is called, with where else it is if registries need not have it:
/// [non-distributable layers](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers).
pub(super) fn blob(Descriptor { digest, media_type, urls, .. }: &Descriptor) -> String {
    match [MediaType::FOREIGN_LAYER, MediaType::FOREIGN_LAYER_GZIP].contains(&media_type.to_oci()) || !urls.is_empty() {
        true => format!(
            "blob {digest} (a layer that registries need not have; its maker has it at {})",
            printable(&urls.join(", "))
        ),
        false => format!("blob {digest}"),
    }
}

/// A stream that broke off, in a sentence.
pub(super) fn broken_off(error: &io::Error, what: &str) -> String {
    match root(error) {
        // What reqwest says when its time for reading is over.
        cause if cause == "operation timed out" => {
            format!("the registry fell silent in the middle of {what}: try again later")
        }
        cause => format!("the registry broke off in the middle of {what} ({cause}): try again later"),
    }
}

/// What a registry said, to be put into a sentence.
fn quote(said: &str) -> String {
    match printable(said.trim()) {
        said if said.is_empty() => said,
        said => format!(" ({said})"),
    }
}

/// Whoever sends text may send much of it, and codes that change a terminal.
fn printable(text: &str) -> String {
    const MOST: usize = 200;
    let mut printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        printable.push('…');
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_cannot_do_anything() {
        assert_eq!(quote(" no\x1b[2J\nway "), " (no [2J way)");
        assert_eq!(quote(" \n"), "");
        assert_eq!(printable(&"x".repeat(300)), "x".repeat(200) + "…");
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let error = io::Error::other(io::Error::other(OciDistributionError::IoError(io::Error::other("a cause"))));
        assert_eq!(root(&error), "a cause");
    }
}
