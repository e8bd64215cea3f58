//! Failures of requests to a registry, and which of them are temporary.

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

/// The longest `Retry-After` that is respected.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no complete response.
    Request(reqwest::Error),
    /// The registry did not respond in time.
    Silent,
    /// The registry responded to other requests, but not to this one within this time.
    StillWorks(Duration),
    /// The response was slower than this rate.
    Slow(LeastRate),
    /// The registry returned an error.
    Refused(Refusal),
    /// The token service denied access, with this message.
    Denied(String),
    /// The token service returned no token.
    NoToken,
    /// The registry sent or stored other bytes than expected.
    OtherBytes { expected: Digest, actual: Digest },
    /// An unexpected response, described in words.
    Odd(String),
    /// The request must be repeated. If that never helps, this is the reason.
    Again(&'static str),
    /// The registry refuses a manifest because it lacks a non-distributable layer.
    LacksForeign(Refusal),
    /// The proxy is unusable for this reason.
    Proxy(String),
    /// Not a failure of the registry: a blob cannot be read.
    Ours(Error),
}

/// An error response of a registry: [error
/// codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) codes: Vec<String>,
    pub(crate) message: String,
    /// How long to wait before a retry.
    pub(crate) retry_after: Option<Duration>,
    /// The authentication schemes that it names.
    pub(crate) schemes: Vec<String>,
    /// Whether it has a header that should name them.
    pub(crate) has_challenge: bool,
}

impl Refusal {
    /// Parses an error response.
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

/// The codes and the message of an error response. Proxies and token services use other formats,
/// whose messages are kept.
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
    /// An unexpected status.
    pub(crate) fn status(status: StatusCode) -> Self {
        Self::Odd(format!("status {}", status.as_u16()))
    }

    /// Whether the same request may succeed later. `has_answered` says whether the registry has
    /// responded before.
    pub(crate) fn may_pass(&self, has_answered: bool) -> bool {
        match self {
            // A host that is not there rarely appears within seconds, and a wrong name never does.
            // A host that was there may come back. A certificate that is refused is refused again.
            Self::Request(error) => {
                (has_answered || !error.is_connect())
                    && !error.is_builder()
                    && !error.is_redirect()
                    && !tls_error(error).is_some_and(is_final)
            }
            Self::Silent | Self::Again(_) => true,
            Self::Refused(refusal) => {
                // Not 501 and 507: the request is not supported, or there is no space.
                let is_passing =
                    matches!(refusal.status, 408 | 500 | 502..=506 | 508..) || refusal.is_busy();
                is_passing && refusal.retry_after.is_none_or(|wait| wait <= MAX_WAIT)
            }
            _ => false,
        }
    }

    /// How long the registry wants the client to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// Whether there was no response in time.
fn is_silent(failure: &Failure) -> bool {
    match failure {
        Failure::Silent => true,
        Failure::Request(error) => error.is_timeout(),
        _ => false,
    }
}

/// Whether TLS will fail again in the same way.
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

/// Whether the server uses TLS, after a failed TLS request, or `None` if the failure does not tell.
///
/// A lost connection does not: a server without TLS may close it, and so may a server that refuses
/// a certificate, whose alert is then lost.
pub(crate) fn shows_tls(failure: &Failure) -> Option<bool> {
    match failure {
        _ if is_silent(failure) => None,
        Failure::Request(error) => match tls_error(error) {
            Some(rustls::Error::InvalidMessage(_)) => Some(false),
            Some(_) => Some(true),
            None if error.is_connect() || has_broken_off(error) => None,
            None => Some(true),
        },
        _ => Some(true),
    }
}

/// The TLS error in the causes of this error.
pub(crate) fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether the connection was lost before there was a response.
///
/// A pooled connection that the server closes can fail before the request is sent. hyper then
/// reports that the request was canceled.
pub(crate) fn has_broken_off(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.is::<io::Error>()
            || cause.downcast_ref::<hyper::Error>().is_some_and(|error| {
                error.is_incomplete_message() || error.is_canceled() || error.is_closed()
            })
    })
}

/// The error and its causes, from the outside in.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| source(*error))
}

/// `source` of an `io::Error` skips the error that it wraps.
fn source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let inside = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    inside.map(|inside| inside as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// The innermost cause. The outer ones are generic and contain addresses.
pub(crate) fn root(error: &(dyn StdError + 'static)) -> String {
    printable(&causes(error).last().unwrap_or(error).to_string())
}

/// Text from outside, with control characters replaced and limited in length.
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
    use hyper_util::rt::TokioIo;

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
    /// A registry that dies just before a request is sent.
    #[test]
    fn a_connection_that_closes_before_the_request_has_broken_off() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (client, server) = tokio::net::UnixStream::pair().unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
            drop(server);
            drop(connection);
            let request = hyper::Request::new(String::new());
            let error = sender.send_request(request).await.unwrap_err();
            assert!(error.is_canceled(), "{error:?}");
            assert!(has_broken_off(&error));
        });
    }
}
