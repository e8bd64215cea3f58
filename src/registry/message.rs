//! What went wrong between us and a registry, in a sentence that says what to do.

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

/// What one wants to do with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// What was asked for when something went wrong, of whom, and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) what: &'a str,
    pub(crate) registry: &'a str,
    pub(crate) repository: &'a str,
    pub(crate) access: Access,
    pub(crate) is_anonymous: bool,
    /// Why no credentials were found where there may be some.
    pub(crate) notes: &'a [String],
    /// The proxy between us and the registry.
    pub(crate) proxy: Option<&'a str>,
    /// The user wants no TLS.
    pub(crate) is_plain: bool,
}

impl Asked<'_> {
    /// What went wrong, and a sentence that says what to do. It has no addresses, because they may
    /// contain a signature that is as good as a password.
    pub(crate) fn explain(&self, failure: &Failure) -> (Kind, String) {
        let Self { what, registry, .. } = self;
        match failure {
            Failure::Refused(refusal) => self.refused(refusal),
            Failure::Denied(said) => (Kind::Unauthorized, self.denied(&quote(said))),
            Failure::NoToken => {
                let why = "neither as `token` nor as `access_token`";
                let reason = format!(
                    "the registry hands out no token that can be read, {why}: try again later"
                );
                (Kind::InvalidResponse, reason)
            }
            Failure::OtherBytes { expected, actual } => {
                let reason = match self.access {
                    Access::Push => format!(
                        "the registry says that it took in {actual}, and {expected} was sent: it \
                         is damaged, or something between you and it is; push to another, or ask \
                         who runs it"
                    ),
                    Access::Pull => format!(
                        "the registry sends other bytes than {expected}, namely {actual}: it is \
                         damaged, or something between you and it is; try again, or pull from \
                         elsewhere"
                    ),
                };
                (Kind::Damaged, reason)
            }
            Failure::Silent => (
                Kind::TimedOut,
                format!("the registry is silent, asked for {what}: try again later"),
            ),
            Failure::Slow(least) => (Kind::TimedOut, too_slow(*least, what)),
            Failure::Request(error) => self.no_answer(error),
            Failure::Odd(why) => (Kind::InvalidResponse, self.odd(&printable(why))),
            Failure::Again(why) => (Kind::InvalidResponse, self.odd(why)),
            Failure::LacksForeign(refusal) => {
                let reason = format!(
                    "the registry refuses {what} because of layers that registries need not have \
                     and that are not sent{}: configure it to accept such layers, or push to \
                     another; to push again does not help",
                    quote(&refusal.message)
                );
                (Kind::Refused { status: refusal.status }, reason)
            }
            Failure::Proxy(why) => {
                let reason = format!(
                    "the proxy for {registry} cannot be used ({}): correct HTTPS_PROXY or \
                     HTTP_PROXY, or name the registry in NO_PROXY",
                    printable(why)
                );
                (Kind::Unreachable, reason)
            }
            Failure::Ours(error) => (Kind::Local, Report(error).to_string()),
        }
    }

    fn refused(&self, refusal: &Refusal) -> (Kind, String) {
        let what = self.what;
        if speaks_tls(refusal) {
            let reason = "the registry speaks TLS, and was asked without: leave out --plain-http";
            return (Kind::Tls, reason.to_owned());
        }
        if refusal.status == 407 {
            let reason = format!(
                "the proxy {} requires a login (status 407){}: put USER:PASSWORD@ in front of its \
                 name in HTTPS_PROXY or HTTP_PROXY",
                self.proxy.unwrap_or("between you and the registry"),
                quote(&refusal.message)
            );
            return (Kind::Unreachable, reason);
        }
        if refusal.is_busy() {
            let wait = match refusal.retry_after {
                Some(wait) => format!("in {} seconds", wait.as_secs()),
                None => "later".to_owned(),
            };
            let reason = format!(
                "the registry has had too many requests (asked for {what}): try again {wait}, or \
                 log in"
            );
            return (Kind::TooManyRequests { retry_after: refusal.retry_after }, reason);
        }
        match self.access {
            Access::Push => self.refused_push(refusal),
            Access::Pull => self.refused_pull(refusal),
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> (Kind, String) {
        let Self { what, registry, .. } = self;
        let cause = root(error);
        match (tls_error(error), self.proxy) {
            (Some(error), _) => (Kind::Tls, self.tls(error, &cause)),
            (None, Some(proxy)) if error.is_connect() => {
                let reason = format!(
                    "{registry} cannot be reached through the proxy {proxy} ({cause}): correct \
                     HTTPS_PROXY or HTTP_PROXY, or name the registry in NO_PROXY"
                );
                (Kind::Unreachable, reason)
            }
            (None, None) if error.is_connect() => {
                let reason = format!(
                    "{registry} cannot be reached ({cause}): correct its name, or look after the \
                     network"
                );
                (Kind::Unreachable, reason)
            }
            (None, _) if has_broken_off(error) => {
                let or = if self.is_plain {
                    ", or leave out --plain-http if the registry speaks TLS"
                } else {
                    ""
                };
                let reason = format!(
                    "the connection to the registry broke off, asked for {what} ({cause}): try \
                     again later{or}"
                );
                (Kind::Interrupted, reason)
            }
            _ => (Kind::InvalidResponse, self.odd(&cause)),
        }
    }

    fn odd(&self, why: &str) -> String {
        format!(
            "the registry cannot be understood, asked for {} ({why}): is it a registry?",
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
            (Access::Pull, true) => {
                format!(
                    "the registry does not give {what} to everybody{said}{found}: correct the \
                     name, or log in with {login}"
                )
            }
            (Access::Pull, false) => format!(
                "the registry does not give {what} to who you are logged in as{said}: correct the \
                 name, or log in again with {login}"
            ),
            (Access::Push, true) => format!(
                "the registry lets nobody push to {repository} without a login, and none for \
                 {registry} was found{found}{said}: log in with {login}, or correct the name"
            ),
            (Access::Push, false) => format!(
                "the registry does not let who you are logged in as push to {repository}{said}: \
                 correct the name, or log in as somebody who may with {login}"
            ),
        }
    }

    /// The sentence about a login of a kind that is unknown here, if the registry requires one.
    fn unknown_login(
        &self,
        Refusal { status, schemes, has_challenge, message, .. }: &Refusal,
    ) -> Option<String> {
        let is_known = |scheme: &String| ["basic", "bearer"].contains(&&*scheme.to_lowercase());
        if *status != 401 || schemes.iter().any(is_known) {
            return None;
        }
        let how = match (has_challenge, &**schemes) {
            (false, _) => "sends no header WWW-Authenticate that says how".to_owned(),
            (true, []) => "its header WWW-Authenticate cannot be understood".to_owned(),
            (true, schemes) => {
                format!("accepts only {}, which is unknown here", printable(&schemes.join(", ")))
            }
        };
        let (what, said) = (self.what, quote(message));
        Some(format!(
            "the registry, asked for {what}, requires a login, but {how}{said}: configure it, or \
             the proxy in front of it, to accept Basic or Bearer"
        ))
    }

    /// Why there is no connection with TLS.
    fn tls(&self, error: &rustls::Error, cause: &str) -> String {
        let registry = self.registry;
        match error {
            rustls::Error::InvalidMessage(_) => {
                "the registry does not speak TLS: if it shall be asked without, allow plain HTTP \
                 (--plain-http)"
                    .to_owned()
            }
            rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => format!(
                "{registry} requires a client certificate that it trusts ({cause}): put yours, as \
                 NAME.cert and NAME.key, into the registry's folder in certs.d, or name its folder \
                 with --cert-dir"
            ),
            error if is_marked_as_authority(error) => format!(
                "the certificate of {registry} is not trusted here ({cause}): it is marked as that \
                 of an authority, and neither it nor its issuer is trusted; name the file of \
                 either with --ca-file"
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => format!(
                "the certificate of {registry} is not valid now ({cause}): have it renewed, or \
                 correct the clock"
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => format!(
                "the certificate of {registry} is for another name ({cause}): use that name, or \
                 make a certificate that has this one as its subjectAltName"
            ),
            rustls::Error::InvalidCertificate(_) => format!(
                "the certificate of {registry} is not trusted here ({cause}): name the file of its \
                 authority, or its own, with --ca-file or in SSL_CERT_FILE"
            ),
            _ => format!(
                "the connection with TLS to {registry} failed ({cause}): ask who runs the registry"
            ),
        }
    }

    fn refused_pull(&self, refusal: &Refusal) -> (Kind, String) {
        const UNKNOWN: [&str; 5] = [
            "MANIFEST_UNKNOWN",
            "BLOB_UNKNOWN",
            "MANIFEST_BLOB_UNKNOWN",
            "NOT_FOUND",
            "NAME_UNKNOWN",
        ];
        if let Some(sentence) = self.unknown_login(refusal) {
            return (Kind::Unauthorized, sentence);
        }
        let (what, said) = (self.what, quote(&refusal.message));
        if refusal.has(&UNKNOWN) {
            return (Kind::NotFound, missing(what));
        }
        if refusal.has(&["UNAUTHORIZED", "DENIED"]) {
            return (no_access(refusal), self.denied(&said));
        }
        match refusal.status {
            401 | 403 => (no_access(refusal), self.denied(&said)),
            404 => (Kind::NotFound, missing(what)),
            500.. => self.broken(refusal),
            status if !refusal.codes.is_empty() => (
                Kind::Refused { status },
                format!("the registry refuses {what}{said}: correct the name"),
            ),
            status => {
                let reason = format!(
                    "the registry answers with status {status}{said}, asked for {what}: is it a \
                     registry of images?"
                );
                (Kind::Refused { status }, reason)
            }
        }
    }

    fn refused_push(&self, refusal: &Refusal) -> (Kind, String) {
        let Self { what, repository, registry, .. } = self;
        let (said, words) = (quote(&refusal.message), refusal.message.to_lowercase());
        let status = refusal.status;
        if let Some(sentence) = self.unknown_login(refusal) {
            return (Kind::Unauthorized, sentence);
        }
        if what.starts_with("tag ") && is_immutable(refusal, &words) {
            let reason = match status {
                401 | 403 => format!(
                    "the registry does not let you overwrite {what}{said}: push under another tag, \
                     or log in as somebody who may overwrite it with `docker login {registry}` or \
                     `podman login {registry}`"
                ),
                _ => format!(
                    "the registry does not let {what} name another image{said}: push under another \
                     tag, or remove the tag there or make it mutable"
                ),
            };
            return (Kind::Conflict, reason);
        }
        // A registry that has no code of its own for it says DENIED.
        if status == 507 || words.contains("quota") || words.contains("exceed") {
            let reason = format!(
                "the registry has no room for {what}{said}: remove there what is not needed, or \
                 have its limit raised"
            );
            return (Kind::TooLarge, reason);
        }
        if refusal.has(&["DIGEST_INVALID", "SIZE_INVALID"]) {
            let reason = format!(
                "the registry got other bytes than {what}, which were right when they left{said}: \
                 something between you and it changes them; try again, or by another way"
            );
            return (Kind::Damaged, reason);
        }
        if refusal.has(&["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]) {
            let reason =
                format!("the registry lacks a blob that {what} names{said}: push the image again");
            return (Kind::NotFound, reason);
        }
        if refusal.has(&["UNAUTHORIZED", "DENIED"]) {
            return (no_access(refusal), self.denied(&said));
        }
        match status {
            401 | 403 => (no_access(refusal), self.denied(&said)),
            404 => {
                let reason = format!(
                    "the registry has no repository {repository}{said}: make it there first, or \
                     correct the name"
                );
                (Kind::NotFound, reason)
            }
            405 => (
                Kind::Refused { status },
                format!("the registry takes no pushes{said}: push to another"),
            ),
            413 => {
                let or = if what.starts_with("blob") { ", or make smaller layers" } else { "" };
                let reason = format!(
                    "{what} is too large for the registry, or for a proxy in front of it{said}: \
                     have its limit raised{or}"
                );
                (Kind::TooLarge, reason)
            }
            500.. => self.broken(refusal),
            409 | 412 if what.starts_with("tag ") => {
                let reason = format!(
                    "the registry refuses {what} with status {status}{said}: if the tag is \
                     immutable, push under another one; otherwise ask who runs the registry"
                );
                (Kind::Conflict, reason)
            }
            _ => {
                let reason = format!(
                    "the registry refuses {what} with status {status}{said}: push to another, or \
                     ask who runs it"
                );
                (Kind::Refused { status }, reason)
            }
        }
    }

    fn broken(&self, refusal: &Refusal) -> (Kind, String) {
        let (status, said) = (refusal.status, quote(&refusal.message));
        let reason = format!(
            "the registry failed with status {status}{said}, asked for {}: try again later",
            self.what
        );
        (Kind::Unavailable { status }, reason)
    }
}

/// Whether a login is required, or the one that was sent does not suffice.
fn no_access(refusal: &Refusal) -> Kind {
    match refusal.status {
        401 => Kind::Unauthorized,
        403 => Kind::Denied,
        _ if refusal.has(&["UNAUTHORIZED"]) => Kind::Unauthorized,
        _ => Kind::Denied,
    }
}

fn missing(what: &str) -> String {
    match what.starts_with("blob") {
        true => format!(
            "the registry lacks {what}, which the image's manifest names: push the image again, \
             whole, or take another"
        ),
        false => format!("the registry has no {what}: correct the name, the tag or the digest"),
    }
}

/// Whether a tag exists and is immutable. Registries have no common code for that, only words.
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

/// Whether the server says that it expects TLS.
fn speaks_tls(refusal: &Refusal) -> bool {
    let words = refusal.message.to_lowercase();
    let said = [
        "http request to an https server",
        "http request was sent to https port",
        "ssl-enabled server port",
    ];
    refusal.status == 400 && said.iter().any(|said| words.contains(said))
}

/// What a blob is called, with where else it is if registries need not have it: [non-distributable
/// layers](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers).
pub(crate) fn blob_name(descriptor: &Descriptor) -> String {
    let Descriptor { digest, urls, .. } = descriptor;
    match is_foreign(descriptor) {
        true => format!(
            "blob {digest} (a layer that registries need not have; its maker has it at {})",
            printable(&urls.join(", "))
        ),
        false => format!("blob {digest}"),
    }
}

/// Whether registries need not have the blob, and nobody sends it to one.
pub(crate) fn is_foreign(Descriptor { media_type, urls, .. }: &Descriptor) -> bool {
    media_type.to_oci().as_str().starts_with(MediaType::FOREIGN_LAYER.as_str()) || !urls.is_empty()
}

/// An answer that ended too early: what happened, and a sentence that says what to do.
pub(crate) fn broken_off(failure: &Failure, what: &str) -> (Kind, String) {
    match failure {
        Failure::Silent => (
            Kind::TimedOut,
            format!("the registry fell silent in the middle of {what}: try again later"),
        ),
        Failure::Slow(least) => (Kind::TimedOut, too_slow(*least, what)),
        Failure::Request(error) => {
            let reason = format!(
                "the registry broke off in the middle of {what} ({}): try again later",
                root(error)
            );
            (Kind::Interrupted, reason)
        }
        _ => (
            Kind::Interrupted,
            format!("the registry broke off in the middle of {what}: try again later"),
        ),
    }
}

fn too_slow(least: LeastRate, what: &str) -> String {
    format!(
        "the registry sends {what} at less than {} bytes a second over {} seconds: try again \
         later, or pull from elsewhere",
        least.bytes,
        least.window.as_secs_f32()
    )
}

/// What a registry said, to be put into a sentence.
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
