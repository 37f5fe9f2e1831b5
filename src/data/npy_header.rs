//! The header of an npy file: a Python dict literal with three keys, read without evaluating anything. Knows no data.
//! Format: NumPy Enhancement Proposal 1 and `numpy/lib/format.py`.

/// Headers longer than this are damage (those of plain arrays have 118 bytes).
const LONGEST: usize = 1 << 16;
/// Arrays have at most this many axes in numpy 2.x.
const MOST_AXES: usize = 64;

/// The three values, not interpreted.
#[derive(Debug, PartialEq)]
pub struct Fields {
    pub descr: String,
    pub fortran: bool,
    pub shape: Vec<usize>,
}

/// Parses the text of a header. The error says what was expected and found, and where in the text.
pub fn parse_header(text: &[u8]) -> Result<Fields, (usize, String)> {
    if text.len() > LONGEST {
        return Err((0, format!("a header of {} bytes ({LONGEST} at most)", text.len())));
    }
    let mut scan = Scan { text, at: 0 };
    scan.fields().map_err(|problem| (scan.at, problem))
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn fields(&mut self) -> Result<Fields, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while self.peek() != Some(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            let twice = match key.as_str() {
                "descr" => {
                    if self.peek() == Some(b'[') {
                        return Err(
                            "records of several fields are not read; save each field as an array of its own".into()
                        );
                    }
                    descr.replace(self.string()?).is_some()
                }
                "fortran_order" => fortran.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.sizes()?).is_some(),
                other => return Err(format!("expected the keys descr, fortran_order and shape, found `{other}`")),
            };
            if twice {
                return Err(format!("the key `{key}` comes twice"));
            }
            if self.peek() != Some(b'}') {
                self.expect(b',')?;
            }
        }
        self.expect(b'}')?;
        if let Some(byte) = self.peek() {
            return Err(format!("expected spaces after the dict, found `{}`", byte.escape_ascii()));
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Fields { descr, fortran, shape }),
            _ => Err("expected the keys descr, fortran_order and shape, at least one is missing".into()),
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, wanted: u8) -> Result<(), String> {
        match self.peek() {
            Some(found) if found == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(found) => Err(format!("expected `{}`, found `{}`", char::from(wanted), found.escape_ascii())),
            None => Err(format!("expected `{}`, found the end of the header", char::from(wanted))),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quote = quote.ok_or("expected a quoted text")?;
        self.at += 1;
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| *byte == quote).ok_or("a text without an end")?;
        // `<f4` needs no escapes: a backslash is no part of any name or type.
        let plain = rest[..end].iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\\');
        if !plain {
            return Err("a text with other than plain characters".into());
        }
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("expected True or False".into())
    }

    fn sizes(&mut self) -> Result<Vec<usize>, String> {
        let mut sizes = Vec::new();
        self.expect(b'(')?;
        while self.peek() != Some(b')') {
            if sizes.len() == MOST_AXES {
                return Err(format!("more than {MOST_AXES} axes"));
            }
            let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = String::from_utf8_lossy(&self.text[self.at..self.at + digits]);
            let size = number.parse().map_err(|_| format!("expected a size, found `{number}`"))?;
            self.at += digits;
            // Python 2 wrote long integers as `3L`.
            if self.text.get(self.at) == Some(&b'L') {
                self.at += 1;
            }
            sizes.push(size);
            if self.peek() != Some(b')') {
                self.expect(b',')?;
            } else if sizes.len() == 1 {
                return Err("expected a tuple such as (3,), found a number in brackets".into());
            }
        }
        self.at += 1;
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, parse_header};

    #[test]
    fn reads_what_numpy_writes_and_no_python() {
        let fields =
            |descr: &str, fortran, shape: &[usize]| Fields { descr: descr.into(), fortran, shape: shape.into() };
        let read = |text: &str| parse_header(text.as_bytes());
        let plain = read("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }     \n").unwrap();
        assert_eq!(plain, fields("<f4", false, &[3, 4]));
        assert_eq!(read("{\"shape\":(5L,),'fortran_order':True,'descr':'|O'}").unwrap(), fields("|O", true, &[5]));
        assert_eq!(read("{'descr': '<f8', 'fortran_order': False, 'shape': (), }").unwrap().shape, Vec::<usize>::new());
        for (bad, word) in [
            ("", "expected `{`"),
            ("{'descr': '<f4', 'fortran_order': False}", "missing"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3), }", "tuple"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "size"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "size"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", "True or False"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", "fields"),
            ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "twice"),
            ("{'descr': '<f4', 'x': __import__('os'), }", "`x`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } + 1", "after the dict"),
            ("{'descr': '<f\\x34', 'fortran_order': False, 'shape': (3,), }", "plain"),
        ] {
            let (_, problem) = read(bad).unwrap_err();
            assert!(problem.contains(word), "{bad}: {problem}");
        }
        assert!(read(&" ".repeat(70_000)).unwrap_err().1.contains("70000"));
        assert!(read(&format!("{{'shape': ({})}}", "1,".repeat(65))).unwrap_err().1.contains("axes"));
    }
}
