//! Bundles: see [`crate::fuzzing`].

use crate::signature::{BundleError, PublicKey, Statement, verify};

/// The public key of the bundles in `tests/library/signature`, whose private key signed nothing
/// else.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECXSD0LL5pRrtvDisYBrg2b5Vtf30\n\
    FQaenTGkM3pTwwFQDiGvEwHgLK+pi5yIfUipWzcRnOmDJs9SFYzsMvdzEQ==\n\
    -----END PUBLIC KEY-----\n";

/// What the key signed: the images and types of two statements of cosign.
const SIGNED: &str = "sha256:fc6bd5ba67a2fc9f0c1b048633e6623a4d3550060b2faf965ac02537d60ed666";
const TYPES: [&str; 2] = ["https://sigstore.dev/cosign/sign/v1", "https://cyclonedx.org/bom"];

/// Reads a bundle, and the same bytes as a statement. No bundle verifies but those that the key
/// signed, and a statement that is read again from its text is the same.
pub fn bundle(data: &[u8]) {
    let key = PublicKey::from_pem(KEY.as_bytes()).expect("the key is valid");
    match verify(data, &key) {
        Ok(statement) => {
            let image = SIGNED.parse().expect("the digest is valid");
            assert_eq!(statement.subjects(), [image]);
            assert!(TYPES.contains(&statement.predicate_type()));
        }
        Err(BundleError::Malformed(reason)) => assert!(!reason.is_empty()),
        Err(_) => {}
    }
    if let Ok(statement) = Statement::from_json(data.to_vec()) {
        assert_eq!(statement.json(), data);
        assert!(statement.subjects().iter().all(|image| statement.is_about(*image)));
    }
}
