//! Why nodes run: gathers the ingredients of a node and of its earlier records from the store, for `plan` and `why`.
//! The comparison itself is `plan/why.rs`.

use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::digest::Digest;
use crate::fingerprint::table::Code;
use crate::plan::key::Listing;
use crate::plan::node::NodeId;
use crate::plan::stale::{Assessor, Status};
use crate::plan::why::{Cause, Ingredients, compare};
use crate::store::record::Record;
use crate::store::store::Store;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Reads records once per stage and listings once per digest.
pub struct Explainer<'a> {
    session: &'a Session,
    store: &'a Store,
    records: HashMap<&'static str, Vec<Record>>,
    listings: HashMap<Digest, Option<String>>,
}

/// What is known of one node.
pub struct Explanation {
    pub causes: Vec<Cause>,
    /// Where it waits: labels of the producers that decide.
    pub waits: Vec<String>,
}

impl<'a> Explainer<'a> {
    pub fn new(session: &'a Session, store: &'a Store) -> Self {
        Explainer { session, store, records: HashMap::new(), listings: HashMap::new() }
    }

    fn load(&mut self, stage: &'static str) -> Result<(), Exit> {
        if !self.records.contains_key(stage) {
            let records = self.store.records(stage).map_err(Exit::failed)?;
            self.records.insert(stage, records);
        }
        Ok(())
    }

    fn listing(&mut self, digest: &Digest) -> Option<String> {
        let store = self.store;
        let read = || store.read(digest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        self.listings.entry(*digest).or_insert_with(read).clone()
    }

    fn of_record(&mut self, record: &Record) -> Ingredients {
        let digest = |value: &Value| value.as_str().and_then(|text| text.parse::<Digest>().ok());
        let code = record.preimage.get("code").and_then(digest);
        let code: Option<Code> = code.and_then(|digest| self.listing(&digest)).and_then(|text| Code::parse(&text));
        let slots = record.preimage.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut inputs = BTreeMap::new();
        for (slot, value) in &slots {
            let listing = digest(value).and_then(|digest| self.listing(&digest));
            if let Some(listing) = listing.and_then(|text| serde_json::from_str::<Listing>(&text).ok()) {
                inputs.insert(slot.clone(), listing);
            }
        }
        Ingredients { preimage: record.preimage.clone(), code, inputs }
    }

    /// Why the node with this status runs, will run, or ran.
    pub fn explain(
        &mut self,
        assessor: &mut Assessor<'_>,
        status: &[Status],
        id: NodeId,
        forced: bool,
    ) -> Result<Explanation, Exit> {
        let stage = self.session.stage(id);
        self.load(stage)?;
        let outputs = |producer: NodeId| match &status[producer] {
            Status::Hit { outputs, .. } => Some(outputs.clone()),
            _ => None,
        };
        let (preimage, inputs) = assessor.preimage(id, outputs).map_err(Exit::failed)?;
        let (code, _) =
            assessor.codes.of(&self.session.catalog.stages, &self.session.plan, id).map_err(Exit::failed)?;
        let mut new =
            Ingredients { preimage: preimage.value(), code: Some((*code).clone()), inputs: inputs.listings() };
        let (key, waits) = match &status[id] {
            Status::Hit { key, .. } | Status::Run { key } => (Some(*key), Vec::new()),
            Status::Waits { on } => (None, on.clone()),
        };
        let unknown = self.unknown_slots(id, &waits);
        forget(&mut new, &unknown);
        let waits: Vec<String> = waits.iter().map(|&producer| self.session.label(producer).to_string()).collect();
        if forced {
            return Ok(Explanation { causes: vec![Cause::Forced], waits });
        }
        let names = &self.session.plan.nodes[id].names;
        let same: Vec<Record> = self.records[stage].iter().filter(|r| r.names == *names).cloned().collect();
        if let (Status::Run { .. }, Some(own)) = (&status[id], same.iter().find(|r| Some(r.key) == key)) {
            let lost = own.outputs.iter().find(|(_, blob)| !self.store.has(&blob.digest));
            if let Some((output, blob)) = lost {
                let lost = Cause::Lost { output: output.clone(), digest: blob.digest.short() };
                return Ok(Explanation { causes: vec![lost], waits });
            }
        }
        let made = same.iter().find(|r| Some(r.key) == key).map(|r| r.provenance.started);
        let mut earlier: Vec<Record> = same
            .into_iter()
            .filter(|r| Some(r.key) != key && made.is_none_or(|made| r.provenance.started <= made))
            .collect();
        // Among equally near records the newest tells best what was edited.
        earlier.sort_by_key(|r| std::cmp::Reverse(r.provenance.started));
        let mut best: Option<Vec<Cause>> = None;
        for record in &earlier {
            let mut old = self.of_record(record);
            forget(&mut old, &unknown);
            let causes = compare(&old, &new);
            if best.as_ref().is_none_or(|b| causes.len() < b.len()) {
                best = Some(causes);
            }
        }
        Ok(Explanation { causes: best.unwrap_or_else(|| vec![Cause::Never]), waits })
    }

    /// Slots whose content is not known before the nodes in `waits` have run.
    fn unknown_slots(&self, id: NodeId, waits: &[NodeId]) -> BTreeSet<String> {
        let slots = self.session.plan.nodes[id].slots.iter();
        slots
            .filter(|slot| slot.producers.iter().any(|p| waits.contains(p)))
            .map(|slot| slot.name.to_string())
            .collect()
    }

    /// Mean seconds of earlier runs of the same stage, method and task; else of the same stage and method.
    pub fn estimate(&mut self, id: NodeId) -> Option<f64> {
        self.load(self.session.stage(id)).ok()?;
        let node = &self.session.plan.nodes[id];
        let records = &self.records[self.session.stage(id)];
        let mean = |matches: &dyn Fn(&Record) -> bool| {
            let seconds: Vec<f64> = records.iter().filter(|r| matches(r)).map(|r| r.provenance.seconds).collect();
            (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
        };
        let method = |r: &Record| r.names.space == node.names.space && r.names.algorithm == node.names.algorithm;
        mean(&|r| method(r) && r.names.task == node.names.task)
    }
}

fn forget(ingredients: &mut Ingredients, slots: &BTreeSet<String>) {
    for slot in slots {
        ingredients.inputs.remove(slot);
        if let Some(inputs) = ingredients.preimage.get_mut("inputs").and_then(Value::as_object_mut) {
            inputs.remove(slot);
        }
    }
}
