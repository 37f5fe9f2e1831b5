//! The τ axis of a profile plot: where a value lies, and which round values get a tick. Draws nothing.

use crate::artifacts::summary::Scale;

/// The least of 1, 2, 2.5, 5 or 10 times a power of ten that is not below `rough`.
pub fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].into_iter().map(|m| m * power).find(|s| *s >= rough * (1.0 - 1e-9));
    step.unwrap_or(10.0 * power)
}

/// From τ = 1 to `end`, above 1.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub end: f64,
    pub scale: Scale,
}

impl Axis {
    /// Position of `tau` as a share of the axis, 0 at τ = 1 and 1 at its end.
    pub fn share(&self, tau: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (tau - 1.0) / (self.end - 1.0),
            Scale::Log => tau.ln() / self.end.ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values on the axis, ascending, each with its label: at least two and at most about ten.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            // Within a short stretch a logarithmic axis has too few powers of ten: ticks as on a linear one.
            Scale::Log if self.end >= 5.0 => self.powers(),
            _ => self.even(),
        }
    }

    /// Between four and eight even steps of 1, 2, 2.5 or 5 times a power of ten, counted from τ = 1.
    fn even(&self) -> Vec<(f64, String)> {
        let length = self.end - 1.0;
        let step = round_step(length / 8.0);
        let whole = |digits: &i32| {
            let shifted = step * 10f64.powi(*digits);
            (shifted - shifted.round()).abs() < 1e-6 * shifted
        };
        let decimals = (0..=12).find(whole).unwrap_or(12) as usize;
        let count = (length / step * (1.0 + 1e-9)).floor() as usize;
        (0..=count).map(|i| 1.0 + step * i as f64).map(|v| (v, label(v, decimals))).collect()
    }

    /// 1, 2, 5, 10, 20, 50 … or, over many decades, some of the powers of ten.
    fn powers(&self) -> Vec<(f64, String)> {
        let decades = self.end.log10();
        let (digits, stride): (&[f64], usize) =
            if decades <= 3.2 { (&[1.0, 2.0, 5.0], 1) } else { (&[1.0], (decades / 8.0).ceil() as usize) };
        let mut ticks = Vec::new();
        for decade in (0..=decades.floor() as usize).step_by(stride) {
            for digit in digits {
                let value = digit * 10f64.powi(decade as i32);
                if value <= self.end * (1.0 + 1e-9) {
                    ticks.push((value, label(value, 0)));
                }
            }
        }
        ticks
    }
}

fn label(value: f64, decimals: usize) -> String {
    if value < 1e6 {
        return format!("{value:.decimals$}");
    }
    let text = format!("{value:.2e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::Axis;
    use crate::artifacts::summary::Scale;

    fn labels(end: f64, scale: Scale) -> Vec<String> {
        Axis { end, scale }.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(4.0, Scale::Linear), ["1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0"]);
        assert_eq!(labels(1.6, Scale::Linear), ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]);
        assert_eq!(labels(4.0, Scale::Log), labels(4.0, Scale::Linear));
        assert_eq!(labels(9.0, Scale::Linear), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(
            labels(3.0, Scale::Linear),
            ["1.00", "1.25", "1.50", "1.75", "2.00", "2.25", "2.50", "2.75", "3.00"]
        );
        assert_eq!(labels(100.0, Scale::Log), ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(1e9, Scale::Log), ["1", "100", "10000", "1e6", "1e8"]);
    }

    #[test]
    fn every_axis_has_a_few_ticks_inside() {
        for scale in [Scale::Linear, Scale::Log] {
            for end in [1.0 + 1e-6, 1.0001, 1.05, 1.3, 2.0, 7.7, 12.0, 5e4, 1e300, f64::MAX] {
                let axis = Axis { end, scale };
                let ticks = axis.ticks();
                assert!((2..=13).contains(&ticks.len()), "{end} {scale:?}: {ticks:?}");
                assert!(ticks.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 != w[1].1), "{end}: {ticks:?}");
                assert!(ticks.iter().all(|(v, _)| (0.0..=1.0).contains(&axis.share(*v))));
                assert_eq!((axis.share(1.0), axis.share(end)), (0.0, 1.0));
            }
        }
    }
}
