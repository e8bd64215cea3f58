//! What can go wrong between us and a registry, and whether it may pass.

use std::{error::Error as StdError, io, iter, time::Duration};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE},
};
use rustls::AlertDescription;
use serde_json::Value;

use crate::{
    basics::{digest::Digest, error::Error},
    registry::{challenge::Challenge, pace::LeastRate},
};

/// The longest that a registry may have us wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why a request did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no answer, or half of one.
    Request(reqwest::Error),
    /// The registry said nothing for too long.
    Silent,
    /// An answer came in drips, slower than this.
    Slow(LeastRate),
    /// It refused.
    Refused(Refusal),
    /// Whoever hands out tokens for it refused, with these words.
    Denied(String),
    /// Whoever hands out tokens sent none.
    NoToken,
    /// Something else came than was asked for, or was taken in than was sent.
    OtherBytes { expected: Digest, actual: Digest },
    /// An answer that makes no sense, in words.
    Odd(String),
    /// It has to be asked once more, and if it always does, this is why.
    Again(&'static str),
    /// It lacks a layer that registries need not have, and refuses a manifest that names it.
    LacksForeign(Refusal),
    /// There is a proxy for it that cannot be used, in words.
    Proxy(String),
    /// None of the registry's: a blob that cannot be had.
    Ours(Error),
}

/// What a registry answered when it refused: [error
/// codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) codes: Vec<String>,
    pub(crate) message: String,
    /// When it wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// The schemes of logging in that it names; nothing if it does not say how.
    pub(crate) schemes: Vec<String>,
    /// There was a header that should name such schemes.
    pub(crate) has_challenge: bool,
}

impl Refusal {
    /// What an answer with this head and body says.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        let schemes =
            Challenge::all(headers).into_iter().map(|challenge| challenge.scheme).collect();
        let has_challenge = headers.contains_key(WWW_AUTHENTICATE);
        let (codes, message) = said(body);
        Self { status: status.as_u16(), codes, message, retry_after, schemes, has_challenge }
    }

    pub(crate) fn has(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&&**code))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.status == 429 || self.has(&["TOOMANYREQUESTS"])
    }
}

/// The codes and the words of an error. Proxies and token services have other forms; their words
/// are kept.
fn said(body: &[u8]) -> (Vec<String>, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (Vec::new(), String::from_utf8_lossy(body).into_owned());
    };
    let of = |member: &str| {
        let errors = body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| Some(error[member].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    let (codes, messages) = (of("code"), of("message").join("; "));
    let others = ["message", "details", "error_description", "error"];
    let message = match others.iter().find_map(|member| body[member].as_str()) {
        _ if !codes.is_empty() || !messages.is_empty() => messages,
        Some(message) => message.to_owned(),
        None if body.is_object() => body.to_string(),
        None => body.as_str().map_or_else(|| body.to_string(), str::to_owned),
    };
    (codes, message)
}

impl Failure {
    /// Whether the same request may succeed later, of a registry that answered before or did not.
    pub(crate) fn may_pass(&self, has_answered: bool) -> bool {
        match self {
            // Whoever is not there now seldom comes within seconds, and a wrong name never does.
            // Who was there may. A certificate that is refused is refused again.
            Self::Request(error) => {
                (has_answered || !error.is_connect())
                    && !error.is_builder()
                    && !error.is_redirect()
                    && !tls_error(error).is_some_and(is_final)
            }
            Self::Silent | Self::Again(_) => true,
            Self::Refused(refusal) => {
                // Not 501 and 507, which say that it cannot be done and that there is no room.
                let is_passing =
                    matches!(refusal.status, 408 | 500 | 502..=506 | 508..) || refusal.is_busy();
                is_passing && refusal.retry_after.is_none_or(|wait| wait <= MAX_WAIT)
            }
            _ => false,
        }
    }

    /// How long the registry wants us to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// Whether there was no answer in time.
pub(crate) fn is_silent(failure: &Failure) -> bool {
    match failure {
        Failure::Silent => true,
        Failure::Request(error) => error.is_timeout(),
        _ => false,
    }
}

/// Whether TLS will fail in the same way again.
fn is_final(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_) => true,
        rustls::Error::AlertReceived(alert) => is_about_certificate(*alert),
        _ => false,
    }
}

/// Whether the server rejects the client's certificate, or requires one.
pub(crate) fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// Whether a request with TLS failed in the way of a server that does not speak TLS.
pub(crate) fn lacks_tls(failure: &Failure) -> bool {
    match failure {
        Failure::Request(error) => match tls_error(error) {
            Some(rustls::Error::InvalidMessage(_)) => true,
            Some(_) => false,
            None => error.is_connect() || has_broken_off(error),
        },
        _ => false,
    }
}

/// The error of TLS inside another one.
pub(crate) fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether the other side went away before it had answered.
pub(crate) fn has_broken_off(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
            || cause.is::<io::Error>()
    })
}

/// The error, and what is inside of it.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| source(*error))
}

/// What an error of reading a stream was made of is not its source.
fn source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let inside = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    inside.map(|inside| inside as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// The innermost cause: the outer ones say that there was an error, and name addresses.
pub(crate) fn root(error: &(dyn StdError + 'static)) -> String {
    printable(&causes(error).last().unwrap_or(error).to_string())
}

/// Whoever sends text may send much of it, and codes that change a terminal.
pub(crate) fn printable(text: &str) -> String {
    const MOST: usize = 200;
    let mut printable: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        printable.push('…');
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_form() {
        for (body, codes, message) in [
            (
                r#"{"errors":[{"code":"A","message":"x"},{"code":"B"},{"message":"y"}]}"#,
                &["A", "B"][..],
                "x; y",
            ),
            (r#"{"errors":[{"code":"A","message":null,"detail":{}}]}"#, &["A"], ""),
            (
                r#"{"details":"incorrect username or password"}"#,
                &[],
                "incorrect username or password",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"it has ended"}"#,
                &[],
                "it has ended",
            ),
            (r#"{"message":"no"}"#, &[], "no"),
            ("{\"x\":1}", &[], "{\"x\":1}"),
            ("\"no\"", &[], "no"),
            (
                "<html>413 Request Entity Too Large</html>",
                &[],
                "<html>413 Request Entity Too Large</html>",
            ),
            ("", &[], ""),
        ] {
            assert_eq!(
                said(body.as_bytes()),
                (codes.iter().map(ToString::to_string).collect(), message.to_owned())
            );
        }
    }
}
