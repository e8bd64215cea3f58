//! Bundles: [Sigstore bundle v0.3](https://docs.sigstore.dev/about/bundle/) with an envelope of
//! [DSSE](https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md).

use std::fmt;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    basics::json::{self, Bounds, Counted},
    signature::{
        key::{PrivateKey, PublicKey},
        statement::Statement,
    },
};

/// The type of a bundle: the media type of its blob, and the artifact type of its manifest.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The same version, as it was written before.
const OLDER_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// The type of what is signed.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Signs a statement, and returns the bundle: JSON.
pub fn sign(statement: &Statement, key: &PrivateKey) -> Vec<u8> {
    let signature = key.sign(&encoded(statement.json()));
    let mut bytes = json::to_bytes(&json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": key.public_key().hint() } },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement.json()),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    }));
    bytes.push(b'\n');
    bytes
}

/// The annotations by which cosign and others recognise the manifest of a bundle.
pub fn annotations(statement: &Statement) -> Map<String, Value> {
    let annotation =
        |(key, value): (&str, &str)| (format!("dev.sigstore.bundle.{key}"), value.into());
    [("content", "dsse-envelope"), ("predicateType", statement.predicate_type())]
        .into_iter()
        .map(annotation)
        .collect()
}

/// Returns the statement of a bundle if this key signed it. What the statement says is then up to
/// the caller: see [`Statement::is_about`] and [`Statement::predicate_type`]. Certificates,
/// transparency logs and timestamps in the bundle are ignored.
///
/// # Errors
///
/// See [`BundleError`].
pub fn verify(bundle: &[u8], key: &PublicKey) -> Result<Statement, BundleError> {
    let Bundle { envelope, material } = parse(bundle).map_err(BundleError::Malformed)?;
    let decoded = |what, text: &str| {
        decode(text).ok_or_else(|| BundleError::Malformed(format!("its {what} is not base64")))
    };
    let payload = decoded("payload", &envelope.payload)?;
    let signature = decoded("signature", &envelope.signatures[0].sig)?;
    if !key.made(&signature, &encoded(&payload)) {
        // The hint is not signed. It only helps to say what is wrong.
        return Err(match material.public_key.and_then(|named| named.hint) {
            Some(hint) if hint == key.hint() => BundleError::Changed,
            hint => BundleError::OtherKey { hint: hint.map(|hint| json::shortened(&hint)) },
        });
    }
    Statement::from_json(payload)
        .map_err(|error| BundleError::Malformed(json::shortened(&error.to_string())))
}

/// Why a bundle does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleError {
    /// It is not a bundle with a statement, for the reason in the text.
    Malformed(String),
    /// It names this key, but the key did not sign these bytes.
    Changed,
    /// Another key signed it, or a certificate. The hint is the name of the key, as in
    /// [`PublicKey::hint`], if the bundle has one. It is not signed, and a long one is shortened.
    OtherKey {
        /// The name of the key.
        hint: Option<String>,
    },
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "is malformed: {reason}"),
            Self::Changed => f.write_str("was changed after this key signed it"),
            Self::OtherKey { hint: Some(hint) } => write!(f, "was signed by another key, {hint:?}"),
            Self::OtherKey { hint: None } => {
                f.write_str("was signed by another key, or with a certificate (`cosign verify`)")
            }
        }
    }
}

impl std::error::Error for BundleError {}

/// The members that are understood.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "mediaType")]
    media_type: String,
    #[serde(rename = "verificationMaterial", default)]
    material: Material,
    #[serde(rename = "dsseEnvelope")]
    envelope: Option<Envelope>,
}

#[derive(Deserialize, Default)]
struct Material {
    #[serde(rename = "publicKey")]
    public_key: Option<KeyName>,
}

#[derive(Deserialize)]
struct KeyName {
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// A bundle that was checked as far as it can be without a key.
struct Bundle {
    envelope: Envelope,
    material: Material,
}

fn parse(bytes: &[u8]) -> Result<Bundle, String> {
    Bounds::DOCUMENT.check(bytes, Counted::All)?;
    let bundle: Document =
        serde_json::from_slice(bytes).map_err(|error| json::shortened(&error.to_string()))?;
    if ![MEDIA_TYPE, OLDER_MEDIA_TYPE].contains(&&*bundle.media_type) {
        let found = json::shortened(&bundle.media_type);
        return Err(format!("its type is {found:?}: expected {MEDIA_TYPE:?}"));
    }
    let Some(envelope) = bundle.envelope else {
        return Err("it has no DSSE envelope".to_owned());
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        let found = json::shortened(&envelope.payload_type);
        return Err(format!("it signs {found:?}: expected {PAYLOAD_TYPE:?}"));
    }
    match envelope.signatures.len() {
        1 => Ok(Bundle { envelope, material: bundle.material }),
        count => Err(format!("it has {count} signatures: expected one")),
    }
}

/// The bytes that are signed: the [pre-authentication
/// encoding](https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md#signature-definition).
fn encoded(payload: &[u8]) -> Vec<u8> {
    let (kind, length) = (PAYLOAD_TYPE.len(), payload.len());
    let mut bytes = format!("DSSEv1 {kind} {PAYLOAD_TYPE} {length} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// DSSE allows both alphabets of base64, and JSON of protocol buffers also a missing padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [base64::alphabet::STANDARD, base64::alphabet::URL_SAFE];
    alphabets.iter().find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody signs these texts, which may have the size of the whole bundle.
    #[test]
    fn errors_are_short() {
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n\
            -----END PUBLIC KEY-----\n";
        let key = PublicKey::from_pem(pem.as_bytes()).unwrap();
        let bundle = json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": { "publicKey": { "hint": "a" } },
            "dsseEnvelope": {
                "payload": "", "payloadType": PAYLOAD_TYPE, "signatures": [{ "sig": "" }],
            },
        });
        let long = "a".repeat(1 << 20);
        for (member, said) in [
            ("/mediaType", "is malformed: its type is \"aaa"),
            ("/dsseEnvelope", "is malformed: invalid type: string \"aaa"),
            ("/dsseEnvelope/payloadType", "is malformed: it signs \"aaa"),
            ("/verificationMaterial/publicKey/hint", "was signed by another key, \"aaa"),
        ] {
            let mut bundle = bundle.clone();
            *bundle.pointer_mut(member).unwrap() = (&*long).into();
            let error = verify(&json::to_bytes(&bundle), &key).unwrap_err().to_string();
            assert!(error.starts_with(said) && error.len() < 400, "{member}: {error}");
        }
    }
}
