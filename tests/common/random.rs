//! Pseudorandom texts and numbers, the same for the same seed. The benchmarks use this file too.

/// Text that compresses about as well as program code, the same for the same seed.
pub fn text(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let words: Vec<Vec<u8>> = (0..500)
        .map(|_| {
            (0..1 + random.below(15)).map(|_| b"etaoin shrdlu(){};=\n"[random.below(20)]).collect()
        })
        .collect();
    let mut text = Vec::with_capacity(size + 15);
    while text.len() < size {
        text.extend_from_slice(&words[random.below(words.len()).min(random.below(words.len()))]);
    }
    text.truncate(size);
    text
}

/// Pseudorandom numbers (Knuth's MMIX generator), the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
