//! Error responses, with the [specification's error
//! codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes).

use std::fmt::Display;

use hyper::{
    StatusCode,
    ext::ReasonPhrase,
    header::{self, HeaderName},
};
use serde_json::json;

use crate::{
    basics::json,
    registry::serve::named_images::{NamedImageError, NamedImageErrorKind as Kind},
};

/// The status of an error response, and the reason.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// A header that belongs to this status.
    pub(crate) header: Option<(HeaderName, String)>,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:ident $code:literal;)*) => {
        impl Refusal {
            $($(#[$doc])* pub(crate) fn $name(message: impl Display) -> Self {
                Self { status: StatusCode::$status, code: $code, message: message.to_string(), header: None }
            })*
        }
    };
}

refusals! {
    name_invalid = BAD_REQUEST "NAME_INVALID";
    name_unknown = NOT_FOUND "NAME_UNKNOWN";
    manifest_unknown = NOT_FOUND "MANIFEST_UNKNOWN";
    blob_unknown = NOT_FOUND "BLOB_UNKNOWN";
    digest_invalid = BAD_REQUEST "DIGEST_INVALID";
    /// A malformed request.
    unsupported = BAD_REQUEST "UNSUPPORTED";
    /// A path that the specification does not define.
    no_endpoint = NOT_FOUND "UNSUPPORTED";
    /// A method other than `GET` and `HEAD`.
    no_method = METHOD_NOT_ALLOWED "UNSUPPORTED";
    /// An internal error. The specification has no code for it; other registries use this one.
    failed = INTERNAL_SERVER_ERROR "UNKNOWN";
    /// A malformed `Host` header.
    bad_host = BAD_REQUEST "UNSUPPORTED";
    /// A host that this registry does not serve.
    other_host = MISDIRECTED_REQUEST "DENIED";
    unauthorized = UNAUTHORIZED "UNAUTHORIZED";
    /// A name that the client may not pull, whether or not it exists.
    denied = FORBIDDEN "DENIED";
    /// The image of a name that cannot be made. All clients show the message of this status, and
    /// none tries again for long; docker shows no message of a status from 500 on.
    not_made = UNPROCESSABLE_ENTITY "UNKNOWN";
    stopping = SERVICE_UNAVAILABLE "UNAVAILABLE";
    too_many = TOO_MANY_REQUESTS "TOOMANYREQUESTS";
    precondition_failed = PRECONDITION_FAILED "UNSUPPORTED";
    /// A part outside of the blob.
    no_range = RANGE_NOT_SATISFIABLE "SIZE_INVALID";
}

impl Refusal {
    pub(crate) fn with(self, name: HeaderName, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    /// The message as the reason phrase of the status line. containerd, and docker with its image
    /// store, send `HEAD`, whose response has no body, and show nothing else.
    pub(crate) fn reason_phrase(&self) -> Option<ReasonPhrase> {
        const MOST: usize = 400;
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let phrase: String = self.message.chars().map(printable).take(MOST).collect();
        ReasonPhrase::try_from(phrase).ok()
    }

    /// The body of the response.
    pub(crate) fn json(&self) -> Vec<u8> {
        json::to_bytes(&json!({ "errors": [{ "code": self.code, "message": self.message }] }))
    }
}

/// The detail of the error is for the log only.
impl From<NamedImageError> for Refusal {
    fn from(NamedImageError { kind, message, .. }: NamedImageError) -> Self {
        match kind {
            Kind::NameInvalid => Self::name_invalid(message),
            Kind::NameUnknown => Self::name_unknown(message),
            Kind::TagUnknown => Self::manifest_unknown(message),
            Kind::Failed | Kind::TooLate => Self::not_made(message),
            Kind::Busy(wait) => {
                Self::too_many(message).with(header::RETRY_AFTER, wait.as_secs().max(1).to_string())
            }
            Kind::Stopped => Self::stopping(message).with(header::RETRY_AFTER, "1"),
            Kind::Internal => Self::failed(message),
        }
    }
}
