//! What can go wrong between us and a registry, and whether it may pass.

use std::time::Duration;

use reqwest::{Response, header::RETRY_AFTER};
use serde::Deserialize;

use super::http::Http;
use crate::{digest::Digest, error::Error};

/// The largest answer of a registry that refuses.
const MAX_REFUSAL: u64 = 64 << 10;

/// The longest that a registry may have us wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why a request did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no answer, or half of one.
    Request(reqwest::Error),
    /// The registry said nothing for too long.
    Silent,
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
    /// None of the registry's: a blob that cannot be had.
    Ours(Error),
}

/// What a registry answered when it refused:
/// [error codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) codes: Vec<String>,
    pub(super) message: String,
    /// When it wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn has(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&&**code))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.status == 429 || self.has(&["TOOMANYREQUESTS"])
    }
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Failure {
    /// What an answer says that is no success. An error is one of reading it.
    pub(super) fn refused(http: &Http, response: Response) -> Result<Self, Self> {
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        let body = http.body(response, MAX_REFUSAL)?.unwrap_or_default();
        let (codes, message) = match serde_json::from_slice::<Envelope>(&body) {
            Ok(Envelope { errors }) => {
                let messages: Vec<_> = errors.iter().filter_map(|error| error.message.as_deref()).collect();
                let message = messages.join("; ");
                (errors.into_iter().map(|error| error.code).collect(), message)
            }
            Err(_) => (Vec::new(), String::from_utf8_lossy(&body).into_owned()),
        };
        Ok(Self::Refused(Refusal { status, codes, message, retry_after }))
    }

    /// Whether the same request may succeed later, of a registry that answered before or did not.
    pub(super) fn may_pass(&self, has_answered: bool) -> bool {
        match self {
            // Whoever is not there now seldom comes within seconds, and a wrong name never does. Who was there may.
            Self::Request(error) => {
                (has_answered || !error.is_connect()) && !error.is_builder() && !error.is_redirect()
            }
            Self::Silent | Self::Again(_) => true,
            Self::Refused(refusal) => {
                // Not 501 and 507, which say that it cannot be done and that there is no room.
                let is_passing = matches!(refusal.status, 408 | 500 | 502..=506 | 508..) || refusal.is_busy();
                is_passing && refusal.retry_after.is_none_or(|wait| wait <= MAX_WAIT)
            }
            _ => false,
        }
    }

    /// How long the registry wants us to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}
