//! The trees that are packed: generated from a seed, the same on every machine.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

#[path = "../../tests/common/random.rs"]
mod random;

use std::{env, fs, path::Path};

use tempfile::TempDir;

use self::random::{Random, text};

/// A folder of files, and its properties.
pub struct Tree {
    /// The name in the benchmark.
    pub name: &'static str,
    /// The number of files.
    pub files: u64,
    /// The total size of the files.
    pub bytes: u64,
    dir: TempDir,
}

impl Tree {
    /// Many small files.
    pub fn small() -> Self {
        Self::new("small", &[(4_000, 8 << 10)])
    }

    /// Few large files.
    pub fn large() -> Self {
        Self::new("large", &[(4, 16 << 20)])
    }

    /// Small, medium and large files.
    pub fn mixed() -> Self {
        Self::new("mixed", &[(2_000, 8 << 10), (100, 256 << 10), (2, 16 << 20)])
    }

    /// Empty files.
    pub fn empty() -> Self {
        Self::new("empty", &[(10_000, 0)])
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A tree with this many files of about this size, for each of the pairs.
    fn new(name: &'static str, kinds: &[(usize, usize)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(4);
        let mut tree = Self { name, files: 0, bytes: 0, dir };
        for &(count, size) in kinds {
            for _ in 0..count.div_ceil(if is_test() { 50 } else { 1 }) {
                tree.add_file(size / 2 + random.below(size + 1), random.next());
            }
        }
        tree
    }

    /// Every second file is text, and every other one contains incompressible bytes too, as
    /// programs do.
    fn add_file(&mut self, size: usize, seed: u64) {
        let mut content = text(size, seed);
        if self.files % 2 == 1 {
            let mut random = Random(seed);
            for piece in content.chunks_mut(64).step_by(3) {
                piece.fill_with(|| random.next().to_le_bytes()[0]);
            }
        }
        let folder = self.dir.path().join(format!("folder {}", self.files / 100));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("file {}", self.files)), content).unwrap();
        self.files += 1;
        self.bytes += size as u64;
    }
}

/// Whether everything runs once without being measured, by criterion's own rule.
pub fn is_test() -> bool {
    let is_given = |flag| env::args().any(|argument| argument == flag);
    is_given("--test") || !is_given("--bench")
}
