//! Store paths as Nix describes them to a build (`exportReferencesGraph`).

use std::{collections::BTreeSet, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    closure::graph::subject,
};

/// A store path.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PathInfo {
    pub(crate) path: PathBuf,
    nar_hash: String,
    pub(crate) nar_size: u64,
    pub(crate) references: BTreeSet<PathBuf>,
    pub(crate) ca: Option<String>,
}

impl PathInfo {
    /// The paths of a graph.
    pub(crate) fn list(graph: &Value) -> Result<Vec<Self>> {
        Vec::deserialize(graph)
            .map_err(|error| Error::invalid("reference graph", error.to_string()))
    }

    /// The SHA-256 of the path as an archive of Nix, in base 16.
    pub(crate) fn nar_hash(&self) -> Result<String> {
        let refused = || {
            let reason = format!("its narHash, {:?}, is not a SHA-256", self.nar_hash);
            Error::invalid(subject(&self.path), reason)
        };
        base16(&self.nar_hash).ok_or_else(refused)
    }
}

/// The digits of a SHA-256 that has one of the three forms of Nix: 64 digits of base 16, 52 digits
/// of Nix's base 32, or the base 64 of the "Subresource Integrity" form.
fn base16(hash: &str) -> Option<String> {
    let bytes = match hash.strip_prefix("sha256:") {
        Some(digits) if digits.len() == 64 => return Some(digits.to_owned()),
        Some(digits) => from_base32(digits)?,
        None => BASE64_STANDARD.decode(hash.strip_prefix("sha256-")?).ok()?.try_into().ok()?,
    };
    Some(Digest::from_bytes(bytes).hex())
}

/// Nix's base 32 is a number with the least significant digit last, of bytes with the least
/// significant byte first.
fn from_base32(digits: &str) -> Option<[u8; 32]> {
    const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut bytes = [0; 32];
    if digits.len() != 52 {
        return None;
    }
    for (place, digit) in digits.bytes().rev().enumerate() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u16;
        let (byte, shift) = (place * 5 / 8, place * 5 % 8);
        let shifted = value << shift;
        bytes[byte] |= (shifted & 0xff) as u8;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= (shifted >> 8) as u8,
            None if shifted > 0xff => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of one hash, as `nix hash convert` prints them.
    #[test]
    fn every_form_of_a_hash_is_read() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for hash in [
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert_eq!(base16(hash).unwrap(), digits);
        }
        for hash in [
            "",
            "sha256:",
            "md5:0",
            "sha256-!",
            "sha256:zmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        ] {
            assert!(base16(hash).is_none(), "{hash}");
        }
    }
}
