//! Error messages about registries: what happened, and what to do.

use rustls::CertificateError;

use crate::{
    basics::{registry_error::RegistryErrorKind as Kind, report::Report},
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
    Delete,
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
    /// The kind of a failure, and the message for it. The message contains no addresses, because
    /// these may contain a signature that is as good as a password.
    pub(crate) fn explain(&self, failure: &Failure) -> (Kind, String) {
        let Self { what, registry, .. } = self;
        match failure {
            Failure::Refused(refusal) => self.refused(refusal),
            Failure::Denied(said) => (Kind::Unauthorized, self.denied(&quote(said))),
            Failure::NoToken => (
                Kind::InvalidResponse,
                "the registry's token service returned neither `token` nor `access_token`: try \
                 again later"
                    .to_owned(),
            ),
            Failure::OtherBytes { expected, actual } => {
                let reason = match self.access {
                    Access::Push => format!(
                        "the registry reports that it stored {actual} instead of {expected}: it is \
                         damaged, or something between you and it is; push to another registry, or \
                         report this to its administrator"
                    ),
                    Access::Pull | Access::Delete => format!(
                        "the registry sent {actual} instead of {expected}: it is damaged, or \
                         something between you and it is; try again, or pull from another registry"
                    ),
                };
                (Kind::Damaged, reason)
            }
            Failure::Silent => (
                Kind::TimedOut,
                format!("the registry did not respond to the request for {what}: try again later"),
            ),
            Failure::StillWorks(time) => (
                Kind::TimedOut,
                format!(
                    "the registry responds, but did not answer the request for {what} within {} \
                     seconds: try again later",
                    time.as_secs_f32().round()
                ),
            ),
            Failure::Slow(least) => (Kind::TimedOut, slow(*least, what)),
            Failure::Request(error) => self.no_answer(error),
            Failure::Odd(why) => (Kind::InvalidResponse, self.odd(&printable(why))),
            Failure::Again(why) => (Kind::InvalidResponse, self.odd(why)),
            Failure::LacksForeign(refusal) => {
                let reason = format!(
                    "the registry refuses {what} because of non-distributable layers, which are \
                     not pushed{}: configure it to accept such layers, or push to another \
                     registry; pushing again does not help",
                    quote(&refusal.message)
                );
                (Kind::Refused { status: refusal.status }, reason)
            }
            Failure::Proxy(why) => {
                let reason = format!(
                    "the proxy for {registry} cannot be used ({}): correct HTTPS_PROXY or \
                     HTTP_PROXY, or add the registry to NO_PROXY",
                    printable(why)
                );
                (Kind::Unreachable, reason)
            }
            Failure::Ours(error) => (Kind::Local, Report(error).to_string()),
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> (Kind, String) {
        let Self { what, registry, .. } = self;
        let cause = root(error);
        match (tls_error(error), self.proxy) {
            (Some(error), _) => (Kind::Tls, self.tls(error, &cause)),
            (None, Some(proxy)) if error.is_connect() => {
                let reason = format!(
                    "cannot connect to {registry} through the proxy {proxy} ({cause}): correct \
                     HTTPS_PROXY or HTTP_PROXY, or add the registry to NO_PROXY"
                );
                (Kind::Unreachable, reason)
            }
            (None, None) if error.is_connect() => {
                let reason = format!(
                    "cannot connect to {registry} ({cause}): correct its name, or check the network"
                );
                (Kind::Unreachable, reason)
            }
            (None, _) if has_broken_off(error) => {
                let or = match self.is_plain {
                    true => ", or remove --plain-http if the registry uses TLS",
                    false => "",
                };
                let reason = format!(
                    "the connection was closed during the request for {what} ({cause}): try again \
                     later{or}"
                );
                (Kind::Interrupted, reason)
            }
            _ => (Kind::InvalidResponse, self.odd(&cause)),
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
        let login = format!(
            "`oci-layout login {registry}`, `docker login {registry}` or `podman login {registry}`"
        );
        let found = match self.notes {
            [] => String::new(),
            notes => format!(" ({})", printable(&notes.join("; "))),
        };
        let doing = if *access == Access::Delete { "deleting from" } else { "pushing to" };
        match (access, is_anonymous) {
            (Access::Pull, true) => format!(
                "access to {what} is denied without a login{said}{found}: correct the name, or \
                 log in with {login}"
            ),
            (Access::Pull, false) => format!(
                "access to {what} is denied for the current login{said}: correct the name, or log \
                 in again with {login}"
            ),
            (Access::Push | Access::Delete, true) => format!(
                "{doing} {repository} requires a login, and no credentials for {registry} were \
                 found{found}{said}: log in with {login}, or correct the name"
            ),
            (Access::Push | Access::Delete, false) => format!(
                "{doing} {repository} is denied for the current login{said}: correct the name, \
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

    /// The kind of an error response, and the message for it.
    fn refused(&self, refusal: &Refusal) -> (Kind, String) {
        let (what, status, said) = (self.what, refusal.status, quote(&refusal.message));
        if speaks_tls(refusal) {
            let reason = "the registry uses TLS, but the request did not: remove --plain-http";
            return (Kind::Tls, reason.to_owned());
        }
        if status == 407 {
            let reason = format!(
                "the proxy {} requires a login (status 407){said}: add USER:PASSWORD@ before its \
                 name in HTTPS_PROXY or HTTP_PROXY",
                self.proxy.unwrap_or("between you and the registry"),
            );
            return (Kind::Unreachable, reason);
        }
        if refusal.is_busy() {
            let wait = match refusal.retry_after {
                Some(wait) => format!("in {} seconds", wait.as_secs()),
                None => "later".to_owned(),
            };
            let reason = format!(
                "the registry received too many requests, the last one for {what}: try again \
                 {wait}, or log in"
            );
            return (Kind::TooManyRequests { retry_after: refusal.retry_after }, reason);
        }
        if let Some(reason) = self.unknown_login(refusal) {
            return (Kind::Unauthorized, reason);
        }
        let special = match self.access {
            Access::Push => self.refused_push(refusal, &said),
            Access::Delete => None,
            Access::Pull => refusal.has(&MISSING).then(|| (Kind::NotFound, missing(what, &said))),
        };
        if let Some(special) = special {
            return special;
        }
        if refusal.has(&["UNAUTHORIZED", "DENIED"]) {
            return (no_access(refusal), self.denied(&said));
        }
        let other = Kind::Refused { status };
        match (status, self.access) {
            (401 | 403, _) => (no_access(refusal), self.denied(&said)),
            (500.., _) => {
                let reason = format!(
                    "the registry failed with status {status}{said} on the request for {what}: try \
                     again later"
                );
                (Kind::Unavailable { status }, reason)
            }
            (404, Access::Pull) => (Kind::NotFound, missing(what, &said)),
            (_, Access::Pull | Access::Delete) => {
                let reason = match &*refusal.codes {
                    [] => format!(
                        "the registry returned status {status}{said} for {what}: check that this \
                         is a container registry"
                    ),
                    _ => format!("the registry refuses {what}{said}: correct the name"),
                };
                (other, reason)
            }
            (404, Access::Push) => {
                let reason = format!(
                    "the registry has no repository {}{said}: create it there first, or correct \
                     the name",
                    self.repository
                );
                (Kind::NotFound, reason)
            }
            (405, Access::Push) => {
                let reason =
                    format!("the registry does not accept pushes{said}: push to another registry");
                (other, reason)
            }
            (413, Access::Push) => {
                let or = if what.starts_with("blob") { ", or make smaller layers" } else { "" };
                let reason = format!(
                    "{what} is too large for the registry, or for a proxy in front of it{said}: \
                     raise the limit{or}"
                );
                (Kind::TooLarge, reason)
            }
            (409 | 412, Access::Push) if what.starts_with("tag ") => {
                let reason = format!(
                    "the registry refuses {what} with status {status}{said}: if the tag is \
                     immutable, push under another one; otherwise report this to its administrator"
                );
                (Kind::Conflict, reason)
            }
            (_, Access::Push) => {
                let reason = format!(
                    "the registry refuses {what} with status {status}{said}: push to another \
                     registry, or report this to its administrator"
                );
                (other, reason)
            }
        }
    }

    /// The kind of an error response to a push that its codes or its words explain, and the message
    /// for it.
    fn refused_push(&self, refusal: &Refusal, said: &str) -> Option<(Kind, String)> {
        let Self { what, registry, .. } = self;
        let words = refusal.message.to_lowercase();
        if what.starts_with("tag ") && is_immutable(refusal, &words) {
            let reason = match refusal.status {
                401 | 403 => format!(
                    "the registry does not let you overwrite {what}{said}: push under another tag, \
                     or log in as a user who may overwrite it, with \
                     `oci-layout login {registry}`, `docker login {registry}` or `podman login \
                     {registry}`"
                ),
                _ => format!(
                    "{what} names another image, and the registry does not let you overwrite \
                     it{said}: push under another tag, or remove the tag there or make it mutable"
                ),
            };
            return Some((Kind::Conflict, reason));
        }
        // A registry without a code for this uses DENIED.
        if refusal.status == 507 || words.contains("quota") || words.contains("exceed") {
            let reason = format!(
                "the registry has no space for {what}{said}: remove unused images there, or raise \
                 its limit"
            );
            return Some((Kind::TooLarge, reason));
        }
        if refusal.has(&["DIGEST_INVALID", "SIZE_INVALID"]) {
            let reason = format!(
                "the registry received {what} with other bytes than were sent{said}: something \
                 between you and it changes them; try again, or over another connection"
            );
            return Some((Kind::Damaged, reason));
        }
        refusal.has(&["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]).then(|| {
            let reason = format!(
                "the registry does not have a blob that {what} refers to{said}: push the image \
                 again"
            );
            (Kind::NotFound, reason)
        })
    }
}

/// Whether a login is required, or the current one does not suffice.
fn no_access(refusal: &Refusal) -> Kind {
    match refusal.status {
        401 => Kind::Unauthorized,
        403 => Kind::Denied,
        _ if refusal.has(&["UNAUTHORIZED"]) => Kind::Unauthorized,
        _ => Kind::Denied,
    }
}

/// The codes of a registry that does not have what a pull asks for.
const MISSING: [&str; 5] =
    ["MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "NOT_FOUND", "NAME_UNKNOWN"];

fn missing(what: &str, said: &str) -> String {
    match what.starts_with("blob") {
        true => format!(
            "the registry does not have {what}, which the manifest of the image refers to: push \
             the whole image again, or use another one"
        ),
        false => format!(
            "the registry does not have {what}{said}: correct the name, the tag or the digest"
        ),
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

/// The kind of an interruption of a response, and the message for it.
pub(crate) fn broken_off(failure: &Failure, what: &str) -> (Kind, String) {
    let (kind, cause) = match failure {
        Failure::Slow(least) => return (Kind::TimedOut, slow(*least, what)),
        Failure::Silent => (Kind::TimedOut, " (timeout)".to_owned()),
        Failure::Request(error) => (Kind::Interrupted, format!(" ({})", root(error))),
        _ => (Kind::Interrupted, String::new()),
    };
    (kind, format!("the registry stopped sending {what}{cause}: try again later"))
}

fn slow(LeastRate { bytes, window }: LeastRate, what: &str) -> String {
    format!(
        "the registry sends {what} at less than {bytes} bytes per second over {} seconds: try \
         again later, or pull from another registry",
        window.as_secs_f32()
    )
}

/// The message of a registry, in parentheses, unless it is empty.
pub(crate) fn quote(said: &str) -> String {
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
    fn messages_of_registries_are_safe_to_print() {
        assert_eq!(quote(" no\x1b[2J\nway "), " (no [2J way)");
        assert_eq!(quote(" \n"), "");
        assert_eq!(printable(&"x".repeat(300)), "x".repeat(200) + "…");
    }

    #[test]
    fn the_innermost_cause_is_reported() {
        let error = io::Error::other(io::Error::other(io::Error::other("a cause")));
        assert_eq!(root(&error), "a cause");
    }
}
