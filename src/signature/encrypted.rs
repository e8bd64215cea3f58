//! The encrypted private keys of cosign: JSON with the parameters of scrypt and a secret box of
//! NaCl, which contains PKCS#8.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use pkcs8::der::zeroize::Zeroizing;
use scrypt::{Params, scrypt};
use serde::Deserialize;

/// The most memory that scrypt may take. cosign uses 64 MiB.
const MAX_MEMORY: u64 = 1 << 30;

#[derive(Deserialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Cost,
    salt: String,
}

/// [RFC 7914](https://www.rfc-editor.org/rfc/rfc7914#section-2).
#[derive(Deserialize)]
pub(crate) struct Cost {
    #[serde(rename = "N")]
    pub(crate) n: u64,
    pub(crate) r: u32,
    pub(crate) p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Decrypts the contents of the PEM. The error says what is wrong.
pub(crate) fn decrypt(json: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let broken = |what: &str| format!("is encrypted, and its {what} cannot be read");
    let Encrypted { kdf, cipher, ciphertext } =
        serde_json::from_slice(json).map_err(|error| broken(&format!("JSON ({error})")))?;
    if (&*kdf.name, &*cipher.name) != ("scrypt", "nacl/secretbox") {
        return Err(format!(
            "is encrypted with {} and {}: expected scrypt and nacl/secretbox, as cosign uses them",
            kdf.name, cipher.name
        ));
    }
    let decoded = |text: &str, what| STANDARD.decode(text).map_err(|_| broken(what));
    let salt = decoded(&kdf.salt, "salt")?;
    let nonce: [u8; 24] =
        decoded(&cipher.nonce, "nonce")?.try_into().map_err(|_| broken("nonce"))?;
    let ciphertext = decoded(&ciphertext, "ciphertext")?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt(password, &salt, &kdf.params.checked()?, &mut *key)
        .map_err(|error| broken(&error.to_string()))?;
    XSalsa20Poly1305::new(key.as_slice().into())
        .decrypt(&nonce.into(), &*ciphertext)
        .map(Zeroizing::new)
        .map_err(|_| "cannot be decrypted: the password is wrong, or the key is damaged".to_owned())
}

impl Cost {
    /// The parameters, if scrypt accepts them and takes no more than [`MAX_MEMORY`].
    pub(crate) fn checked(&self) -> Result<Params, String> {
        let Self { n, r, p } = *self;
        let refused = || format!("is encrypted with parameters that scrypt refuses: {n}, {r}, {p}");
        let memory = u128::from(n) * 128 * u128::from(r) * u128::from(p.max(1));
        if memory > MAX_MEMORY.into() {
            return Err(format!("is encrypted in a way that takes {memory} bytes of memory"));
        }
        match n.is_power_of_two() {
            true => Params::new(n.trailing_zeros() as u8, r, p).map_err(|_| refused()),
            false => Err(refused()),
        }
    }
}
