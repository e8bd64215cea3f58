//! Keys: ECDSA on P-256 with SHA-256, and Ed25519.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{self as ed25519, Digest as _, Sha512, Signer, Verifier};
use p256::ecdsa;
use pkcs8::{
    DecodePublicKey, EncodePublicKey, EncryptedPrivateKeyInfoRef, ObjectIdentifier,
    PrivateKeyInfoRef, SubjectPublicKeyInfoRef,
    der::pem,
    pkcs5::{EncryptionScheme, pbes2::Kdf},
};

use crate::{
    basics::{Digest, Error, Result},
    signature::encrypted::{self, Cost},
};

/// The algorithms, which the type `AlgorithmIdentifier` of keys names: [RFC
/// 5480](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1), [RFC
/// 8410](https://www.rfc-editor.org/rfc/rfc8410#section-3).
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const SUPPORTED: &str = "supported are ECDSA on the curve P-256, and Ed25519";

/// A key that signs.
pub struct PrivateKey(Private);

enum Private {
    P256(ecdsa::SigningKey),
    Ed25519(ed25519::SigningKey),
}

impl PrivateKey {
    /// Reads a key from PEM: PKCS#8, as `openssl genpkey` writes it, with or without encryption, or
    /// the encrypted key of `cosign generate-key-pair`. Only an encrypted key needs the password.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another kind of PEM or of key, for a missing or wrong password, and
    /// for an encryption that is not supported, that takes more than 1 GiB of memory, or that
    /// repeats PBKDF2 more than ten million times.
    pub fn from_pem(pem: &[u8], password: Option<&[u8]>) -> Result<Self> {
        let invalid = |reason: String| Error::invalid("private key", reason);
        let needed = || {
            let reason = "is encrypted: its password is needed";
            password.ok_or_else(|| invalid(reason.to_owned()))
        };
        let (label, der) = decoded(pem).map_err(invalid)?;
        let key = match label {
            "PRIVATE KEY" => Self::from_der(&der),
            "ENCRYPTED PRIVATE KEY" => {
                let key = EncryptedPrivateKeyInfoRef::try_from(&*der);
                let key = key.map_err(|error| invalid(format!("cannot be read: {error}")))?;
                check_cost(&key.encryption_algorithm).map_err(invalid)?;
                let der = key.decrypt(needed()?).map_err(|error| {
                    invalid(format!(
                        "cannot be decrypted: the password is wrong, or the encryption is not \
                         supported ({error})"
                    ))
                })?;
                Self::from_der(der.as_bytes())
            }
            // The name before cosign 2 was the first.
            "ENCRYPTED COSIGN PRIVATE KEY" | "ENCRYPTED SIGSTORE PRIVATE KEY" => {
                encrypted::decrypt(&der, needed()?).and_then(|der| Self::from_der(&der))
            }
            "EC PRIVATE KEY" => {
                Err("is in the format SEC1: convert it with `openssl pkcs8 -topk8 \
                                     -nocrypt -in FILE -out NEW`"
                    .to_owned())
            }
            "PUBLIC KEY" => Err("is a public key: give the private key".to_owned()),
            other => Err(format!("is PEM of the kind {other:?}: expected PRIVATE KEY")),
        };
        key.map_err(invalid)
    }

    /// Whether the PEM is of an encrypted key, which needs a password.
    pub fn is_encrypted(pem: &[u8]) -> bool {
        pem::decode_label(key_of(pem)).is_ok_and(|label| label.starts_with("ENCRYPTED "))
    }

    fn from_der(der: &[u8]) -> Result<Self, String> {
        let broken = |error: pkcs8::Error| format!("cannot be read: {error}");
        let key = PrivateKeyInfoRef::try_from(der)
            .map_err(|error| format!("is not in the format PKCS#8: {error}"))?;
        match key.algorithm.oid {
            ECDSA => {
                check_curve(key.algorithm.parameters_oid().ok())?;
                key.try_into().map(|key| Self(Private::P256(key))).map_err(broken)
            }
            ED25519 => key.try_into().map(|key| Self(Private::Ed25519(key))).map_err(broken),
            other => Err(format!("has the algorithm {other}: {SUPPORTED}")),
        }
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Private::P256(key) => Public::P256(*key.verifying_key()),
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
        })
    }

    /// Signs bytes. ECDSA takes its nonce from the key and the bytes ([RFC
    /// 6979](https://www.rfc-editor.org/rfc/rfc6979)), and Ed25519 always does, so that the
    /// signature depends on nothing else.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.0 {
            Private::P256(key) => {
                let signature: ecdsa::DerSignature = key.sign(bytes);
                signature.as_bytes().to_vec()
            }
            Private::Ed25519(key) => key.sign(bytes).to_bytes().to_vec(),
        }
    }
}

/// Shows the public key only.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.public_key()).finish()
    }
}

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Public);

#[derive(Clone, PartialEq, Eq)]
enum Public {
    P256(ecdsa::VerifyingKey),
    Ed25519(ed25519::VerifyingKey),
}

impl PublicKey {
    /// Reads a key from PEM, as `openssl pkey -pubout` and `cosign generate-key-pair` write it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another kind of PEM or of key.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let (label, der) = decoded(pem).map_err(|reason| Error::invalid("public key", reason))?;
        let key = match label {
            "PUBLIC KEY" => Self::from_der(&der),
            "CERTIFICATE" => {
                Err("is a certificate: take its key with `openssl x509 -pubkey -noout -in FILE`"
                    .to_owned())
            }
            private if private.ends_with("PRIVATE KEY") => Err(
                "is a private key: take its public key with `openssl pkey -pubout -in FILE`, or \
                 with `cosign public-key --key FILE`"
                    .to_owned(),
            ),
            other => Err(format!("is PEM of the kind {other:?}: expected PUBLIC KEY")),
        };
        key.map_err(|reason| Error::invalid("public key", reason))
    }

    fn from_der(der: &[u8]) -> Result<Self, String> {
        let broken = |error| format!("cannot be read: {error}");
        let key = SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|error| format!("cannot be read: {error}"))?;
        match key.algorithm.oid {
            ECDSA => {
                check_curve(key.algorithm.parameters_oid().ok())?;
                let key = ecdsa::VerifyingKey::from_public_key_der(der);
                key.map(|key| Self(Public::P256(key))).map_err(broken)
            }
            ED25519 => {
                let key = ed25519::VerifyingKey::from_public_key_der(der);
                key.map(|key| Self(Public::Ed25519(key))).map_err(broken)
            }
            other => Err(format!("has the algorithm {other}: {SUPPORTED}")),
        }
    }

    /// Returns the name of the key that cosign writes into bundles, so that a reader finds the key:
    /// the SHA-256 of the key in DER, as base64.
    pub fn hint(&self) -> String {
        let der = match &self.0 {
            Public::P256(key) => key.to_public_key_der(),
            Public::Ed25519(key) => key.to_public_key_der(),
        };
        let der = der.expect("a valid key can be encoded");
        STANDARD.encode(Digest::of(der.as_bytes()).bytes())
    }

    /// Whether this key made the signature of the bytes.
    pub(crate) fn made(&self, signature: &[u8], bytes: &[u8]) -> bool {
        match &self.0 {
            Public::P256(key) => ecdsa::DerSignature::try_from(signature)
                .is_ok_and(|signature| key.verify(bytes, &signature).is_ok()),
            // Strict: a weak key would accept a signature of other bytes. cosign 3 signs the hash of
            // the bytes (Ed25519ph), although it does not verify that itself:
            // https://github.com/sigstore/cosign/pull/5074
            Public::Ed25519(key) => ed25519::Signature::from_slice(signature).is_ok_and(|made| {
                let hashed = || Sha512::new().chain_update(bytes);
                key.verify_strict(bytes, &made).is_ok()
                    || key.verify_prehashed_strict(hashed(), None, &made).is_ok()
            }),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.hint()).finish()
    }
}

/// The label and the bytes of the PEM of a key.
fn decoded(pem: &[u8]) -> Result<(&str, Vec<u8>), String> {
    pem::decode_vec(key_of(pem)).map_err(|error| format!("is not a key in PEM: {error}"))
}

/// The PEM after the parameters of a curve, which `openssl ecparam -genkey` writes first.
fn key_of(pem: &[u8]) -> &[u8] {
    const PARAMETERS: [&[u8]; 2] =
        [b"-----BEGIN EC PARAMETERS-----", b"-----END EC PARAMETERS-----"];
    let [begin, end] = PARAMETERS;
    let at = pem.windows(end.len()).position(|text| text == end);
    match at.filter(|_| pem.trim_ascii_start().starts_with(begin)) {
        Some(at) => pem[at + end.len()..].trim_ascii_start(),
        None => pem,
    }
}

/// Checks what deriving the key from the password takes.
fn check_cost(encryption: &EncryptionScheme) -> Result<(), String> {
    /// The most that [RFC 8018](https://www.rfc-editor.org/rfc/rfc8018#section-4.2) suggests.
    const MAX_ITERATIONS: u32 = 10_000_000;
    match encryption.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Scrypt(scrypt)) => {
            let (r, p) = (scrypt.block_size.into(), scrypt.parallelization.into());
            Cost { n: scrypt.cost_parameter, r, p }.checked().map(|_| ())
        }
        Some(Kdf::Pbkdf2(pbkdf2)) if pbkdf2.iteration_count > MAX_ITERATIONS => {
            let count = pbkdf2.iteration_count;
            Err(format!("is encrypted with {count} iterations, more than {MAX_ITERATIONS}"))
        }
        _ => Ok(()),
    }
}

fn check_curve(curve: Option<ObjectIdentifier>) -> Result<(), String> {
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    match curve {
        Some(P256) => Ok(()),
        Some(other) => Err(format!("is on the curve {other}: {SUPPORTED}")),
        None => Err(format!("does not name its curve: {SUPPORTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of [RFC 6979](https://www.rfc-editor.org/rfc/rfc6979#appendix-A.2.5) and
    /// [RFC 8032](https://www.rfc-editor.org/rfc/rfc8032#section-7.1), whose keys openssl reads.
    #[test]
    fn signatures_are_those_of_the_specifications() {
        let p256 = "-----BEGIN PRIVATE KEY-----\n\
            MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCDJr6nYRbp1FmtcIVdn\n\
            sdaTTlDD2zbomxJ7imIrEg9nIQ==\n\
            -----END PRIVATE KEY-----\n";
        let key = PrivateKey::from_pem(p256.as_bytes(), None).unwrap();
        let signature = ecdsa::Signature::from_der(&key.sign(b"sample")).unwrap();
        assert_eq!(
            format!("{signature:X}"),
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
        );
        assert!(key.public_key().made(&key.sign(b"sample"), b"sample"));
        assert!(!key.public_key().made(&key.sign(b"sample"), b"test"));

        let ed25519 = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n\
            -----END PRIVATE KEY-----\n";
        let key = PrivateKey::from_pem(ed25519.as_bytes(), None).unwrap();
        let signature: String =
            key.sign(b"\x72").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            signature,
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert!(key.public_key().made(&key.sign(b"\x72"), b"\x72"));
        assert!(!key.public_key().made(&key.sign(b"\x72"), b"\x73"));
    }

    /// What `openssl ecparam -name prime256v1 -genkey` writes: the parameters, and the key.
    #[test]
    fn the_parameters_of_a_curve_are_skipped() {
        let pem = "-----BEGIN EC PARAMETERS-----\n\
            BggqhkjOPQMBBw==\n\
            -----END EC PARAMETERS-----\n\
            -----BEGIN EC PRIVATE KEY-----\n\
            MHcCAQEEIPM7TP+gGAI4wxwsN5PnY1HHeJQzL1ek1Z83b+qZCKVWoAoGCCqGSM49\n\
            AwEHoUQDQgAEUrHtRvrXnWIob9EO/so0QSgAKgdFN0Y0JYGMMDhQ9wlRSh4IR7K/\n\
            fIr1P6N93aoE8f2GwNN2sr3cTB9Hnor2xQ==\n\
            -----END EC PRIVATE KEY-----\n";
        let error = PrivateKey::from_pem(pem.as_bytes(), None).unwrap_err().to_string();
        assert!(error.contains("is in the format SEC1: convert it with `openssl"), "{error}");
        let error = PublicKey::from_pem(pem.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("is a private key: take"), "{error}");
    }

    /// Deriving the key would take a terabyte, or hours.
    #[test]
    fn an_expensive_encryption_is_refused() {
        use pkcs8::{
            EncryptedPrivateKeyInfo, LineEnding,
            der::{Encode, asn1::OctetStringRef},
            pkcs5::pbes2::{self, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams},
        };
        let salt = Salt::new([0; 8]).unwrap();
        let scrypt = |cost_parameter| {
            Kdf::Scrypt(ScryptParams {
                salt,
                cost_parameter,
                block_size: 8,
                parallelization: 1,
                key_length: None,
            })
        };
        let pbkdf2 = Pbkdf2Params {
            salt,
            iteration_count: u32::MAX,
            key_length: None,
            prf: Pbkdf2Prf::HmacWithSha256,
        };
        for (kdf, reason) in [
            (scrypt(1 << 40), "is encrypted in a way that takes 1125899906842624 bytes of memory"),
            (scrypt(0), "is encrypted with parameters that scrypt refuses: 0, 8, 1"),
            (scrypt(1 << 4), "the password is wrong"),
            (Kdf::Pbkdf2(pbkdf2), "is encrypted with 4294967295 iterations, more than 10000000"),
        ] {
            let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv: [0; 16] };
            let key = EncryptedPrivateKeyInfo {
                encryption_algorithm: pbes2::Parameters { kdf, encryption }.into(),
                encrypted_data: OctetStringRef::new(&[0; 16]).unwrap(),
            };
            let der = key.to_der().unwrap();
            let pem = pem::encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).unwrap();
            let error = PrivateKey::from_pem(pem.as_bytes(), Some(b"hello")).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    /// The point of order 1 accepts one signature of all bytes, unless signatures are strict.
    #[test]
    fn a_weak_key_accepts_nothing() {
        let mut weak = [0; 32];
        weak[0] = 1;
        let key = PublicKey(Public::Ed25519(ed25519::VerifyingKey::from_bytes(&weak).unwrap()));
        let mut signature = [0; 64];
        signature[0] = 1;
        let loose = ed25519::VerifyingKey::from_bytes(&weak).unwrap();
        assert!(loose.verify(b"any", &signature.into()).is_ok());
        assert!(!key.made(&signature, b"any"));
    }
}
