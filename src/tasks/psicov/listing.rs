//! The lists of proteins: the first field of each line is an id (task specification §8.1). Knows no protein.

use crate::stages::context::StageError;
use std::collections::BTreeSet;
use std::io::Read;

/// A list longer than this is damage: the official ones have 3,456 and 150 lines.
const LONGEST: u64 = 16 << 20;

/// The ids of a list, in its order. `shown` is the name for messages.
pub fn read(shown: &str, reader: &mut dyn Read) -> Result<Vec<String>, StageError> {
    let mut text = String::new();
    let read = reader.take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|e| StageError::Data(format!("{shown}: expected a list of proteins, one a line: {e}")))?;
    if text.len() as u64 > LONGEST {
        return Err(StageError::Data(format!("{shown}: expected a list of at most {LONGEST} bytes, found more")));
    }
    let ids: Vec<String> = text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect();
    let mut seen = BTreeSet::new();
    for (row, id) in ids.iter().enumerate() {
        if !seen.insert(id) {
            return Err(StageError::Data(format!(
                "{shown}, entry {}: expected each protein once, found {id} again",
                row + 1
            )));
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_first_field_of_each_line_counts() {
        let ids = read("x.lst", &mut &b"1a3aA 145\n\n  1guuA\t50\ntoxd\n"[..]).unwrap();
        assert_eq!(ids, ["1a3aA", "1guuA", "toxd"]);
        assert!(read("x.lst", &mut &b"a\nb\na 3\n"[..]).unwrap_err().to_string().contains("entry 3"));
        assert!(read("x.lst", &mut &b"\xff\xfe"[..]).unwrap_err().to_string().contains("one a line"));
    }
}
