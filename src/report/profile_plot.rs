//! Performance profiles as SVG, and the numbers behind each curve as CSV and JSON. Computes no ratio.

use crate::artifacts::summary::{Curve, Panel, Scale, Summary};
use crate::report::axis::Axis;
use crate::report::caption;
use crate::report::csv;
use crate::report::entry::File;
use crate::report::plot::{COLOURS, DASHES};
use crate::report::svg::{Svg, coordinate};
use std::collections::BTreeSet;

const WIDTH: u32 = 790;
const LEFT: f64 = 64.0;
const TOP: f64 = 58.0;
const PLOT_WIDTH: f64 = 450.0;
const PLOT_HEIGHT: f64 = 300.0;
/// The fraction at the upper edge, so that a curve at 1 does not lie on it.
const HIGHEST: f64 = 1.04;
/// Height of a legend entry.
const ENTRY: f64 = 40.0;
/// Characters of a caption line; at its size about as wide as the picture.
const CAPTION_WIDTH: usize = 128;
const CAPTION_LINE: f64 = 14.0;
/// More steps than this would be a blur of dots.
const MOST_DOTS: usize = 60;

/// For each panel `<stem>.svg`, `<stem>.csv` and `<stem>.json`.
pub fn files(summary: &Summary) -> Vec<File> {
    let mut files = Vec::new();
    for (panel, stem) in summary.panels.iter().zip(stems(summary)) {
        files.push((format!("{stem}.svg"), draw(summary, panel)));
        files.push((format!("{stem}.csv"), numbers(panel)));
        let mut json = serde_json::to_vec_pretty(panel).expect("a panel has only string keys");
        json.push(b'\n');
        files.push((format!("{stem}.json"), json));
    }
    files
}

/// One name without ending per panel: `profile-` and the letters and digits of its name, all different.
pub fn stems(summary: &Summary) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut stems = Vec::new();
    for panel in &summary.panels {
        let words: String =
            panel.name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
        let slug: Vec<&str> = ["profile"].into_iter().chain(words.split_whitespace()).collect();
        // Short enough for every file system, an ending and the name aside included.
        let slug: String = slug.join("-").chars().take(80).collect();
        let numbered = (2..).map(|n| format!("{slug}-{n}"));
        let stem = [slug.clone()].into_iter().chain(numbered).find(|stem| !taken.contains(stem));
        let stem = stem.expect("there are more numbers than panels");
        taken.insert(stem.clone());
        stems.push(stem);
    }
    stems
}

fn numbers(panel: &Panel) -> Vec<u8> {
    let lines = panel.curves.iter().flat_map(|curve| {
        let step =
            |tau, fraction| vec![panel.name.clone(), curve.method.clone(), csv::exact(tau), csv::exact(fraction)];
        curve.steps.iter().map(move |s| step(s.tau, s.fraction))
    });
    csv::document(&["panel", "method", "tau", "fraction"], lines)
}

fn draw(summary: &Summary, panel: &Panel) -> Vec<u8> {
    let count = panel.tasks.len();
    let tasks = format!("{count} {}", if count == 1 { "task" } else { "tasks" });
    let legend = TOP + ENTRY * panel.curves.len() as f64;
    let caption_top = (TOP + PLOT_HEIGHT + 62.0).max(legend + 20.0);
    let caption = caption_lines(summary, panel);
    let height = caption_top + CAPTION_LINE * caption.len() as f64 + 6.0;
    let description = format!(
        "Performance profile over {tasks}: for each method the fraction of tasks on which its error is within a factor tau of \
         the lowest error among the methods plotted."
    );
    let mut svg = Svg::new(WIDTH, height.ceil() as u32, &panel.name, &description);
    svg.text(
        LEFT,
        26.0,
        &[("font-size", "17"), ("font-weight", "bold"), ("fill", "#111111")],
        &cut(&panel.name, 60),
        &panel.name,
    );
    svg.text(
        LEFT,
        45.0,
        &[("font-size", "12"), ("fill", "#555555")],
        &format!("Performance profile over {tasks}"),
        &panel.tasks.join(", "),
    );
    let axis = Axis { end: panel.tau_max, scale: panel.scale };
    frame(&mut svg, &axis);
    // Solid lines first: a dashed one on top of them leaves gaps to see them through.
    let mut order: Vec<(usize, &Curve)> = panel.curves.iter().map(|curve| (look(summary, curve), curve)).collect();
    order.sort_by_key(|(look, _)| (DASHES[look % DASHES.len()] != "none", *look));
    for (look, curve) in &order {
        step_curve(&mut svg, &axis, curve, *look);
    }
    for (row, curve) in panel.curves.iter().enumerate() {
        entry(&mut svg, panel, curve, look(summary, curve), row);
    }
    for (row, line) in caption.iter().enumerate() {
        let y = caption_top + CAPTION_LINE * row as f64;
        svg.text(LEFT - 48.0, y, &[("font-size", "10.5"), ("fill", "#555555")], line, "");
    }
    svg.finish()
}

/// A method looks the same in every panel.
fn look(summary: &Summary, curve: &Curve) -> usize {
    summary.methods.iter().position(|method| *method == curve.method).unwrap_or(0)
}

fn x(axis: &Axis, tau: f64) -> f64 {
    LEFT + PLOT_WIDTH * axis.share(tau)
}

fn y(fraction: f64) -> f64 {
    TOP + PLOT_HEIGHT * (1.0 - fraction / HIGHEST)
}

/// Grid, axes, ticks and their titles.
fn frame(svg: &mut Svg, axis: &Axis) {
    let grid = [("stroke", "#e4e4e4"), ("stroke-width", "1")];
    let small = |anchor| [("font-size", "12"), ("fill", "#333333"), ("text-anchor", anchor)];
    for i in 0..=5 {
        let fraction = f64::from(i) / 5.0;
        svg.line((LEFT, y(fraction)), (LEFT + PLOT_WIDTH, y(fraction)), &grid);
        svg.text(LEFT - 9.0, y(fraction) + 4.0, &small("end"), &format!("{fraction:.1}"), "");
    }
    let bottom = TOP + PLOT_HEIGHT;
    for (tau, label) in axis.ticks() {
        svg.line((x(axis, tau), TOP), (x(axis, tau), bottom + 5.0), &grid);
        svg.text(x(axis, tau), bottom + 20.0, &small("middle"), &label, "");
    }
    let dark = [("stroke", "#333333"), ("stroke-width", "1")];
    svg.line((LEFT, bottom), (LEFT + PLOT_WIDTH, bottom), &dark);
    svg.line((LEFT, TOP), (LEFT, bottom), &dark);
    let title = [("font-size", "13"), ("fill", "#111111"), ("text-anchor", "middle")];
    let scale = if axis.scale == Scale::Log { " (log scale)" } else { "" };
    svg.text(LEFT + PLOT_WIDTH / 2.0, bottom + 40.0, &title, &format!("τ, factor of the lowest error{scale}"), "");
    let middle = TOP + PLOT_HEIGHT / 2.0;
    let turn = format!("rotate(-90 18 {})", coordinate(middle));
    svg.text(18.0, middle, &[title.as_slice(), &[("transform", turn.as_str())]].concat(), "fraction of tasks", "");
}

/// Horizontal at the level that holds, up at each step: the higher value holds at the step itself, so a dot marks it.
fn step_curve(svg: &mut Svg, axis: &Axis, curve: &Curve, look: usize) {
    let inside: Vec<(f64, f64)> =
        curve.steps.iter().filter(|s| s.tau <= axis.end).map(|s| (x(axis, s.tau), y(s.fraction))).collect();
    let Some((first, rest)) = inside.split_first() else { return };
    let mut path = format!("M{} {}", coordinate(first.0), coordinate(first.1));
    for (x, y) in rest {
        path.push_str(&format!("H{}V{}", coordinate(*x), coordinate(*y)));
    }
    path.push_str(&format!("H{}", coordinate(LEFT + PLOT_WIDTH)));
    let colour = COLOURS[look % COLOURS.len()];
    svg.element(
        "path",
        &[
            ("d", path.as_str()),
            ("fill", "none"),
            ("stroke", colour),
            ("stroke-width", "2.2"),
            ("stroke-dasharray", DASHES[look % DASHES.len()]),
        ],
    );
    if inside.len() <= MOST_DOTS {
        // A curve that starts at 0 has reached nothing there.
        for (x, y) in inside.into_iter().skip(usize::from(curve.steps[0].fraction == 0.0)) {
            svg.element("circle", &[("cx", &coordinate(x)), ("cy", &coordinate(y)), ("r", "2.8"), ("fill", colour)]);
        }
    }
}

/// A line of the legend: the look, the method, and the two ends of its curve in words.
fn entry(svg: &mut Svg, panel: &Panel, curve: &Curve, look: usize, row: usize) {
    let left = LEFT + PLOT_WIDTH + 24.0;
    let top = TOP + 10.0 + ENTRY * row as f64;
    let colour = COLOURS[look % COLOURS.len()];
    svg.line(
        (left, top),
        (left + 40.0, top),
        &[("stroke", colour), ("stroke-width", "2.2"), ("stroke-dasharray", DASHES[look % DASHES.len()])],
    );
    svg.text(
        left + 48.0,
        top + 4.0,
        &[("font-size", "13"), ("fill", "#111111")],
        &cut(&curve.method, 20),
        &curve.method,
    );
    let within = |end: f64| curve.ratios.iter().filter(|r| r.ratio.is_some_and(|ratio| ratio <= end)).count();
    let never = curve.ratios.iter().filter(|r| r.ratio.is_none()).count();
    let total = panel.tasks.len();
    let mut words = format!("lowest on {} of {total}", within(1.0));
    if never > 0 {
        words.push_str(&format!(", never on {never}"));
    }
    svg.text(left + 48.0, top + 19.0, &[("font-size", "11"), ("fill", "#666666")], &words, "");
}

/// The conditions of the table, and tasks of this panel without a result; broken into lines.
fn caption_lines(summary: &Summary, panel: &Panel) -> Vec<String> {
    let mut text = caption::line(summary);
    let beyond = panel.curves.iter().flat_map(|c| &c.steps).filter(|s| s.tau > panel.tau_max).count();
    if beyond > 0 {
        text.push_str(&format!(" Steps beyond the axis: {beyond}."));
    }
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > CAPTION_WIDTH {
            lines.push(word.to_string());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// At most `most` characters, the last one an ellipsis where text was cut off.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
