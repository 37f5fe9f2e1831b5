//! Strings of protocol 0, which are lines of printable text with escapes. Knows no opcode and no object.

use std::io::Write;

/// Reads a byte string as Python 2 prints it, from behind its opening `quote` to the end of its line.
pub fn read_quoted(quote: u8, next: &mut dyn FnMut() -> Result<u8, String>, out: &mut dyn Write) -> Result<(), String> {
    if !matches!(quote, b'\'' | b'"') {
        return Err("a string without quotes".into());
    }
    let mut piece = Vec::new();
    loop {
        let byte = match next()? {
            byte if byte == quote => break,
            b'\n' => return Err("a string without an end".into()),
            b'\\' => match next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'x' => hexadecimal(next, 2)? as u8,
                byte @ (b'\\' | b'\'' | b'"') => byte,
                other => return Err(format!("the escape `\\{}` in a string", other.escape_ascii())),
            },
            byte => byte,
        };
        piece.push(byte);
        if piece.len() == 1 << 12 {
            out.write_all(&piece).map_err(|e| e.to_string())?;
            piece.clear();
        }
    }
    match next()? {
        b'\n' => out.write_all(&piece).map_err(|e| e.to_string()),
        _ => Err("a string that goes on after its end".into()),
    }
}

/// Reads a text in which characters beyond Latin-1 are escaped (`raw-unicode-escape`), to the end of its line.
pub fn read_escaped(next: &mut dyn FnMut() -> Result<u8, String>, longest: u64) -> Result<String, String> {
    let mut text = String::new();
    loop {
        let char = match next()? {
            b'\n' => return Ok(text),
            b'\\' => {
                let code = match next()? {
                    b'u' => hexadecimal(next, 4)?,
                    b'U' => hexadecimal(next, 8)?,
                    // Only these two are escapes; Python 3 escapes the backslash itself.
                    other => return Err(format!("the escape `\\{}` in a text", other.escape_ascii())),
                };
                char::from_u32(code).ok_or_else(|| format!("the character {code:#x}, which is none"))?
            }
            byte => char::from(byte),
        };
        text.push(char);
        if text.len() as u64 > longest {
            return Err(format!("a text of more than {longest} bytes"));
        }
    }
}

fn hexadecimal(next: &mut dyn FnMut() -> Result<u8, String>, digits: usize) -> Result<u32, String> {
    let mut value = 0;
    for _ in 0..digits {
        let digit = next()?;
        let digit = char::from(digit)
            .to_digit(16)
            .ok_or_else(|| format!("`{}` is no hexadecimal digit", digit.escape_ascii()))?;
        value = value << 4 | digit;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{read_escaped, read_quoted};

    fn quoted(text: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = text.iter().copied();
        let mut out = Vec::new();
        let mut next = || bytes.next().ok_or_else(|| "cut".to_string());
        let quote = next()?;
        read_quoted(quote, &mut next, &mut out)?;
        Ok(out)
    }

    fn escaped(text: &[u8]) -> Result<String, String> {
        let mut bytes = text.iter().copied();
        read_escaped(&mut || bytes.next().ok_or_else(|| "cut".to_string()), 20)
    }

    #[test]
    fn strings() {
        assert_eq!(quoted(b"'a\\x00\\xff\\n\\\\\\''\n").unwrap(), b"a\0\xff\n\\'");
        assert_eq!(quoted(b"\"it's\"\n").unwrap(), b"it's");
        assert_eq!(quoted(&[b"'", &[b'a'; 5000][..], b"'\n"].concat()).unwrap().len(), 5000);
        for bad in [&b"a\n"[..], b"'a\n", b"'a' \n", b"'\\q'\n", b"'\\xg0'\n", b"'a", b"'a'", b"'\\"] {
            assert!(quoted(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn texts() {
        assert_eq!(escaped(b"a\xe9\\u005c\\U0001f600\n").unwrap(), "a\u{e9}\\\u{1f600}");
        for bad in [&b"a"[..], b"\\q\n", b"\\ud800\n", b"\\u12", b"aaaaaaaaaaaaaaaaaaaaaaaaa\n"] {
            assert!(escaped(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
