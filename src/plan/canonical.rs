//! One text for one JSON value: keys sorted, no white space, floats by shortest round trip. Knows nothing of keys of nodes.
//!
//! `serde_json` keeps or sorts keys depending on a cargo feature that any dependency may switch on, so the order is
//! made here and never left to it.

use serde_json::Value;

/// Appends the canonical text of `value`.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The canonical text of `value`.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn sorts_keys_at_every_level_and_keeps_numbers_apart() {
        let value: serde_json::Value = serde_json::from_str(r#"{"b":[{"z":1,"a":1.0}],"a":"\u00e9\n"}"#).unwrap();
        assert_eq!(text(&value), "{\"a\":\"é\\n\",\"b\":[{\"a\":1.0,\"z\":1}]}");
    }
}
