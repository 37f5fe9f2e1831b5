//! Lengths of time as a manifest writes them: `90s`, `30m`, `8h`, `2d`. Knows no clock.

/// Seconds of a length of time; `None` where the text is not a positive whole number with one of the units s, m, h, d.
pub fn seconds(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|&seconds| seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn reads_each_unit_and_nothing_else() {
        assert_eq!(["90s", "30m", "8h", "2d"].map(seconds), [Some(90), Some(1800), Some(28_800), Some(172_800)]);
        for bad in
            ["", "s", "8", "0s", "-1h", "+1h", "1.5h", "8 h", "8H", "8é", "99999999999999999999h", "213503982334602d"]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
