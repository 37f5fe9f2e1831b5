//! Small JSON files that notice any damage: the last member, `sum`, is the SHA-256 of all text before it.
//! Knows no folder. A file edited by hand counts as damaged.

use crate::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

const MEMBER: &[u8] = b",\n  \"sum\": \"";
const END: &[u8] = b"\"\n}\n";
const LENGTH: usize = MEMBER.len() + 64 + END.len();

/// `value` as sealed JSON. Its type must be a struct with at least one field and no field `sum`.
pub fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(value)?;
    assert!(text.ends_with(b"\n}"), "only structs with fields are sealed");
    text.truncate(text.len() - 2);
    let sum = Digest::of(&text);
    text.extend_from_slice(MEMBER);
    text.extend_from_slice(sum.to_string().as_bytes());
    text.extend_from_slice(END);
    Ok(text)
}

/// The value in a sealed file; `None` where a bit of it is not as it was written.
pub fn unseal<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    let body = text.len().checked_sub(LENGTH)?;
    let (body, seal) = text.split_at(body);
    let sum = seal.strip_prefix(MEMBER)?.strip_suffix(END)?;
    if Digest::of(body).to_string().as_bytes() != sum {
        return None;
    }
    let mut json = body.to_vec();
    json.extend_from_slice(b"\n}");
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::{seal, unseal};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Toy {
        name: String,
        numbers: Vec<u64>,
    }

    #[test]
    fn it_is_json_and_every_damage_is_noticed() {
        let toy = Toy { name: "ü\n".into(), numbers: vec![1, 2] };
        let text = seal(&toy).unwrap();
        assert_eq!(unseal::<Toy>(&text).unwrap(), toy);
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["numbers"][1], 2);
        for end in 0..text.len() {
            assert!(unseal::<Toy>(&text[..end]).is_none(), "cut at {end}");
        }
        for bit in 0..text.len() * 8 {
            let mut bad = text.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<Toy>(&bad).is_none(), "bit {bit}");
        }
        assert!(unseal::<Toy>(&[text.as_slice(), b"\n"].concat()).is_none());
    }
}
