//! SHA-256 by the fastest implementation for the processor.

/// A running SHA-256.
///
/// `sha2` uses the SHA instructions of the processor. For processors without them it has only
/// portable code, and the assembly of ring is faster.
#[derive(Clone)]
pub(crate) enum Sha256 {
    Sha2(sha2::Sha256),
    #[cfg(feature = "ring")]
    Ring(ring::digest::Context),
}

impl Default for Sha256 {
    fn default() -> Self {
        #[cfg(feature = "ring")]
        if ring_is_faster() {
            return Self::ring();
        }
        Self::Sha2(sha2::Sha256::default())
    }
}

impl Sha256 {
    #[cfg(feature = "ring")]
    fn ring() -> Self {
        Self::Ring(ring::digest::Context::new(&ring::digest::SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha2(sha) => sha2::Digest::update(sha, bytes),
            #[cfg(feature = "ring")]
            Self::Ring(sha) => sha.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        match self {
            Self::Sha2(sha) => sha2::Digest::finalize(sha).into(),
            #[cfg(feature = "ring")]
            Self::Ring(sha) => sha.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes"),
        }
    }
}

/// Whether the processor lacks the instructions that `sha2` uses.
#[cfg(all(feature = "ring", target_arch = "x86_64"))]
fn ring_is_faster() -> bool {
    !(is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1"))
}

/// Whether the processor lacks the instructions that `sha2` uses.
#[cfg(all(feature = "ring", target_arch = "aarch64"))]
fn ring_is_faster() -> bool {
    !std::arch::is_aarch64_feature_detected!("sha2")
}

/// ring has no assembly for other architectures.
#[cfg(all(feature = "ring", not(any(target_arch = "aarch64", target_arch = "x86_64"))))]
fn ring_is_faster() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// All implementations, whatever the processor has.
    fn implementations() -> Vec<Sha256> {
        vec![
            Sha256::Sha2(sha2::Sha256::default()),
            #[cfg(feature = "ring")]
            Sha256::ring(),
        ]
    }

    fn digest(mut sha: Sha256, bytes: &[u8]) -> [u8; 32] {
        sha.update(bytes);
        sha.finish()
    }

    /// Adds the parts one by one. After each of them, all implementations have the same digest of
    /// the bytes so far, and finishing a copy does not change what follows.
    fn compare_prefixes<'a>(parts: impl IntoIterator<Item = &'a [u8]>) {
        let mut running = implementations();
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(part);
            let expected = digest(Sha256::Sha2(sha2::Sha256::default()), &bytes);
            for sha in &mut running {
                sha.update(part);
                assert_eq!(sha.clone().finish(), expected, "after {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn every_implementation_has_the_digests_of_python() {
        let program = "import hashlib\n\
                       for n in [*range(300), 2**20 - 1, 2**20, 2**20 + 1]:\n    \
                       print(n, hashlib.sha256(bytes(i * i % 251 for i in range(n))).hexdigest())";
        let digests = Command::new("python3").args(["-c", program]).output().unwrap();
        assert!(digests.status.success(), "{digests:?}");
        let digests = String::from_utf8(digests.stdout).unwrap();
        assert_eq!(digests.lines().count(), 303);
        for line in digests.lines() {
            let (size, expected) = line.split_once(' ').unwrap();
            let bytes: Vec<u8> =
                (0..size.parse().unwrap()).map(|i: u64| (i * i % 251) as u8).collect();
            for sha in implementations() {
                let digest = digest(sha, &bytes).map(|byte| format!("{byte:02x}")).concat();
                assert_eq!(digest, expected, "{size} bytes");
            }
        }
    }

    #[test]
    fn every_implementation_has_the_same_digests_of_prefixes() {
        let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(i) >> 7) as u8).collect();
        compare_prefixes([&block[..], &block, &block[1..], &block[..77], &block]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_implementation_has_the_same_digests_of_any_parts(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            compare_prefixes(parts.iter().map(Vec::as_slice));
        }
    }

    /// The choice agrees with what Linux says of the processor.
    #[cfg(all(feature = "ring", target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn ring_is_for_processors_without_sha_instructions() {
        let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let has_sha = processor.split_whitespace().any(|flag| flag == "sha_ni");
        assert_eq!(ring_is_faster(), !has_sha);
        assert_eq!(matches!(Sha256::default(), Sha256::Ring(_)), !has_sha);
    }
}
