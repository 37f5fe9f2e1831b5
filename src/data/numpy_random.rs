//! NumPy's legacy generator (`numpy.random.RandomState`), as far as published splits need it. Knows no data set, and is not a
//! source of new randomness.

/// MT19937 (Matsumoto & Nishimura 1998).
struct Twister {
    state: [u32; 624],
    used: usize,
}

impl Twister {
    /// `init_genrand` of the authors' `mt19937ar.c`, the initialiser for a single integer.
    fn new(seed: u32) -> Self {
        let mut state = [seed; 624];
        for i in 1..624u32 {
            let before = state[i as usize - 1];
            state[i as usize] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i);
        }
        Twister { state, used: 624 }
    }

    fn next(&mut self) -> u32 {
        if self.used == 624 {
            for i in 0..624 {
                let mixed = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (mixed >> 1) ^ twist;
            }
            self.used = 0;
        }
        let mut y = self.state[self.used];
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in 0..=`top`: bits under the smallest mask that covers `top`, drawn again while above it. As
    /// `random_interval` of `numpy/random/src/distributions/distributions.c`.
    fn up_to(&mut self, top: u32) -> u32 {
        let mask = u32::MAX.checked_shr(top.leading_zeros()).unwrap_or(0);
        loop {
            let draw = self.next() & mask;
            if draw <= top {
                return draw;
            }
        }
    }
}

/// `numpy.random.RandomState(seed).permutation(n)`, which scikit-learn's shuffled splits with `random_state=seed` use (task
/// specification §10.3 and §16). `n` is a number of samples below 2³²: the generator draws 32 bits at a time.
pub fn permutation(n: u32, seed: u32) -> Vec<u32> {
    let mut twister = Twister::new(seed);
    let mut order: Vec<u32> = (0..n).collect();
    for i in (1..n).rev() {
        let j = twister.up_to(i);
        order.swap(i as usize, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{Twister, permutation};
    use std::collections::BTreeSet;

    #[test]
    fn first_outputs_are_published() {
        // C++ [rand.predef]: the 10000th output for the default seed 5489
        let mut twister = Twister::new(5489);
        let last = (0..10_000).map(|_| twister.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn permutations_of_the_specification() {
        // task specification §16
        let order = permutation(8528, 0);
        assert_eq!(order[..10], [2044, 2916, 274, 6817, 4750, 7086, 3424, 1284, 5098, 3775]);
        assert_eq!(order[8523..], [4373, 7891, 4859, 3264, 2732]);
        let half = permutation(1706, 0);
        assert_eq!(half[..10], [1541, 6, 251, 838, 310, 408, 1013, 618, 576, 1103]);
        // the splits of §10.3: the first ⌈f·n⌉ entries are held out
        assert_eq!(order[853..858], [4865, 6526, 6813, 5793, 5183]);
        assert_eq!(order[1706..1711], [6692, 3768, 1352, 2434, 4431]);
        let held: Vec<u32> = half.iter().map(|i| order[*i as usize]).collect();
        assert_eq!(held[853..858], [7757, 6966, 5341, 1912, 2938]);
        assert_eq!(held[..5], [4773, 3424, 3338, 4089, 2990]);
        let last: BTreeSet<u32> = order[..853].iter().copied().collect();
        let shared = |part: &[u32]| part.iter().filter(|i| last.contains(i)).count();
        assert_eq!((shared(&held[853..]), shared(&held[..853])), (429, 424));
    }

    #[test]
    fn small_ones_are_whole() {
        assert!(permutation(0, 0).is_empty());
        assert_eq!(permutation(1, 7), [0]);
        let mut order = permutation(100, 1);
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<u32>>());
    }
}
