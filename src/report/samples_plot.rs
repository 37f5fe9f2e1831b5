//! A figure of samples with their labels: pictures, planes of any number of channels, series. Computes nothing but colours.

use crate::artifacts::sample_view::Sample;
use crate::report::svg::Svg;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Side of a sample's panel, in pixels of the figure.
const PANEL: f64 = 150.0;
const GAP: f64 = 14.0;
/// Room for the label below a panel.
const LABEL: f64 = 34.0;
const COLUMNS: usize = 4;
/// Channels of a series drawn over each other.
const MOST_LINES: usize = 8;
/// Okabe and Ito's colours, as the performance profiles have them.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

/// The figure; equal samples give equal bytes.
pub fn draw(title: &str, samples: &[Sample]) -> Vec<u8> {
    let panels = if samples.iter().any(|sample| sample.field.is_some()) { 2 } else { 1 };
    let columns = COLUMNS / panels;
    let rows = samples.len().div_ceil(columns);
    let cell = panels as f64 * (PANEL + GAP);
    let width = GAP + columns as f64 * cell;
    let height = 40.0 + rows as f64 * (PANEL + LABEL);
    let mut svg = Svg::new(width.ceil() as u32, height.ceil() as u32, title, "Samples of the training rows.");
    svg.text(GAP, 24.0, &[("font-size", "15")], title, "");
    for (at, sample) in samples.iter().enumerate() {
        let x = GAP + (at % columns) as f64 * cell;
        let y = 40.0 + (at / columns) as f64 * (PANEL + LABEL);
        panel(&mut svg, x, y, sample.channels, &sample.spatial, &sample.input);
        let caption = if sample.field.is_some() { "input" } else { sample.label.as_str() };
        label(&mut svg, x, y, caption);
        if let Some((channels, field)) = &sample.field {
            panel(&mut svg, x + PANEL + GAP, y, *channels, &sample.spatial, field);
            label(&mut svg, x + PANEL + GAP, y, &sample.label);
        }
    }
    svg.finish()
}

fn label(svg: &mut Svg, x: f64, y: f64, text: &str) {
    let short: String =
        if text.chars().count() > 26 { text.chars().take(25).chain(['…']).collect() } else { text.into() };
    svg.text(x, y + PANEL + 16.0, &[("font-size", "11")], &short, text);
}

fn panel(svg: &mut Svg, x: f64, y: f64, channels: usize, spatial: &[usize], values: &[f32]) {
    match spatial {
        [length] if letters(channels, *length, values) => text(svg, x, y, channels, *length, values),
        [length] => series(svg, x, y, channels, *length, values),
        [height, width] => plane(svg, x, y, channels, [*height, *width], values),
        _ => {}
    }
}

/// Smallest and largest value, a little apart.
fn range(values: &[f32]) -> (f32, f32) {
    let low = values.iter().copied().filter(|v| v.is_finite()).fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().filter(|v| v.is_finite()).fold(f32::NEG_INFINITY, f32::max);
    if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
}

fn series(svg: &mut Svg, x: f64, y: f64, channels: usize, length: usize, values: &[f32]) {
    let (low, high) = range(values);
    let size = format!("{PANEL}");
    let (left, top) = (format!("{x:.2}"), format!("{y:.2}"));
    let frame = [
        ("x", left.as_str()),
        ("y", &top),
        ("width", &size),
        ("height", &size),
        ("fill", "none"),
        ("stroke", "#cccccc"),
    ];
    svg.element("rect", &frame);
    for channel in 0..channels.min(MOST_LINES) {
        let point = |i: usize| {
            let value = values[channel * length + i];
            let across = x + PANEL * i as f64 / (length.max(2) - 1) as f64;
            let up = y + PANEL * (1.0 - f64::from((value - low) / (high - low)));
            format!("{across:.2},{up:.2}")
        };
        let points: Vec<String> = (0..length).map(point).collect();
        let line = [
            ("points", points.join(" ")),
            ("fill", "none".to_string()),
            ("stroke", COLOURS[channel].to_string()),
            ("stroke-width", "0.8".to_string()),
        ];
        svg.element("polyline", &line.each_ref().map(|(key, value)| (*key, value.as_str())));
    }
}

/// Whether a series is a text over an alphabet, such as a genome's: at most one channel is 1 at a position, the others are 0,
/// and most positions have a letter (events of channels leave most empty).
fn letters(channels: usize, length: usize, values: &[f32]) -> bool {
    let at = |position: usize| (0..channels).map(move |channel| values[channel * length + position]);
    (2..=COLOURS.len()).contains(&channels)
        && values.iter().all(|value| *value == 0.0 || *value == 1.0)
        && (0..length).all(|position| at(position).sum::<f32>() <= 1.0)
        && 2.0 * values.iter().sum::<f32>() > length as f32
}

/// A series of letters as a page of coloured squares, line by line: curves over each other would show nothing. Positions
/// without a letter are white.
fn text(svg: &mut Svg, x: f64, y: f64, channels: usize, length: usize, values: &[f32]) {
    let side = (length as f64).sqrt().ceil() as usize;
    let colour = |position: usize| {
        let channel = (0..channels).find(|channel| position < length && values[channel * length + position] == 1.0);
        let byte = |at: usize| channel.and_then(|c| u8::from_str_radix(&COLOURS[c][at..at + 2], 16).ok());
        [1, 3, 5].map(|at| byte(at).unwrap_or(255))
    };
    let pixels: Vec<u8> = (0..side * side).flat_map(colour).collect();
    image(svg, x, y, [side, side], &pixels, true);
}

/// Three channels as red, green and blue; of any other number the first as grey.
fn plane(svg: &mut Svg, x: f64, y: f64, channels: usize, [height, width]: [usize; 2], values: &[f32]) {
    let points = height * width;
    let colours = if channels == 3 { 3 } else { 1 };
    let ranges: Vec<(f32, f32)> =
        if colours == 3 { vec![range(&values[..3 * points]); 3] } else { vec![range(&values[..points])] };
    let byte = |at: usize, channel: usize| {
        let (low, high) = ranges[channel];
        (255.0 * ((values[channel * points + at] - low) / (high - low)).clamp(0.0, 1.0)) as u8
    };
    let pixels: Vec<u8> = (0..points).flat_map(|at| (0..colours).map(move |channel| byte(at, channel))).collect();
    image(svg, x, y, [height, width], &pixels, colours == 3);
}

fn image(svg: &mut Svg, x: f64, y: f64, [height, width]: [usize; 2], pixels: &[u8], colour: bool) {
    let Some(picture) = png(pixels, width, height, colour) else { return };
    let data = format!("data:image/png;base64,{}", STANDARD.encode(picture));
    let scale = PANEL / height.max(width) as f64;
    let place = [x, y, scale * width as f64, scale * height as f64].map(|v| format!("{v:.2}"));
    let attributes = [
        ("x", place[0].as_str()),
        ("y", &place[1]),
        ("width", &place[2]),
        ("height", &place[3]),
        ("href", &data),
        ("style", "image-rendering:pixelated"),
        ("preserveAspectRatio", "none"),
    ];
    svg.element("image", &attributes);
}

fn png(pixels: &[u8], width: usize, height: usize, colour: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(if colour { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::artifacts::sample_view::Sample;

    #[test]
    fn every_kind_of_sample_is_drawn() {
        let sample = |channels: usize, spatial: &[usize], field: Option<(usize, Vec<f32>)>| {
            let count: usize = channels * spatial.iter().product::<usize>();
            let input = (0..count).map(|i| (i % 7) as f32).collect();
            Sample { channels, spatial: spatial.to_vec(), input, label: "a <label>".into(), field }
        };
        let picture = draw("pictures", &[sample(3, &[4, 5], None), sample(3, &[4, 5], None)]);
        let text = String::from_utf8(picture.clone()).unwrap();
        assert_eq!(text.matches("data:image/png").count(), 2);
        assert!(text.contains("a &lt;label&gt;"));
        assert_eq!(picture, draw("pictures", &[sample(3, &[4, 5], None), sample(3, &[4, 5], None)]));
        let series = String::from_utf8(draw("series", &[sample(2, &[30], None)])).unwrap();
        assert_eq!(series.matches("<polyline").count(), 2);
        let genome = Sample { input: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], ..sample(2, &[3], None) };
        let letters = String::from_utf8(draw("letters", &[genome])).unwrap();
        assert_eq!((letters.matches("data:image/png").count(), letters.matches("<polyline").count()), (1, 0));
        let field = sample(57, &[6, 6], Some((1, vec![3.0; 36])));
        let dense = String::from_utf8(draw("fields", &[field])).unwrap();
        assert_eq!(dense.matches("data:image/png").count(), 2);
    }
}
