//! Triangular filters equally spaced in mel, and their sums of a power spectrum. Knows no transform.

/// HTK's scale: m = 2595·log10(1 + f/700) (task specification §6.2(b)).
fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

/// The filters as runs of weights, without the zeros around them.
#[derive(Clone, Debug)]
pub struct MelBands {
    /// Of each band: its first bin, and where its weights begin.
    starts: Vec<(usize, usize)>,
    weights: Vec<f64>,
    /// In Hz: band b rises from edge b to b + 1 and falls to b + 2.
    edges: Vec<f64>,
}

impl MelBands {
    /// `count` bands from 0 to half the `rate` in Hz, on the bins of a transform of `length` samples; no area normalisation.
    pub fn new(count: usize, rate: u32, length: usize) -> Self {
        let (rate, top) = (f64::from(rate), mel(f64::from(rate) / 2.0));
        let edges: Vec<f64> = (0..count + 2).map(|i| hertz(top * i as f64 / (count + 1) as f64)).collect();
        let (mut starts, mut weights) = (Vec::new(), Vec::new());
        for band in 0..count {
            let (low, middle, high) = (edges[band], edges[band + 1], edges[band + 2]);
            let begin = weights.len();
            let mut first = 0;
            for bin in 0..=length / 2 {
                let f = bin as f64 * rate / length as f64;
                let weight = ((f - low) / (middle - low)).min((high - f) / (high - middle));
                if weight > 0.0 {
                    if weights.len() == begin {
                        first = bin;
                    }
                    weights.push(weight);
                }
            }
            starts.push((first, begin));
        }
        MelBands { starts, weights, edges }
    }

    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// `count` + 2 edges in Hz.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The weights of a band: its first bin and a weight for each bin from there.
    pub fn band(&self, band: usize) -> (usize, &[f64]) {
        let (first, begin) = self.starts[band];
        let end = self.starts.get(band + 1).map_or(self.weights.len(), |next| next.1);
        (first, &self.weights[begin..end])
    }

    /// Weighted sums of band `band` over spectra that lie side by side, bin by bin.
    #[inline(always)]
    pub fn sums<const N: usize>(&self, band: usize, power: &[[f64; N]]) -> [f64; N] {
        let (first, weights) = self.band(band);
        let mut sums = [0.0; N];
        for (weight, power) in weights.iter().zip(&power[first..]) {
            for lane in 0..N {
                sums[lane] += weight * power[lane];
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::{MelBands, mel};

    #[test]
    fn vectors_of_the_specification() {
        // task specification §6.2(b) and §16
        assert!((mel(11_025.0) - 3176.3184).abs() < 1e-4);
        let bands = MelBands::new(96, 22_050, 1920);
        let edges = bands.edges();
        assert_eq!(edges.len(), 98);
        for (at, expected) in [
            (0, 0.0),
            (1, 20.637_320_03),
            (2, 41.883_067_17),
            (3, 63.755_179_01),
            (96, 10_689.224_193_45),
            (97, 11_025.0),
        ] {
            assert!((edges[at] - expected).abs() < 1e-8, "edge {at}: {}", edges[at]);
        }
        for (band, expected) in [(0, 1.796_463_79), (1, 1.864_212_71), (2, 1.928_248_22), (95, 28.816_752_63)] {
            let sum: f64 = bands.band(band).1.iter().sum();
            assert!((sum - expected).abs() < 1e-8, "band {band}: {sum}");
        }
        let filled = (0..96).filter(|band| !bands.band(*band).1.is_empty()).count();
        assert_eq!(filled, 96);
    }

    #[test]
    fn sums_are_weighted() {
        let bands = MelBands::new(96, 22_050, 1920);
        let ones = vec![[1.0, 2.0]; 961];
        let [one, two] = bands.sums(95, &ones);
        assert!((one - 28.816_752_63).abs() < 1e-8 && (two - 2.0 * one).abs() < 1e-12);
    }
}
