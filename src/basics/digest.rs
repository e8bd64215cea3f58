//! Digests, and a reader that computes one from the bytes that pass through it.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::basics::{sha256::Sha256, text};

/// A SHA-256 digest, written as `sha256:` and 64 lower-case hexadecimal digits.
///
/// The
/// [specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests)
/// registers more algorithms, but all registries and images use SHA-256. Digests of other
/// algorithms are an error, because content that cannot be verified must not be accepted.
///
/// ```
/// use oci_layout::Digest;
/// let digest = Digest::of(b"{}");
/// assert_eq!(digest.to_string(), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
/// assert_eq!(digest, digest.to_string().parse()?);
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The prefix of the digits.
const ALGORITHM: &str = "sha256:";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of each character, or 16 or more for one that is not a lower-case hexadecimal digit.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

impl Digest {
    /// Computes the digest of bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let mut sha = Sha256::default();
        sha.update(bytes.as_ref());
        Self(sha.finish())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits without the algorithm, which are the file name of a blob.
    pub fn hex(&self) -> String {
        self.to_string().split_off(ALGORITHM.len())
    }

    /// Calls `f` with the digest as text, without an allocation: an index may have thousands of
    /// digests.
    fn with_text<T>(&self, f: impl FnOnce(&str) -> T) -> T {
        let mut text = [0; ALGORITHM.len() + 64];
        let (algorithm, digits) = text.split_at_mut(ALGORITHM.len());
        algorithm.copy_from_slice(ALGORITHM.as_bytes());
        for (byte, pair) in self.0.iter().zip(digits.chunks_exact_mut(2)) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|value| DIGITS[usize::from(value)]));
        }
        f(str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("digest {digest:?} {reason}")]
#[non_exhaustive]
pub struct ParseDigestError {
    /// The text.
    pub digest: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// # Errors
    ///
    /// If the algorithm is not `sha256`, or if the rest does not have 64 lower-case hexadecimal
    /// digits.
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let refuse = |reason| ParseDigestError { digest: text.to_owned(), reason };
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(refuse("has no algorithm: write it as sha256:HEX"));
        };
        if algorithm != "sha256" {
            return Err(refuse("has an unsupported algorithm: only sha256 is supported"));
        }
        let mut bytes = [0; 32];
        let mut is_hex = hex.len() == 64;
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| DIGIT_VALUES[usize::from(digit)]);
            is_hex &= (high | low) < 16;
            *byte = high << 4 | low & 15;
        }
        if !is_hex {
            return Err(refuse("does not have 64 lower-case hexadecimal digits"));
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "a digest, as in sha256:HEX", str::parse)
    }
}

/// A running SHA-256 that also counts bytes.
#[derive(Clone, Default)]
pub(crate) struct Hasher {
    sha: Sha256,
    size: u64,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// The number of bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The digest and the number of bytes.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (Digest(self.sha.finish()), self.size)
    }
}

/// A reader that hashes the bytes that pass through it.
pub(crate) struct HashRead<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashRead<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    /// The digest and number of the bytes read so far.
    pub(crate) fn finish(self) -> (Digest, u64) {
        self.hasher.finish()
    }
}

impl<R: Read> Read for HashRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
