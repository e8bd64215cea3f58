//! `verify-signature`: whether a key signed an image.

use std::{fmt, path::PathBuf};

use clap::Args;
use oci_layout::{
    Digest, Error, Result,
    signature::{self, BundleError, PublicKey, Statement},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    attached::in_place,
    bundles::{each_bundle, key_error, read_key},
    errors,
    image_arg::WholeImage,
    names::root,
    out::{print, print_json, say},
    trust::Trust,
};

/// Verifies that a key signed an image.
///
/// Looks for the signatures that are attached to the image: those of sign, and those of cosign 3.
/// Prints the digest of the image if one of them is by the key and about this digest: that of the
/// index of an image for several platforms, or with --platform that of the manifest for this one.
/// Fails if there is none, and says what is wrong with each that there is. Neither transparency logs
/// nor certificates are looked at. Needs no network for a layout.
///
/// With --predicate-type, looks for statements of this type instead of signatures (attestations).
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout verify-signature image --key cosign.pub
  oci-layout verify-signature docker://ghcr.io/me/app:1.0 --key key.pub
  oci-layout verify-signature image --key cosign.pub --json \\
      --predicate-type https://cyclonedx.org/bom")]
pub(crate) struct VerifySignature {
    #[command(flatten)]
    image: WholeImage,

    /// The public key: PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The type of the predicate: a URI
    #[arg(long, value_name = "URI", default_value = signature::SIGNATURE)]
    predicate_type: String,

    /// Print the statements that were verified as JSON, instead of the digest
    #[arg(long)]
    json: bool,
}

/// A statement of the key.
#[derive(Serialize)]
struct Verified {
    artifact: Digest,
    statement: Box<RawValue>,
}

impl VerifySignature {
    pub(crate) fn run(self, trust: &Trust) -> Result<()> {
        let key = PublicKey::from_pem(&read_key(&self.key)?).map_err(key_error(&self.key))?;
        let image = root(&self.image, trust)?.0.digest;
        let (mut verified, mut faults) = (Vec::new(), Faults::default());
        in_place(&self.image, trust, |place| {
            each_bundle(place, image, &self.predicate_type, |artifact, bundle| {
                let checked = bundle.map_err(Fault::Malformed);
                match checked.and_then(|bundle| self.check(&bundle, &key, image)) {
                    Ok(Some(statement)) => verified.push((artifact, statement)),
                    Ok(None) => {}
                    Err(fault) => faults.0.push((fault, artifact)),
                }
            })
        })?;
        if verified.is_empty() {
            faults.0.sort();
            return Err(self.failed(image, &faults));
        }
        for (artifact, statement) in &verified {
            say(format_args!("verified {artifact} {}", statement.predicate_type()));
        }
        match self.json {
            true => print_json(&verified.into_iter().map(shown).collect::<Result<Vec<_>>>()?),
            false => print(image),
        }
    }

    /// The statement of a bundle; `None` if it has another type of predicate.
    fn check(
        &self,
        bundle: &[u8],
        key: &PublicKey,
        image: Digest,
    ) -> Result<Option<Statement>, Fault> {
        let statement = signature::verify(bundle, key)?;
        if statement.predicate_type() != self.predicate_type {
            return Ok(None);
        }
        match statement.is_about(image) {
            true => Ok(Some(statement)),
            false => {
                let first = statement.subjects().first();
                Err(Fault::OtherImage(
                    first.map_or("without a SHA-256".to_owned(), Digest::to_string),
                ))
            }
        }
    }

    fn failed(&self, image: Digest, faults: &Faults) -> Error {
        let what = match self.predicate_type == signature::SIGNATURE {
            true => "signature".to_owned(),
            false => format!("statement of the type {}", self.predicate_type),
        };
        let reason = match faults.0.is_empty() {
            true => format!("it has no {what}: `oci-layout discover` lists what is attached to it"),
            false => format!("it has no valid {what} by this key: {faults}"),
        };
        errors::invalid(format!("image {image}"), reason)
    }
}

fn shown((artifact, statement): (Digest, Statement)) -> Result<Verified> {
    let text = String::from_utf8_lossy(statement.json()).into_owned();
    let invalid = |error: serde_json::Error| errors::invalid("statement", error.to_string());
    Ok(Verified { artifact, statement: RawValue::from_string(text).map_err(invalid)? })
}

/// Why a bundle does not count. The first kinds say most about what went wrong.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Changed,
    OtherImage(String),
    Malformed(String),
    OtherKey(String),
}

impl From<BundleError> for Fault {
    fn from(error: BundleError) -> Self {
        match &error {
            BundleError::Changed => Self::Changed,
            BundleError::OtherKey { .. } => Self::OtherKey(error.to_string()),
            _ => Self::Malformed(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => write!(f, "{}", BundleError::Changed),
            Self::OtherImage(of) => write!(f, "is about another image, {of}"),
            Self::Malformed(reason) | Self::OtherKey(reason) => f.write_str(reason),
        }
    }
}

/// What is wrong with each artifact.
#[derive(Default)]
struct Faults(Vec<(Fault, Digest)>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (at, (fault, artifact)) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{artifact} {fault}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
