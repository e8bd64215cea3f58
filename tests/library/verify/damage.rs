//! Bytes changed anywhere: a finding wherever a digest covers them, and never a panic.

use std::fs;

use oci_layout::{Pool, document::MediaType, verify::VerifyOptions};

use super::layout::Layout;

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// Flips, truncates, duplicates or overwrites.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            2 => {
                let from = self.below(bytes.len());
                let length = (bytes.len() - at.max(from)).min(64);
                bytes.copy_within(from..from + length, at);
            }
            _ => bytes[at] ^= 1 << self.below(8),
        }
    }
}

fn count(layout: &Layout) -> usize {
    let options = VerifyOptions::default().pool(&Pool::new(2));
    oci_layout::verify::verify(layout.path(), &options).unwrap().len()
}

#[test]
fn damage_anywhere_is_found() {
    let layout = Layout::good();
    let mut random = Random(1);
    let mut files: Vec<_> = fs::read_dir(layout.path().join("blobs/sha256"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    files.extend(["index.json", "oci-layout"].map(|name| layout.path().join(name)));
    for round in 0..400 {
        let file = &files[random.below(files.len())];
        let good = fs::read(file).unwrap();
        let mut bad = good.clone();
        random.damage(&mut bad);
        fs::write(file, &bad).unwrap();
        let count = count(&layout);
        // No digest covers the other two files.
        let covered = file.parent().unwrap().ends_with("sha256");
        assert!(count > 0 || !covered || bad == good, "round {round}: {file:?}");
        fs::write(file, good).unwrap();
    }
    assert_eq!(count(&layout), 0);
}

/// Damage under matching digests reaches the readers of documents and layers, which must handle it.
#[test]
fn damage_under_matching_digests_does_no_harm() {
    let good = Layout::good();
    let mut random = Random(2);
    let ways: [&[&str]; 6] = [
        &["/manifests/0"],
        &["/manifests/0", "/config"],
        &["/manifests/1"],
        &["/manifests/0", "/layers/0"],
        &["/manifests/0", "/layers/1"],
        &["/manifests/0", "/layers/2"],
    ];
    let mut found = 0;
    for _ in 0..200 {
        let layout = good.copy();
        let way = ways[random.below(ways.len())];
        let mut bytes = layout.read(way);
        random.damage(&mut bytes);
        layout.replace(way, &bytes);
        found += usize::from(count(&layout) > 0);
    }
    assert!(found > 150, "only {found} of 200");
    // A layer whose diff ID matches the damage as well.
    let tar = good.read(&["/manifests/0", "/layers/2"]);
    for _ in 0..200 {
        let layout = good.copy();
        let mut bytes = tar.clone();
        random.damage(&mut bytes);
        layout.replace_layer(MediaType::LAYER, &bytes, oci_layout::Digest::of(&bytes));
        count(&layout);
    }
}
