//! Curves over epochs: a frame with ticks, lines with a legend beside it. Knows no search.

use crate::report::axis::round_step;
use crate::report::svg::{Svg, coordinate};

/// Okabe & Ito's palette for all kinds of colour vision, without its yellow, which is too light for a line on white.
pub const COLOURS: [&str; 7] = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
/// Beside the colour, for print in grey and for curves that lie on each other.
pub const DASHES: [&str; 6] = ["none", "9 4", "3 3", "10 3 2 3", "14 4", "7 3 2 3 2 3"];

const LEFT: f64 = 84.0;
const PLOT_WIDTH: f64 = 420.0;
const PLOT_HEIGHT: f64 = 150.0;
/// Height of a panel with its title and ticks.
pub const PANEL: f64 = 226.0;
pub const WIDTH: f64 = 680.0;
/// Height of a legend entry.
const ENTRY: f64 = 16.0;

/// One panel: curves over epochs 1, 2, …; values that are missing or not finite leave a gap.
pub struct Plot<'a> {
    pub title: &'a str,
    pub curves: Vec<(String, Vec<Option<f64>>)>,
}

impl Plot<'_> {
    /// Draws into a figure, `top` pixels down.
    pub fn draw(&self, svg: &mut Svg, top: f64) {
        let (top, bottom) = (top + 30.0, top + 30.0 + PLOT_HEIGHT);
        svg.text(LEFT, top - 10.0, &[("font-size", "13"), ("fill", "#111111")], self.title, "");
        let epochs = self.curves.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let ticks = ticks(self.range());
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        let x = |at: usize| LEFT + PLOT_WIDTH * at as f64 / (epochs.max(2) - 1) as f64;
        let y = |value: f64| bottom - PLOT_HEIGHT * (value - low) / (high - low);
        let small = |anchor| [("font-size", "10.5"), ("fill", "#333333"), ("text-anchor", anchor)];
        for tick in &ticks {
            svg.line((LEFT, y(*tick)), (LEFT + PLOT_WIDTH, y(*tick)), &[("stroke", "#dddddd")]);
            svg.text(LEFT - 7.0, y(*tick) + 3.5, &small("end"), &label(*tick, ticks[1] - ticks[0]), "");
        }
        let step = epochs.div_ceil(10).max(1);
        for at in (0..epochs).step_by(step) {
            svg.line((x(at), bottom), (x(at), bottom + 4.0), &[("stroke", "#333333")]);
            svg.text(x(at), bottom + 16.0, &small("middle"), &(at + 1).to_string(), "");
        }
        svg.line((LEFT, bottom), (LEFT + PLOT_WIDTH, bottom), &[("stroke", "#333333")]);
        svg.text(LEFT + PLOT_WIDTH / 2.0, bottom + 32.0, &small("middle"), "epoch", "");
        for (i, (name, values)) in self.curves.iter().enumerate() {
            let look = [("stroke", COLOURS[i % COLOURS.len()]), ("stroke-dasharray", DASHES[i % DASHES.len()])];
            let line = [look.as_slice(), &[("stroke-width", "1.8")]].concat();
            let finite: Vec<Option<f64>> = values.iter().map(|v| v.filter(|v| v.is_finite())).collect();
            for stretch in stretches(&finite) {
                let points: Vec<String> =
                    stretch.iter().map(|(at, v)| format!("{},{}", coordinate(x(*at)), coordinate(y(*v)))).collect();
                if let [(at, value)] = stretch.as_slice() {
                    let (cx, cy) = (coordinate(x(*at)), coordinate(y(*value)));
                    svg.element("circle", &[("cx", &cx), ("cy", &cy), ("r", "2.5"), ("fill", look[0].1)]);
                }
                let shape = [("fill", "none"), ("points", &points.join(" "))];
                svg.element("polyline", &[line.as_slice(), &shape].concat());
            }
            let row = top + 6.0 + ENTRY * i as f64;
            svg.line((LEFT + PLOT_WIDTH + 16.0, row), (LEFT + PLOT_WIDTH + 46.0, row), &line);
            svg.text(LEFT + PLOT_WIDTH + 52.0, row + 4.0, &small("start"), name, "");
        }
    }

    /// Of all finite values; never empty.
    fn range(&self) -> (f64, f64) {
        let values = self.curves.iter().flat_map(|(_, values)| values.iter().flatten()).filter(|v| v.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        match high - low {
            width if width > 1e-12 * high.abs().max(low.abs()) => (low, high),
            _ if high.is_finite() => (low - 0.5 * low.abs().max(0.01), high + 0.5 * high.abs().max(0.01)),
            _ => (0.0, 1.0),
        }
    }
}

/// Values that follow each other without a gap, with their places.
fn stretches(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut found: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut before = false;
    for (at, value) in values.iter().enumerate() {
        match value {
            Some(value) if before => found.last_mut().expect("one has begun").push((at, *value)),
            Some(value) => found.push(vec![(at, *value)]),
            None => {}
        }
        before = value.is_some();
    }
    found
}

/// Three to seven round values that enclose the range.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let step = round_step((high - low) / 4.0);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    (first..=last.max(first + 1)).map(|i| i as f64 * step).collect()
}

/// As many decimals as tell two ticks apart.
fn label(value: f64, step: f64) -> String {
    let decimals = (1.0 - step.log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{label, stretches, ticks};

    #[test]
    fn ticks_are_round_and_enclose_what_is_there() {
        for (low, high) in [(0.1249, 0.1302), (-3.0, 7.5), (2.0794, 2.07944), (0.0, 1e6), (1e-7, 2e-7)] {
            let ticks = ticks((low, high));
            assert!(ticks[0] <= low && ticks[ticks.len() - 1] >= high - 1e-9 * high.abs(), "{low} {high}: {ticks:?}");
            assert!((3..=7).contains(&ticks.len()), "{ticks:?}");
        }
        assert_eq!((label(0.125, 0.0025), label(40.0, 10.0)), ("0.125".to_string(), "40".to_string()));
        assert_ne!(label(2.079441, 1e-7), label(2.0794411, 1e-7));
    }

    #[test]
    fn gaps_end_a_line() {
        let found = stretches(&[None, Some(1.0), Some(2.0), None, Some(3.0)]);
        assert_eq!(found, [vec![(1, 1.0), (2, 2.0)], vec![(4, 3.0)]]);
    }
}
