//! Bundles and keys of cosign 3.1.1 and openssl, and what is not a bundle or a key.
//!
//! `cosign.key` and `ed25519.key` are encrypted by cosign, with the passwords `hello` and none.
//! cosign made the bundles with them.

use base64::{Engine, engine::general_purpose::STANDARD};
use oci_layout::{
    Digest,
    signature::{BundleError, PrivateKey, PublicKey, SIGNATURE, Statement, sign, verify},
};
use serde_json::{Value, json};

const COSIGN_KEY: &[u8] = include_bytes!("signature/cosign.key");
const COSIGN_PUB: &[u8] = include_bytes!("signature/cosign.pub");
const ED25519_KEY: &[u8] = include_bytes!("signature/ed25519.key");
const ED25519_PUB: &[u8] = include_bytes!("signature/ed25519.pub");
const SIGNED: &[u8] = include_bytes!("signature/signature.json");
const ATTESTED: &[u8] = include_bytes!("signature/attestation.json");
const HASHED: &[u8] = include_bytes!("signature/ed25519ph.json");

/// The image that cosign signed.
const IMAGE: &str = "sha256:fc6bd5ba67a2fc9f0c1b048633e6623a4d3550060b2faf965ac02537d60ed666";

fn image() -> Digest {
    IMAGE.parse().unwrap()
}

fn public(pem: &[u8]) -> PublicKey {
    PublicKey::from_pem(pem).unwrap()
}

/// The bundle of cosign, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(SIGNED).unwrap();
    change(&mut bundle);
    bundle.to_string().into_bytes()
}

#[test]
fn bundles_of_cosign_verify() {
    let signed = verify(SIGNED, &public(COSIGN_PUB)).unwrap();
    assert_eq!((signed.predicate_type(), signed.subjects()), (SIGNATURE, &[image()][..]));
    let attested = verify(ATTESTED, &public(COSIGN_PUB)).unwrap();
    assert_eq!(attested.predicate_type(), "https://cyclonedx.org/bom");
    assert!(attested.is_about(image()));
    let statement: Value = serde_json::from_slice(attested.json()).unwrap();
    assert_eq!(statement["predicate"]["bomFormat"], "CycloneDX");
    assert!(verify(HASHED, &public(ED25519_PUB)).unwrap().is_about(image()));
}

#[test]
fn keys_of_cosign_are_decrypted_and_named_as_cosign_does() {
    for (key, public_key, password, bundle) in
        [(COSIGN_KEY, COSIGN_PUB, "hello", SIGNED), (ED25519_KEY, ED25519_PUB, "", HASHED)]
    {
        assert!(PrivateKey::is_encrypted(key));
        let key = PrivateKey::from_pem(key, Some(password.as_bytes())).unwrap();
        assert_eq!(key.public_key(), public(public_key));
        let bundle: Value = serde_json::from_slice(bundle).unwrap();
        let hint = &bundle["verificationMaterial"]["publicKey"]["hint"];
        assert_eq!(key.public_key().hint(), *hint);
        let bundle = sign(&Statement::signature(image()), &key);
        assert_eq!(sign(&Statement::signature(image()), &key), bundle);
        assert!(verify(&bundle, &public(public_key)).unwrap().is_about(image()));
    }
    for (password, reason) in [
        (
            Some(&b"hallo"[..]),
            "private key: cannot be decrypted: the password is wrong, or the key is damaged",
        ),
        (None, "private key: is encrypted: its password is needed"),
    ] {
        assert_eq!(PrivateKey::from_pem(COSIGN_KEY, password).unwrap_err().to_string(), reason);
    }
}

#[test]
fn no_changed_byte_changes_what_is_verified() {
    let key = public(COSIGN_PUB);
    let statement = verify(SIGNED, &key).unwrap();
    let mut bundle = SIGNED.to_vec();
    let mut refused = 0;
    for at in 0..bundle.len() {
        bundle[at] ^= 1;
        match verify(&bundle, &key) {
            // A name of the key, a name of a member that is not read, or white space.
            Ok(same) => assert_eq!(same, statement, "{at}"),
            Err(_) => refused += 1,
        }
        bundle[at] ^= 1;
    }
    // The payload and the signature alone.
    let text: Value = serde_json::from_slice(SIGNED).unwrap();
    let length = |member: &str| text.pointer(member).unwrap().as_str().unwrap().len();
    let signed = length("/dsseEnvelope/payload") + length("/dsseEnvelope/signatures/0/sig");
    assert!(refused >= signed - 4, "{refused} of {signed}");
}

#[test]
fn what_is_wrong_with_a_bundle_is_told_apart() {
    let key = public(COSIGN_PUB);
    let payload = "/dsseEnvelope/payload";
    let other = STANDARD.encode(r#"{"_type":"x"}"#);
    let set = |member: &'static str, value: Value| {
        verify(&changed(|bundle| *bundle.pointer_mut(member).unwrap() = value), &key).unwrap_err()
    };
    assert_eq!(set(payload, json!(other)), BundleError::Changed);
    assert_eq!(set("/dsseEnvelope/signatures/0/sig", json!("AAAA")), BundleError::Changed);
    let hint = public(ED25519_PUB).hint();
    assert_eq!(
        verify(SIGNED, &public(ED25519_PUB)),
        Err(BundleError::OtherKey { hint: Some(key.hint()) })
    );
    let without = changed(|bundle| {
        bundle["verificationMaterial"] = json!({ "certificate": { "rawBytes": "AAAA" } });
        bundle["dsseEnvelope"]["payload"] = json!(other);
    });
    assert_eq!(verify(&without, &key), Err(BundleError::OtherKey { hint: None }));
    // The name of the key is not signed.
    let renamed =
        changed(|bundle| bundle["verificationMaterial"]["publicKey"]["hint"] = json!(hint));
    assert!(verify(&renamed, &key).is_ok());

    let malformed = |error: BundleError| match error {
        BundleError::Malformed(reason) => reason,
        other => panic!("{other:?}"),
    };
    let kind = "application/vnd.dev.sigstore.bundle.v0.2+json";
    let signature = json!({ "sig": "AAAA" });
    for (member, value, reason) in [
        (
            "/mediaType",
            json!(kind),
            "its type is \"application/vnd.dev.sigstore.bundle.v0.2+json\"",
        ),
        ("/dsseEnvelope", json!(null), "it has no DSSE envelope"),
        ("/dsseEnvelope/payloadType", json!("text/plain"), "it signs \"text/plain\""),
        ("/dsseEnvelope/signatures", json!([]), "it has 0 signatures: expected one"),
        ("/dsseEnvelope/signatures", json!([signature, signature]), "it has 2 signatures"),
        (payload, json!("?"), "its payload is not base64"),
        ("/dsseEnvelope/signatures/0/sig", json!("?"), "its signature is not base64"),
        (payload, json!(1), "invalid type"),
    ] {
        let found = malformed(set(member, value));
        assert!(found.starts_with(reason), "{member}: {found}");
    }
    assert!(!malformed(verify(b"bundle", &key).unwrap_err()).is_empty());
    // Many small values take much more memory than text.
    let many = changed(|bundle| bundle["tlogEntries"] = vec![json!({}); 300_000].into());
    assert_eq!(
        malformed(verify(&many, &key).unwrap_err()).split(" at line").next(),
        Some("it has more than 200000 objects")
    );
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let url_safe = changed(|bundle| {
        for member in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
            let text = bundle.pointer_mut(member).unwrap();
            let safe = text.as_str().unwrap().replace('+', "-").replace('/', "_");
            *text = json!(safe.trim_end_matches('='));
        }
    });
    assert!(verify(&url_safe, &public(COSIGN_PUB)).is_ok());
}

#[test]
fn statements_keep_the_text_of_predicates() {
    let predicate = b" {\"b\": 1.0000000000000000001, \"a\":\"\\u00e9\"}\n";
    let statement = Statement::new(&[image()], "https://example.com/p", predicate).unwrap();
    let text = String::from_utf8(statement.json().to_vec()).unwrap();
    assert!(text.ends_with(r#""predicate":{"b": 1.0000000000000000001, "a":"\u00e9"}}"#), "{text}");
    assert_eq!(Statement::from_json(text.into_bytes()).unwrap(), statement);
    for (kind, predicate, reason) in [
        (
            "provenance",
            "{}",
            "predicate type \"provenance\": expected a URI, for example https://slsa.dev/provenance/v1",
        ),
        (
            "a:b c",
            "{}",
            "predicate type \"a:b c\": expected a URI, for example https://slsa.dev/provenance/v1",
        ),
        ("a:b", "[]", "predicate: is not a JSON object"),
        ("a:b", "{", "predicate: is not JSON: EOF while parsing an object at line 1 column 1"),
    ] {
        let error = Statement::new(&[image()], kind, predicate.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
    for (statement, reason) in [
        ("{}", "is not a statement of in-toto: missing field `_type` at line 1 column 2"),
        (
            r#"{"_type":"https://in-toto.io/Statement/v2","subject":[],"predicateType":"a:b"}"#,
            "has the type \"https://in-toto.io/Statement/v2\": expected \"https://in-toto.io/Statement/v1\"",
        ),
    ] {
        let error = Statement::from_json(statement.into()).unwrap_err();
        assert_eq!(error.to_string(), format!("statement: {reason}"));
    }
}

/// The bytes of a key as PEM.
fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

#[test]
fn other_files_are_no_keys() {
    const RSA: &[u8] =
        b"\x30\x14\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x00";
    let with = |salt: &str, cost: Value, name: &str| {
        let json = json!({
            "kdf": { "name": "scrypt", "params": cost, "salt": salt },
            "cipher": { "name": name, "nonce": STANDARD.encode([0; 24]) },
            "ciphertext": STANDARD.encode([0; 64]),
        });
        pem("ENCRYPTED SIGSTORE PRIVATE KEY", json.to_string().as_bytes())
    };
    let (cost, cipher) = (json!({ "N": 2, "r": 1, "p": 1 }), "nacl/secretbox");
    for (pem, reason) in [
        (b"key".to_vec(), "is not a key in PEM: "),
        (pem("EC PRIVATE KEY", &[0]), "is in the format SEC1: convert it with `openssl pkcs8"),
        (COSIGN_PUB.to_vec(), "is a public key: give the private key"),
        (pem("X", &[0]), "is PEM of the kind \"X\": expected PRIVATE KEY"),
        (pem("PRIVATE KEY", &[0]), "is not in the format PKCS#8: "),
        (pem("PRIVATE KEY", RSA), "has the algorithm 1.2.840.113549.1.1.1: supported are"),
        (pem("ENCRYPTED PRIVATE KEY", &[0]), "cannot be read: "),
        (pem("ENCRYPTED COSIGN PRIVATE KEY", b"{}"), "is encrypted, and its JSON (missing field"),
        (with("", cost.clone(), "aes"), "is encrypted with scrypt and aes: expected scrypt and"),
        (with("?", cost.clone(), cipher), "is encrypted, and its salt cannot be read"),
        (with("", cost, cipher), "cannot be decrypted: the password is wrong"),
        (with("", json!({ "N": 3, "r": 1, "p": 1 }), cipher), "is encrypted with parameters that"),
        (with("", json!({ "N": 0, "r": 1, "p": 1 }), cipher), "is encrypted with parameters that"),
        (with("", json!({ "N": 2, "r": 0, "p": 1 }), cipher), "is encrypted with parameters that"),
        (
            with("", json!({ "N": 1u64 << 40, "r": 8, "p": 1 }), cipher),
            "is encrypted in a way that takes 1125899906842624 bytes of memory",
        ),
    ] {
        let error = PrivateKey::from_pem(&pem, Some(b"")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("private key: {reason}")), "{error}");
    }
    // The curve P-384, with a point that is not read.
    const P384: &[u8] = b"\x30\x16\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x02\x00\x04";
    for (pem, reason) in [
        (COSIGN_KEY.to_vec(), "is a private key: take its public key with"),
        (pem("CERTIFICATE", &[0]), "is a certificate: take its key with"),
        (pem("PUBLIC KEY", P384), "is on the curve 1.3.132.0.34: supported are"),
        (pem("PUBLIC KEY", &[0]), "cannot be read: "),
        (pem("X", &[0]), "is PEM of the kind \"X\": expected PUBLIC KEY"),
    ] {
        let error = PublicKey::from_pem(&pem).unwrap_err().to_string();
        assert!(error.starts_with(&format!("public key: {reason}")), "{error}");
    }
}
