//! A small writer of SVG: elements, escaped text, coordinates with two decimals. Knows no plot.

/// Builds a document; equal calls give equal bytes.
pub struct Svg {
    out: String,
}

impl Svg {
    /// `title` and `description` are what a screen reader says.
    pub fn new(width: u32, height: u32, title: &str, description: &str) -> Self {
        let (title, description) = (escape(title), escape(description));
        let out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        Svg { out }
    }

    /// An element without content; attribute values are escaped.
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.open(name, attributes);
        self.out.push_str("/>\n");
    }

    /// Text, escaped; `tip` is shown where a pointer rests on it, if it is not empty.
    pub fn text(&mut self, x: f64, y: f64, attributes: &[(&str, &str)], text: &str, tip: &str) {
        let (x, y) = (coordinate(x), coordinate(y));
        let place = [("x", x.as_str()), ("y", y.as_str())];
        self.open("text", &[place.as_slice(), attributes].concat());
        self.out.push('>');
        if !tip.is_empty() {
            self.out.push_str(&format!("<title>{}</title>", escape(tip)));
        }
        self.out.push_str(&escape(text));
        self.out.push_str("</text>\n");
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &[(&str, &str)]) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(coordinate);
        let place = [("x1", x1.as_str()), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
        self.element("line", &[place.as_slice(), attributes].concat());
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.out.push_str("</svg>\n");
        self.out.into_bytes()
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push_str(&format!(" {key}=\"{}\"", escape(value)));
        }
    }
}

/// A coordinate in pixels, without trailing zeros.
pub fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

/// Text for content and attributes: markup escaped, and whatever XML 1.0 forbids replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{coordinate, escape};

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(escape("</text><script a=\"b\">&\u{0}"), "&lt;/text&gt;&lt;script a=&quot;b&quot;&gt;&amp;\u{fffd}");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(["0", "12", "12.5", "-3.25"].map(|t| coordinate(t.parse().unwrap())), ["0", "12", "12.5", "-3.25"]);
        assert_eq!(coordinate(-0.001), "0");
        assert_eq!(coordinate(100.0), "100");
    }
}
