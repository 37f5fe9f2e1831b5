//! What enters a node's key, and nothing else. One function writes the ingredients; the key is the digest of that text,
//! `why` compares the same text, so the explanation cannot differ from the key.

use crate::digest::Digest;
use crate::plan::canonical;
use crate::plan::node::Node;
use crate::stages::entry::StageEntry;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Raised whenever the meaning of a key or of the artifact layout changes: everything runs again.
pub const KEY_FORMAT: u32 = 1;

/// The numerics class of nodes that run on the CPU: same bytes for any thread count.
pub const CPU_EXACT: &str = "cpu-f32-exact";

/// Slot of the files outside the store.
pub const EXTERNAL_SLOT: &str = "external";

/// Names and digests in one input slot.
pub type Listing = BTreeMap<String, Digest>;

/// The ingredients of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Preimage {
    pub stage: String,
    /// Task, space and algorithm: they choose the code that is bound to the stage.
    pub names: BTreeMap<&'static str, String>,
    /// Canonical text of the keyed parameters.
    pub params: String,
    /// Digest of the code listing: files and third-party crates.
    pub code: Digest,
    /// Slot → digest of its listing.
    pub inputs: BTreeMap<String, Digest>,
    pub seed: Option<u64>,
    pub numerics: Option<String>,
}

impl Preimage {
    /// The ingredients of `node`, the digests of whose input listings are known.
    pub fn of(
        entry: &StageEntry,
        node: &Node,
        code: Digest,
        inputs: BTreeMap<String, Digest>,
        numerics: &str,
    ) -> Preimage {
        let named = [("task", &node.names.task), ("space", &node.names.space), ("algorithm", &node.names.algorithm)];
        Preimage {
            stage: entry.name.to_string(),
            names: named.into_iter().filter_map(|(axis, name)| name.clone().map(|name| (axis, name))).collect(),
            params: node.params.keyed_text.clone(),
            code,
            inputs,
            seed: node.names.seed.filter(|_| entry.stochastic),
            numerics: entry.numeric.then(|| numerics.to_string()),
        }
    }

    /// The text whose digest is the key.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.params.len() + 400);
        text.push_str("{\"code\":");
        push_json(&mut text, &self.code.to_string());
        text.push_str(&format!(",\"format\":{KEY_FORMAT},\"inputs\":{{"));
        push_entries(&mut text, self.inputs.iter().map(|(slot, digest)| (slot.as_str(), digest.to_string())));
        text.push_str("},\"names\":{");
        push_entries(&mut text, self.names.iter().map(|(axis, name)| (*axis, name.clone())));
        text.push('}');
        if let Some(numerics) = &self.numerics {
            text.push_str(",\"numerics\":");
            push_json(&mut text, numerics);
        }
        text.push_str(",\"params\":");
        text.push_str(&self.params);
        if let Some(seed) = self.seed {
            text.push_str(&format!(",\"seed\":{seed}"));
        }
        text.push_str(",\"stage\":");
        push_json(&mut text, &self.stage);
        text.push('}');
        text
    }

    pub fn key(&self) -> Digest {
        Digest::of(self.text())
    }

    /// The text as a JSON value, as a record stores it.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text()).expect("the text is JSON by construction")
    }
}

fn push_json(text: &mut String, value: &str) {
    if value.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        text.push('"');
        text.push_str(value);
        text.push('"');
        return;
    }
    text.push_str(&Value::String(value.to_string()).to_string());
}

fn push_entries<'a>(text: &mut String, entries: impl Iterator<Item = (&'a str, String)>) {
    for (i, (key, value)) in entries.enumerate() {
        if i > 0 {
            text.push(',');
        }
        push_json(text, key);
        text.push(':');
        push_json(text, &value);
    }
}

/// The text of a slot's listing; stored beside the record, so that `why` can name the input that changed.
pub fn listing_text(listing: &Listing) -> String {
    let map: Map<String, Value> = listing.iter().map(|(name, digest)| (name.clone(), json!(digest))).collect();
    canonical::text(&Value::Object(map))
}

pub fn listing_digest(listing: &Listing) -> Digest {
    Digest::of(listing_text(listing))
}

/// The digest of every slot's listing.
pub fn listing_digests(listings: &BTreeMap<String, Listing>) -> BTreeMap<String, Digest> {
    listings.iter().map(|(slot, listing)| (slot.clone(), listing_digest(listing))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Listing, Preimage, listing_digest};
    use crate::digest::Digest;
    use crate::plan::canonical;
    use std::collections::BTreeMap;

    fn preimage() -> Preimage {
        Preimage {
            stage: "retrain".into(),
            names: BTreeMap::from([("task", "darcy".to_string()), ("space", "wrn".to_string())]),
            params: "{\"retrain.batch\":8}".into(),
            code: Digest::of("code"),
            inputs: BTreeMap::from([("dataset".to_string(), listing_digest(&Listing::new()))]),
            seed: Some(1),
            numerics: Some("cpu-f32-exact".into()),
        }
    }

    #[test]
    fn the_text_is_canonical_json_and_the_key_never_moves_by_accident() {
        let preimage = preimage();
        assert_eq!(canonical::text(&preimage.value()), preimage.text());
        // A stored key: if this changes, every cache in the world is cold. Raise KEY_FORMAT and say so.
        assert_eq!(preimage.key().to_string(), "dccb49d249062b3ba0fa8f8d5954771712a1d3fbed8d0ef01aee7f7ea4a9496e");
    }

    #[test]
    fn each_ingredient_changes_the_key() {
        let base = preimage();
        let edits: [fn(&mut Preimage); 7] = [
            |p| p.stage = "search".into(),
            |p| p.names.insert("algorithm", "default".into()).map_or((), drop),
            |p| p.params = "{\"retrain.batch\":9}".into(),
            |p| p.code = Digest::of("other"),
            |p| p.inputs.clear(),
            |p| p.seed = None,
            |p| p.numerics = None,
        ];
        for edit in edits {
            let mut changed = base.clone();
            edit(&mut changed);
            assert_ne!(changed.key(), base.key());
        }
    }
}
