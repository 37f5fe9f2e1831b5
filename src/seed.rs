//! Counter-based randomness (Philox4x32-10), derived by purpose and position: nothing to carry, nothing to save.
//! Knows no clock, no generator state shared between callers, and no tensor.

use sha2::{Digest as _, Sha256};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, §3.3.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
    }
    counter
}

/// A family of streams for one purpose of one stage of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    key: [u32; 2],
}

impl Purpose {
    /// `stage` and `purpose` are free texts, such as `retrain` and `order`; equal texts give equal streams.
    pub fn new(seed: u64, stage: &str, purpose: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [seed.to_string().as_str(), stage, purpose] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let bytes = hash.finalize();
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Purpose { key: [word(0), word(4)] }
    }

    /// The key of all its streams, for those who draw from them on another device.
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// The stream of one position, such as a step, an epoch or a sample.
    pub fn at(&self, index: u64) -> Stream {
        Stream { key: self.key, index, block: 0, buffer: [0; 4], used: 4 }
    }
}

/// The random numbers of one position, always the same from the start.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    index: u64,
    block: u64,
    buffer: [u32; 4],
    used: usize,
}

impl Stream {
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.block as u32, (self.block >> 32) as u32, self.index as u32, (self.index >> 32) as u32];
            self.buffer = philox(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..n without bias. `n` must be positive.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no integer lies in 0..0");
        let zone = (1u64 << 32) / u64::from(n) * u64::from(n); // multiples of n that fit: draws beyond are rejected
        loop {
            let draw = u64::from(self.next_u32());
            if draw < zone {
                return (draw % u64::from(n)) as u32;
            }
        }
    }

    /// Standard normal (Box and Muller's polar-free form, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A uniformly drawn order of 0..n (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let bound = u32::try_from(i + 1).expect("fewer than 2^32 samples");
            order.swap(i, self.below(bound) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, philox};

    #[test]
    fn matches_the_vectors_of_random123() {
        // Random123 1.14, tests/kat_vectors, `philox4x32 10`.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let out = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(counter, [0xa409_3822, 0x299f_31d0]), out);
    }

    #[test]
    fn purposes_positions_and_seeds_are_independent_and_repeatable() {
        let draw = |seed, stage: &str, purpose: &str, index| Purpose::new(seed, stage, purpose).at(index).next_u64();
        let base = draw(0, "retrain", "order", 0);
        assert_eq!(base, draw(0, "retrain", "order", 0));
        for other in [
            draw(1, "retrain", "order", 0),
            draw(0, "search", "order", 0),
            draw(0, "retrain", "init", 0),
            draw(0, "retrain", "order", 1),
            draw(0, "retrainorder", "", 0),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Purpose::new(7, "test", "moments").at(0);
        let n = 20_000;
        let (mut mean, mut square, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = stream.normal();
            mean += z / f64::from(n);
            square += z * z / f64::from(n);
            uniform += stream.uniform() / f64::from(n);
        }
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05 && (uniform - 0.5).abs() < 0.01);
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[stream.below(3) as usize] += 1);
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Purpose::new(0, "test", "order").at(3).permutation(257);
        assert_ne!(order, (0..257).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..257).collect::<Vec<_>>());
        assert!(Purpose::new(0, "test", "order").at(3).permutation(0).is_empty());
    }
}
