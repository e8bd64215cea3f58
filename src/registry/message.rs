//! Error messages about registries: what happened, and what to do.

use rustls::CertificateError;

use crate::{
    document::descriptor::{Descriptor, MediaType},
    registry::{
        failure::{
            Failure, Refusal, has_broken_off, is_about_certificate, printable, root, tls_error,
        },
        pace::LeastRate,
        tls::verifier::is_marked_as_authority,
    },
};

/// The access to a repository that an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// The context of a failed request.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) what: &'a str,
    pub(crate) registry: &'a str,
    pub(crate) repository: &'a str,
    pub(crate) access: Access,
    pub(crate) is_anonymous: bool,
    /// Why credentials may be missing.
    pub(crate) notes: &'a [String],
    /// The proxy for the registry.
    pub(crate) proxy: Option<&'a str>,
    /// Whether the user disabled TLS.
    pub(crate) is_plain: bool,
}

impl Asked<'_> {
    /// The message for a failure. It contains no addresses, because these may contain a signature
    /// that is as good as a password.
    pub(crate) fn sentence(&self, failure: &Failure) -> String {
        let Self { what, registry, .. } = self;
        match failure {
            Failure::Refused(refusal) => self.refused(refusal),
            Failure::Denied(said) => self.denied(&quote(said)),
            Failure::NoToken => "the registry's token service returned neither `token` nor \
                                 `access_token`: try again later"
                .to_owned(),
            Failure::OtherBytes { expected, actual } if self.access == Access::Push => format!(
                "the registry reports that it stored {actual} instead of {expected}: it is \
                 damaged, or something between you and it is; push to another registry, or report \
                 this to its administrator"
            ),
            Failure::OtherBytes { expected, actual } => format!(
                "the registry sent {actual} instead of {expected}: it is damaged, or something \
                 between you and it is; try again, or pull from another registry"
            ),
            Failure::Silent => {
                format!("the registry did not respond to the request for {what}: try again later")
            }
            Failure::Slow(least) => slow(*least, what),
            Failure::Request(error) => self.no_answer(error),
            Failure::Odd(why) => self.odd(&printable(why)),
            Failure::Again(why) => self.odd(why),
            Failure::LacksForeign(refusal) => format!(
                "the registry refuses {what} because of non-distributable layers, which are not \
                 pushed{}: configure it to accept such layers, or push to another registry; \
                 pushing again does not help",
                quote(&refusal.message)
            ),
            Failure::Proxy(why) => format!(
                "the proxy for {registry} cannot be used ({}): correct HTTPS_PROXY or HTTP_PROXY, \
                 or add the registry to NO_PROXY",
                printable(why)
            ),
            Failure::Ours(error) => error.to_string(),
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> String {
        let Self { what, registry, .. } = self;
        let cause = root(error);
        match (tls_error(error), self.proxy) {
            (Some(error), _) => self.tls(error, &cause),
            (None, Some(proxy)) if error.is_connect() => format!(
                "cannot connect to {registry} through the proxy {proxy} ({cause}): correct \
                 HTTPS_PROXY or HTTP_PROXY, or add the registry to NO_PROXY"
            ),
            (None, None) if error.is_connect() => format!(
                "cannot connect to {registry} ({cause}): correct its name, or check the network"
            ),
            (None, _) if has_broken_off(error) => {
                let or = match self.is_plain {
                    true => ", or remove --plain-http if the registry uses TLS",
                    false => "",
                };
                format!(
                    "the connection was closed during the request for {what} ({cause}): try again \
                     later{or}"
                )
            }
            _ => self.odd(&cause),
        }
    }

    fn odd(&self, why: &str) -> String {
        format!(
            "the response to the request for {} is invalid ({why}): check that this is a \
             container registry",
            self.what
        )
    }

    fn denied(&self, said: &str) -> String {
        let Self { what, registry, repository, access, is_anonymous, .. } = self;
        let login = format!("`docker login {registry}` or `podman login {registry}`");
        let found = match self.notes {
            [] => String::new(),
            notes => format!(" ({})", printable(&notes.join("; "))),
        };
        match (access, is_anonymous) {
            (Access::Pull, true) => format!(
                "access to {what} is denied without a login{said}{found}: correct the name, or \
                 log in with {login}"
            ),
            (Access::Pull, false) => format!(
                "access to {what} is denied for the current login{said}: correct the name, or log \
                 in again with {login}"
            ),
            (Access::Push, true) => format!(
                "pushing to {repository} requires a login, and no credentials for {registry} were \
                 found{found}{said}: log in with {login}, or correct the name"
            ),
            (Access::Push, false) => format!(
                "pushing to {repository} is denied for the current login{said}: correct the name, \
                 or log in as another user with {login}"
            ),
        }
    }

    /// The message if the registry requires a scheme that is not supported.
    fn unknown_login(
        &self,
        Refusal { status, schemes, has_challenge, message, .. }: &Refusal,
    ) -> Option<String> {
        let is_known = |scheme: &String| ["basic", "bearer"].contains(&&*scheme.to_lowercase());
        if *status != 401 || schemes.iter().any(is_known) {
            return None;
        }
        let how = match (has_challenge, &**schemes) {
            (false, _) => "sends no WWW-Authenticate header".to_owned(),
            (true, []) => "its WWW-Authenticate header is malformed".to_owned(),
            (true, schemes) => {
                format!("accepts only {}, which is not supported", printable(&schemes.join(", ")))
            }
        };
        let (what, said) = (self.what, quote(message));
        Some(format!(
            "the registry requires a login for {what}, but {how}{said}: configure it, or the proxy \
             in front of it, to accept Basic or Bearer"
        ))
    }

    /// The message for an error of TLS.
    fn tls(&self, error: &rustls::Error, cause: &str) -> String {
        let registry = self.registry;
        match error {
            rustls::Error::InvalidMessage(_) => {
                "the registry does not use TLS: to allow plain HTTP, add --plain-http".to_owned()
            }
            rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => format!(
                "{registry} requires a client certificate that it trusts ({cause}): put yours, as \
                 NAME.cert and NAME.key, into the folder of the registry in certs.d, or pass its \
                 folder with --cert-dir"
            ),
            error if is_marked_as_authority(error) => format!(
                "the certificate of {registry} is not trusted ({cause}): it is marked as the \
                 certificate of an authority, and neither it nor its issuer is trusted; pass the \
                 file of either with --ca-file"
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => format!(
                "the certificate of {registry} is not valid now ({cause}): renew it, or correct \
                 the clock"
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => format!(
                "the certificate of {registry} is for another name ({cause}): use that name, or \
                 issue a certificate with this name as its subjectAltName"
            ),
            rustls::Error::InvalidCertificate(_) => format!(
                "the certificate of {registry} is not trusted ({cause}): pass the file of its \
                 authority, or its own, with --ca-file or in SSL_CERT_FILE"
            ),
            _ => format!(
                "the TLS connection to {registry} failed ({cause}): report this to the \
                 administrator of the registry"
            ),
        }
    }

    /// The message for an error response.
    fn refused(&self, refusal: &Refusal) -> String {
        let (what, said) = (self.what, quote(&refusal.message));
        if speaks_tls(refusal) {
            return "the registry uses TLS, but the request did not: remove --plain-http"
                .to_owned();
        }
        if refusal.status == 407 {
            return format!(
                "the proxy {} requires a login (status 407){said}: add USER:PASSWORD@ before its \
                 name in HTTPS_PROXY or HTTP_PROXY",
                self.proxy.unwrap_or("between you and the registry"),
            );
        }
        if refusal.is_busy() {
            let wait = match refusal.retry_after {
                Some(wait) => format!("in {} seconds", wait.as_secs()),
                None => "later".to_owned(),
            };
            return format!(
                "the registry received too many requests, the last one for {what}: try again \
                 {wait}, or log in"
            );
        }
        if let Some(sentence) = self.unknown_login(refusal) {
            return sentence;
        }
        let special = match self.access {
            Access::Push => self.refused_push(refusal, &said),
            Access::Pull if refusal.has(&MISSING) => Some(missing(what)),
            Access::Pull => None,
        };
        if let Some(sentence) = special {
            return sentence;
        }
        if refusal.has(&["UNAUTHORIZED", "DENIED"]) {
            return self.denied(&said);
        }
        match (refusal.status, self.access) {
            (401 | 403, _) => self.denied(&said),
            (500.., _) => format!(
                "the registry failed with status {}{said} on the request for {what}: try again \
                 later",
                refusal.status
            ),
            (404, Access::Pull) => missing(what),
            (status, Access::Pull) => match &*refusal.codes {
                [] => format!(
                    "the registry returned status {status}{said} for {what}: check that this is a \
                     container registry"
                ),
                _ => format!("the registry refuses {what}{said}: correct the name"),
            },
            (404, Access::Push) => format!(
                "the registry has no repository {}{said}: create it there first, or correct the \
                 name",
                self.repository
            ),
            (405, Access::Push) => {
                format!("the registry does not accept pushes{said}: push to another registry")
            }
            (413, Access::Push) => {
                let or = if what.starts_with("blob") { ", or make smaller layers" } else { "" };
                format!(
                    "{what} is too large for the registry, or for a proxy in front of it{said}: \
                     raise the limit{or}"
                )
            }
            (status @ (409 | 412), Access::Push) if what.starts_with("tag ") => format!(
                "the registry refuses {what} with status {status}{said}: if the tag is immutable, \
                 push under another one; otherwise report this to its administrator"
            ),
            (status, Access::Push) => format!(
                "the registry refuses {what} with status {status}{said}: push to another registry, \
                 or report this to its administrator"
            ),
        }
    }

    /// The message for an error response to a push that its codes or its words explain.
    fn refused_push(&self, refusal: &Refusal, said: &str) -> Option<String> {
        let Self { what, registry, .. } = self;
        let words = refusal.message.to_lowercase();
        if what.starts_with("tag ") && is_immutable(refusal, &words) {
            return Some(match refusal.status {
                401 | 403 => format!(
                    "the registry does not let you overwrite {what}{said}: push under another tag, \
                     or log in as a user who may overwrite it, with `docker login {registry}` or \
                     `podman login {registry}`"
                ),
                _ => format!(
                    "{what} names another image, and the registry does not let you overwrite \
                     it{said}: push under another tag, or remove the tag there or make it mutable"
                ),
            });
        }
        // A registry without a code for this uses DENIED.
        if refusal.status == 507 || words.contains("quota") || words.contains("exceed") {
            return Some(format!(
                "the registry has no space for {what}{said}: remove unused images there, or raise \
                 its limit"
            ));
        }
        if refusal.has(&["DIGEST_INVALID", "SIZE_INVALID"]) {
            return Some(format!(
                "the registry received {what} with other bytes than were sent{said}: something \
                 between you and it changes them; try again, or over another connection"
            ));
        }
        refusal.has(&["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]).then(|| {
            format!(
                "the registry does not have a blob that {what} refers to{said}: push the image \
                 again"
            )
        })
    }
}

/// The codes of a registry that does not have what a pull asks for.
const MISSING: [&str; 5] =
    ["MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "NOT_FOUND", "NAME_UNKNOWN"];

fn missing(what: &str) -> String {
    match what.starts_with("blob") {
        true => format!(
            "the registry does not have {what}, which the manifest of the image refers to: push \
             the whole image again, or use another one"
        ),
        false => {
            format!("the registry does not have {what}: correct the name, the tag or the digest")
        }
    }
}

/// Whether a tag exists and is immutable. Registries have no common code for this, only messages.
fn is_immutable(refusal: &Refusal, words: &str) -> bool {
    let codes = refusal.codes.join(" ").to_uppercase();
    let said = [
        "immutab",
        "overwrit",
        "already exist",
        "permissions to delete",
        "not allow updating",
        "cannot be updated",
        "cannot update",
        "cannot be changed",
        "cannot be modified",
        "locked",
        "protected",
    ];
    codes.contains("IMMUTABLE")
        || codes.contains("ALREADY_EXISTS")
        || said.iter().any(|said| words.contains(said))
}

/// Whether the server reports that it expects TLS.
fn speaks_tls(refusal: &Refusal) -> bool {
    let words = refusal.message.to_lowercase();
    let said = [
        "http request to an https server",
        "http request was sent to https port",
        "ssl-enabled server port",
    ];
    refusal.status == 400 && said.iter().any(|said| words.contains(said))
}

/// A blob in messages. For a [non-distributable
/// layer](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers),
/// it includes the `urls` where its publisher provides it.
pub(crate) fn blob_name(descriptor: &Descriptor) -> String {
    let Descriptor { digest, urls, .. } = descriptor;
    match is_foreign(descriptor) {
        true => format!(
            "blob {digest} (a non-distributable layer, which its publisher provides at {})",
            printable(&urls.join(", "))
        ),
        false => format!("blob {digest}"),
    }
}

/// Whether the blob is a non-distributable layer, which is not pushed.
pub(crate) fn is_foreign(Descriptor { media_type, urls, .. }: &Descriptor) -> bool {
    media_type.to_oci().as_str().starts_with(MediaType::FOREIGN_LAYER.as_str()) || !urls.is_empty()
}

/// The message for a response that was interrupted.
pub(crate) fn broken_off(failure: &Failure, what: &str) -> String {
    let cause = match failure {
        Failure::Slow(least) => return slow(*least, what),
        Failure::Silent => " (timeout)".to_owned(),
        Failure::Request(error) => format!(" ({})", root(error)),
        _ => String::new(),
    };
    format!("the registry stopped sending {what}{cause}: try again later")
}

fn slow(LeastRate { bytes, window }: LeastRate, what: &str) -> String {
    format!(
        "the registry sends {what} at less than {bytes} bytes per second over {} seconds: try \
         again later, or pull from another registry",
        window.as_secs_f32()
    )
}

/// The message of a registry, in parentheses, unless it is empty.
fn quote(said: &str) -> String {
    match printable(said.trim()) {
        said if said.is_empty() => said,
        said => format!(" ({said})"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_registries_say_cannot_do_anything() {
        assert_eq!(quote(" no\x1b[2J\nway "), " (no [2J way)");
        assert_eq!(quote(" \n"), "");
        assert_eq!(printable(&"x".repeat(300)), "x".repeat(200) + "…");
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let error = io::Error::other(io::Error::other(io::Error::other("a cause")));
        assert_eq!(root(&error), "a cause");
    }
}
