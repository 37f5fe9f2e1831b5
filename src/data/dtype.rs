//! Types of array elements as numpy writes them, and the numbers behind their bytes. Knows no file format.

/// Type of array elements, by numpy's kind letter and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// `b` bool, `i` signed, `u` unsigned, `f` float, `c` complex, `O` object, `S`/`U` text, `V` others.
    pub kind: char,
    /// Bytes per element.
    pub width: usize,
    pub big_endian: bool,
}

impl Dtype {
    /// Reads a kind and a size such as `f4`, without byte order; `None` where there is no such type.
    pub fn parse(code: &str) -> Option<Dtype> {
        let mut chars = code.chars();
        let kind = chars.next().filter(|kind| "biufOSUVc".contains(*kind))?;
        let size = chars.as_str();
        let number: usize = match size {
            // numpy writes `|O` in files and `O8` in pickles
            "" if kind == 'O' => 8,
            _ if size.bytes().all(|b| b.is_ascii_digit()) => size.parse().ok()?,
            _ => return None,
        };
        if number > 1 << 20 {
            return None;
        }
        // numpy counts characters in `U`, of 4 bytes each.
        let width = if kind == 'U' { 4 * number } else { number };
        Some(Dtype { kind, width, big_endian: false })
    }

    /// True for what the three conversions below read: bool, integers of 1 to 8 bytes, floats of 2, 4 and 8.
    pub fn is_number(self) -> bool {
        match self.kind {
            'b' => self.width == 1,
            'i' | 'u' => matches!(self.width, 1 | 2 | 4 | 8),
            'f' => matches!(self.width, 2 | 4 | 8),
            _ => false,
        }
    }

    /// True where elements of this type lie in memory as numbers of this machine do: kind, width and byte order.
    pub fn is_native(self, kind: char, width: usize) -> bool {
        (self.kind, self.width, self.big_endian) == (kind, width, cfg!(target_endian = "big"))
    }

    /// The values of `out.len()` elements. Integers above 2⁵³ are rounded.
    ///
    /// # Panics
    /// If the type is no number or `bytes` holds fewer elements.
    pub fn f64s(self, bytes: &[u8], out: &mut [f64]) {
        match (self.kind, self.width) {
            ('f', 8) => self.each(bytes, out, |bits, out| *out = f64::from_bits(bits)),
            ('f', 4) => self.each(bytes, out, |bits, out| *out = f64::from(f32::from_bits(bits as u32))),
            ('f', _) => self.each(bytes, out, |bits, out| *out = f64::from(half(bits as u16))),
            ('i', width) => self.each(bytes, out, |bits, out| *out = signed(bits, width) as f64),
            _ => self.each(bytes, out, |bits, out| *out = bits as f64),
        }
    }

    /// The values rounded to f32, once.
    ///
    /// # Panics
    /// If the type is no number or `bytes` holds fewer elements.
    pub fn f32s(self, bytes: &[u8], out: &mut [f32]) {
        match (self.kind, self.width) {
            ('f', 8) => self.each(bytes, out, |bits, out| *out = f64::from_bits(bits) as f32),
            ('f', 4) => self.each(bytes, out, |bits, out| *out = f32::from_bits(bits as u32)),
            ('f', _) => self.each(bytes, out, |bits, out| *out = half(bits as u16)),
            ('i', width) => self.each(bytes, out, |bits, out| *out = signed(bits, width) as f32),
            _ => self.each(bytes, out, |bits, out| *out = bits as f32),
        }
    }

    /// The values as integers; `Err` with the index of the first that is none of 64 bits (a fraction, too large, no number).
    ///
    /// # Panics
    /// If the type is no number or `bytes` holds fewer elements.
    pub fn i64s(self, bytes: &[u8], out: &mut [i64]) -> Result<(), usize> {
        let (mut index, mut bad) = (0, None);
        self.each(bytes, out, |bits, out| {
            let value = match (self.kind, self.width) {
                ('f', 8) => whole(f64::from_bits(bits)),
                ('f', 4) => whole(f64::from(f32::from_bits(bits as u32))),
                ('f', _) => whole(f64::from(half(bits as u16))),
                ('i', width) => Some(signed(bits, width)),
                _ => i64::try_from(bits).ok(),
            };
            if value.is_none() {
                bad = bad.or(Some(index));
            }
            *out = value.unwrap_or(0);
            index += 1;
        });
        bad.map_or(Ok(()), Err)
    }

    /// The text of one `U` or `S` element, without the zeros that fill it up; `None` where it is no Unicode or UTF-8.
    pub fn text(self, bytes: &[u8]) -> Option<String> {
        let text = match self.kind {
            'S' => String::from_utf8(bytes.to_vec()).ok()?,
            'U' => {
                let char = |bytes: &[u8]| char::from_u32(self.bits(bytes) as u32);
                bytes.chunks_exact(4).map(char).collect::<Option<String>>()?
            }
            _ => return None,
        };
        Some(text.trim_end_matches('\0').to_string())
    }

    fn each<T>(self, bytes: &[u8], out: &mut [T], put: impl FnMut(u64, &mut T)) {
        assert!(self.is_number() && bytes.len() >= out.len() * self.width, "{} numbers of {self:?}", out.len());
        match (self.width, self.big_endian) {
            (1, _) => fixed::<1, T>(bytes, out, |word| word, put),
            (2, false) => fixed::<2, T>(bytes, out, |word| word, put),
            (4, false) => fixed::<4, T>(bytes, out, |word| word, put),
            (_, false) => fixed::<8, T>(bytes, out, |word| word, put),
            (2, true) => fixed::<2, T>(bytes, out, |word| word.swap_bytes() >> 48, put),
            (4, true) => fixed::<4, T>(bytes, out, |word| word.swap_bytes() >> 32, put),
            (_, true) => fixed::<8, T>(bytes, out, u64::swap_bytes, put),
        }
    }

    /// Up to 8 bytes as an unsigned number.
    fn bits(self, bytes: &[u8]) -> u64 {
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            word[..bytes.len()].reverse();
        }
        u64::from_le_bytes(word)
    }
}

/// Elements of a width that the compiler knows: loads and no calls, several times faster. `turn` sees them as if they were
/// little-endian.
#[inline(always)]
fn fixed<const WIDTH: usize, T>(
    bytes: &[u8],
    out: &mut [T],
    turn: impl Fn(u64) -> u64,
    mut put: impl FnMut(u64, &mut T),
) {
    for (out, element) in out.iter_mut().zip(bytes.as_chunks::<WIDTH>().0) {
        let mut word = [0u8; 8];
        word[..WIDTH].copy_from_slice(element);
        put(turn(u64::from_le_bytes(word)), out);
    }
}

fn signed(bits: u64, width: usize) -> i64 {
    let shift = 64 - 8 * width as u32;
    ((bits << shift) as i64) >> shift
}

fn whole(value: f64) -> Option<i64> {
    // −2⁶³ is a float and 2⁶³ − 1 is none
    let bound = 9_223_372_036_854_775_808.0;
    (value.trunc() == value && value >= -bound && value < bound).then_some(value as i64)
}

/// IEEE 754 binary16 to binary32, which holds every value of it.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10) & 31, u32::from(bits) & 1023);
    match exponent {
        0 => {
            let size = fraction as f32 / 16_777_216.0; // units of 2⁻²⁴
            if sign == 0 { size } else { -size }
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Dtype, half};

    fn dtype(code: &str, big_endian: bool) -> Dtype {
        Dtype { big_endian, ..Dtype::parse(code).unwrap() }
    }

    #[test]
    fn codes() {
        assert_eq!(dtype("U3", false).width, 12);
        assert_eq!(dtype("O", false), dtype("O8", false));
        for bad in ["", "f", "x4", "f-4", "f+4", "f4,", "S99999999", "M8[ns]", "é4"] {
            assert_eq!(Dtype::parse(bad), None, "{bad}");
        }
        assert!(!dtype("f16", false).is_number() && !dtype("c8", false).is_number() && !dtype("i3", false).is_number());
    }

    #[test]
    fn numbers_of_every_width_and_order() {
        for (code, bytes, expected) in [
            ("i1", vec![0xfe], -2.0),
            ("u1", vec![0xfe], 254.0),
            ("b1", vec![1], 1.0),
            ("i2", vec![0xfe, 0xff], -2.0),
            ("u2", vec![0xfe, 0xff], 65534.0),
            ("i4", vec![0xfe, 0xff, 0xff, 0xff], -2.0),
            ("u8", vec![0, 1, 0, 0, 0, 0, 0, 0], 256.0),
            ("f2", vec![0x00, 0xc4], -4.0),
            ("f4", 1.5f32.to_le_bytes().to_vec(), 1.5),
            ("f8", (-0.25f64).to_le_bytes().to_vec(), -0.25),
        ] {
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            for (bytes, big_endian) in [(&bytes, false), (&reversed, true)] {
                let (mut double, mut single) = ([0.0], [0.0]);
                dtype(code, big_endian).f64s(bytes, &mut double);
                dtype(code, big_endian).f32s(bytes, &mut single);
                assert_eq!((double, single), ([expected], [expected as f32]), "{code}");
            }
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let mut out = [0; 3];
        let bytes: Vec<u8> = [1.0f64, -3.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(dtype("f8", false).i64s(&bytes, &mut out), Err(2));
        assert_eq!(out[..2], [1, -3]);
        let bytes: Vec<u8> = [7, u64::MAX, 8].iter().flat_map(|v: &u64| v.to_le_bytes()).collect();
        assert_eq!(dtype("u8", false).i64s(&bytes, &mut out), Err(1));
        assert_eq!(dtype("i8", false).i64s(&bytes, &mut out), Ok(()));
        assert_eq!(out, [7, -1, 8]);
        assert_eq!(dtype("f8", false).i64s(&f64::NAN.to_le_bytes(), &mut out[..1]), Err(0));
        assert_eq!(dtype("f8", false).i64s(&9.3e18f64.to_le_bytes(), &mut out[..1]), Err(0));
        // one rounding only: 2⁵³ + 2²⁹ + 1 is just above the middle between two f32
        let mut single = [0.0];
        dtype("i8", false).f32s(&((1i64 << 53) + (1 << 29) + 1).to_le_bytes(), &mut single);
        assert_eq!(single[0], (9_007_199_254_740_992.0f64 + 1_073_741_824.0) as f32);
    }

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x8400, -6.103_515_6e-5),
            (0x03ff, 6.097_555e-5),
        ] {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }

    #[test]
    fn texts() {
        let wide: Vec<u8> = ['N', 'é', '\0'].iter().flat_map(|c| (*c as u32).to_be_bytes()).collect();
        assert_eq!(dtype("U3", true).text(&wide).unwrap(), "Né");
        assert_eq!(dtype("S4", false).text(b"ab\0\0").unwrap(), "ab");
        assert_eq!(dtype("U1", false).text(&[0xff; 4]), None);
        assert_eq!(dtype("f4", false).text(b"abcd"), None);
    }
}
