//! Which paths of archive members are accepted: those that stay below the folder they would be unpacked into.

/// The reason why a path is refused, if it is.
pub fn refusal(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if path.is_empty() {
        Some("it is empty")
    } else if path.contains('\0') {
        Some("it holds a zero byte")
    } else if bytes[0] == b'/' || bytes[0] == b'\\' {
        Some("it is absolute")
    } else if bytes.len() > 1 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
        Some("it names a drive")
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Some("it leaves the archive's folder")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn only_paths_below_the_folder() {
        for good in ["a", "./a/b", "a..b/..c", "päth/x.y", "1:2"] {
            assert_eq!(refusal(good), None, "{good}");
        }
        for bad in ["", "/a", "\\a", "C:a", "c:\\a", "..", "a/../b", "a\\..\\b", "a\0b"] {
            assert!(refusal(bad).is_some(), "{bad}");
        }
    }
}
