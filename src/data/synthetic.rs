//! Random numbers of the embedded generators: one independent stream per (task, split, stream, sample), so that samples
//! do not depend on order, threads or counts (task specification §13.1). Knows no task, and is not the training's generator.

use std::f64::consts::TAU;

/// What a stream is for; part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Content,
    Label,
    Noise,
    /// Constants of a class, shared by all splits: split `world`, index = class.
    World,
}

/// 2⁶⁴ divided by the golden ratio: SplitMix64's increment (Steele, Lea & Flood 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// xoshiro256** (Blackman & Vigna 2018), seeded from a name by FNV-1a-64 and SplitMix64.
#[derive(Clone, Debug)]
pub struct Stream {
    state: [u64; 4],
    /// The second output of Box–Muller.
    spare: Option<f64>,
}

impl Stream {
    /// The stream of sample `index`; a user's `seed` is appended to the name.
    pub fn new(task: &str, split: &str, purpose: Purpose, index: u64, seed: Option<u64>) -> Self {
        let number = match purpose {
            Purpose::Content => 0,
            Purpose::Label => 1,
            Purpose::Noise => 2,
            Purpose::World => 3,
        };
        let mut name = format!("nb360/{task}/{split}/{number}");
        if let Some(seed) = seed {
            name.push_str(&format!("/{seed}"));
        }
        let mut splitmix = fnv1a(name.as_bytes()) ^ index.wrapping_add(1).wrapping_mul(GOLDEN);
        let state = std::array::from_fn(|_| splitmix64(&mut splitmix));
        Stream { state, spare: None }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..bound, without bias. `bound` 0 counts as 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let bits = self.bits();
            if bits < limit {
                return bits % bound;
            }
        }
    }

    /// Standard normal (Box–Muller, both outputs used).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Gamma with the given shape > 0 and scale 1 (Marsaglia & Tsang 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Poisson: multiplication below mean 30, else the rounded normal (task specification §13.1).
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean >= 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let floor = (-mean).exp();
        let (mut count, mut product) = (0, self.uniform());
        while product > floor {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Stream, fnv1a, splitmix64};

    #[test]
    fn published_vectors() {
        // task specification §16
        assert_eq!(fnv1a(b"nb360/darcy/train/0"), 0xe737_162e_50f9_ef2a);
        assert_eq!(splitmix64(&mut 0), 0xe220_a839_7b1d_cdaf);
        let mut stream = Stream::new("darcy", "train", Purpose::Content, 0, None);
        let bits = [stream.bits(), stream.bits(), stream.bits()];
        assert_eq!(bits, [0xa942_8c67_54c1_c23e, 0xec49_6c97_669a_7906, 0x415c_191b_05ba_34a7]);
        let mut stream = Stream::new("darcy", "train", Purpose::Content, 0, None);
        for expected in [0.661_171_698_8, 0.922_995_364_2, 0.255_311_555_0] {
            assert!((stream.uniform() - expected).abs() < 1e-9);
        }
        assert_eq!(Stream::new("darcy", "train", Purpose::Content, 1, None).bits(), 0x6349_7e34_63b2_1806);
    }

    #[test]
    fn a_seed_changes_the_stream() {
        let bits = |seed| Stream::new("darcy", "train", Purpose::Content, 0, seed).bits();
        assert_ne!(bits(None), bits(Some(0)));
        assert_ne!(bits(Some(0)), bits(Some(1)));
    }

    /// Mean and variance of `n` draws.
    fn moments(n: usize, mut draw: impl FnMut(&mut Stream) -> f64) -> (f64, f64) {
        let mut stream = Stream::new("test", "train", Purpose::Noise, 7, None);
        let values: Vec<f64> = (0..n).map(|_| draw(&mut stream)).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
    }

    #[test]
    fn distributions_have_their_moments() {
        let near = |(mean, variance): (f64, f64), m: f64, v: f64| {
            assert!((mean - m).abs() < 0.05 * (1.0 + m) && (variance - v).abs() < 0.1 * (1.0 + v), "{mean} {variance}");
        };
        near(moments(20_000, Stream::normal), 0.0, 1.0);
        near(moments(20_000, Stream::exponential), 1.0, 1.0);
        near(moments(20_000, |s| s.gamma(0.6)), 0.6, 0.6);
        near(moments(20_000, |s| s.gamma(4.0)), 4.0, 4.0);
        near(moments(20_000, |s| s.poisson(3.0) as f64), 3.0, 3.0);
        near(moments(20_000, |s| s.poisson(50.0) as f64), 50.0, 50.0);
        near(moments(20_000, |s| s.below(10) as f64), 4.5, 8.25);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..100).collect();
        Stream::new("test", "train", Purpose::Label, 0, None).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
