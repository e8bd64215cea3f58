//! Statements about images: [in-toto Statement
//! v1](https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use crate::basics::{Digest, Error, Result, json};

/// The type of the predicate of a signature: the statement says nothing more about the image.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The types of statements that are read. Some programs still write the older one.
const TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// What is said about images, such as that someone signs them, or how they were built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    json: Vec<u8>,
    subjects: Vec<Digest>,
    predicate_type: String,
}

/// The members that are understood.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// The members in the order of cosign.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct New<'a> {
    #[serde(rename = "_type")]
    kind: &'a str,
    subject: serde_json::Value,
    predicate_type: &'a str,
    predicate: &'a RawValue,
}

impl Statement {
    /// The statement that an image is signed, as cosign makes it.
    pub fn signature(image: Digest) -> Self {
        let empty = RawValue::from_string("{}".to_owned()).expect("this is JSON");
        Self::with_predicate(&[image], SIGNATURE, &empty)
    }

    /// A statement about images, with a predicate of this type: JSON, whose text is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the predicate is not a JSON object, or if the type is not a URI.
    pub fn new(images: &[Digest], predicate_type: &str, predicate: &[u8]) -> Result<Self> {
        // https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/field_types.md#TypeURI
        if !predicate_type.split_once(':').is_some_and(|(scheme, rest)| {
            !scheme.is_empty()
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                && !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(Error::invalid(
                format!("predicate type {predicate_type:?}"),
                "expected a URI, for example https://slsa.dev/provenance/v1",
            ));
        }
        let invalid = |reason| Error::invalid("predicate", reason);
        let predicate: &RawValue = serde_json::from_slice(predicate)
            .map_err(|error| invalid(format!("is not JSON: {error}")))?;
        match predicate.get().starts_with('{') {
            true => Ok(Self::with_predicate(images, predicate_type, predicate)),
            false => Err(invalid("is not a JSON object".to_owned())),
        }
    }

    fn with_predicate(images: &[Digest], predicate_type: &str, predicate: &RawValue) -> Self {
        let subject = images.iter().map(|it| json!({ "digest": { "sha256": it.hex() } })).collect();
        let new = New { kind: TYPES[0], subject, predicate_type, predicate };
        Self {
            json: json::to_bytes(&new),
            subjects: images.to_vec(),
            predicate_type: predicate_type.to_owned(),
        }
    }

    /// Reads a statement, whose text is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not a statement of in-toto v1 or v0.1.
    pub fn from_json(json: Vec<u8>) -> Result<Self> {
        let invalid = |reason| Error::invalid("statement", reason);
        let document: Document = serde_json::from_slice(&json)
            .map_err(|error| invalid(format!("is not a statement of in-toto: {error}")))?;
        if !TYPES.contains(&&*document.kind) {
            let reason = format!("has the type {:?}: expected {:?}", document.kind, TYPES[0]);
            return Err(invalid(reason));
        }
        let digest = |subject: &Subject| {
            format!("sha256:{}", subject.digest.get("sha256")?).parse::<Digest>().ok()
        };
        let subjects = document.subject.iter().filter_map(digest).collect();
        Ok(Self { json, subjects, predicate_type: document.predicate_type })
    }

    /// Returns the statement as JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Returns the type of the predicate, which is a URI.
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// Returns the SHA-256 digests that the statement is about.
    pub fn subjects(&self) -> &[Digest] {
        &self.subjects
    }

    /// Whether the statement is about the manifest or index with this digest.
    pub fn is_about(&self, image: Digest) -> bool {
        self.subjects.contains(&image)
    }
}
