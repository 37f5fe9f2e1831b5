//! The JSON schema (Draft-07) of manifests, for editors and `check`. Says what can be said of one key at a time:
//! cells, counts of rules and the files that settings name are beyond it.

use crate::manifest::run::{EXECUTORS, FIDELITIES};
use crate::manifest::vocabulary::{Form, Vocabulary};
use crate::manifest::words::{Rule, Words, names};
use crate::stages::entry::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schema of all manifests that `vocabulary` allows. Own tasks (`[task.…]`) make unknown task names valid.
pub fn schema(vocabulary: &Vocabulary) -> Value {
    let words = Words::new(vocabulary);
    let docs: BTreeMap<&str, String> = docs(vocabulary);
    let mut definitions = Map::new();
    names_of_axes(&words, &mut definitions);
    rules(&mut definitions);
    let tables = tables(&words, &docs, &mut definitions);

    let mut root = tables.clone();
    root.insert("run".to_string(), reference("run"));
    root.insert("grid".to_string(), json!({ "type": "array", "minItems": 1, "items": reference("grid"), "description": "Each grid is a product of its axes; several are a union." }));
    root.insert("override".to_string(), json!({ "type": "array", "items": reference("override"), "description": "Settings for the cells that `match`; later ones win." }));
    root.insert("profile".to_string(), json!({ "type": "object", "additionalProperties": reference("profile"), "description": "Settings under a name, for `--profile NAME`." }));
    root.insert("task".to_string(), json!({ "type": "object", "additionalProperties": reference("own_task"), "description": "Tasks of your own data." }));

    let mut profile = tables.clone();
    for (key, rule) in words.settings() {
        // `partition` beside `executor = "slurm"` stands for `slurm.partition`.
        if let Some((executor, rest)) = key.split_once('.')
            && EXECUTORS.contains(&executor)
        {
            profile.insert(rest.to_string(), value(rule, docs.get(key)));
        }
    }
    profile.insert("run".to_string(), reference("run"));
    profile.insert("override".to_string(), json!({ "type": "array", "items": reference("override") }));
    profile.insert("set".to_string(), reference("set_run"));
    profile.extend(run_keys());
    definitions.insert("profile".to_string(), closed(profile));
    definitions.insert("run".to_string(), closed(run_keys()));

    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "nasperf-pipe manifest",
        "type": "object",
        "properties": root,
        "additionalProperties": false,
        "if": { "required": ["task"] },
        "else": { "properties": { "grid": { "items": { "properties": { "task": reference("known_tasks") } } } } },
        "definitions": definitions,
    })
}

fn docs(vocabulary: &Vocabulary) -> BTreeMap<&str, String> {
    let mut docs: BTreeMap<&str, String> =
        vocabulary.settings.iter().map(|setting| (setting.key, setting.doc.to_string())).collect();
    for switch in &vocabulary.switches {
        let sides = format!("{} As run: {}; as described: {}.", switch.doc, switch.as_run, switch.as_described);
        docs.insert(switch.key, sides);
    }
    docs
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn closed(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// One `item` or a list of them.
fn some(item: Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
}

fn run_keys() -> Map<String, Value> {
    let Value::Object(keys) = json!({
        "name": { "type": "string", "minLength": 1, "maxLength": 100, "description": "Names the run; folders are named after it." },
        "seeds": seeds(),
        "fidelity": { "enum": FIDELITIES, "description": "The side of every switch `fidelity.…` that is not set alone." },
        "executor": { "enum": EXECUTORS, "description": "Where nodes run." },
    }) else {
        unreachable!("a literal object")
    };
    keys
}

fn seed() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn seeds() -> Value {
    json!({
        "anyOf": [seed(), { "type": "array", "minItems": 1, "uniqueItems": true, "items": seed() }],
        "description": "Each cell runs once per seed.",
    })
}

fn names_of_axes(words: &Words<'_>, definitions: &mut Map<String, Value>) {
    let glob = json!({ "type": "string", "pattern": "[*?\\[]" });
    let mut tasks = words.task_names();
    tasks.sort_unstable();
    let mut methods: Vec<String> = words.methods.iter().flat_map(names).collect();
    methods.sort();
    let name = |known: Value| json!({ "anyOf": [{ "enum": known }, glob] });
    definitions.insert("known_tasks".to_string(), some(name(json!(tasks))));
    definitions.insert("task".to_string(), some(json!({ "anyOf": [{ "enum": tasks }, { "type": "string" }] })));
    definitions.insert("method".to_string(), some(name(json!(methods))));
    definitions.insert("space".to_string(), some(name(json!(words.spaces()))));
    definitions.insert("algorithm".to_string(), some(name(json!(words.algorithms()))));
    definitions.insert("seed".to_string(), some(json!({ "anyOf": [seed(), glob] })));
}

/// Grids, selectors, overrides.
fn rules(definitions: &mut Map<String, Value>) {
    let axes =
        |axes: &[&str]| -> Map<String, Value> { axes.iter().map(|axis| (axis.to_string(), reference(axis))).collect() };
    let mut selector = axes(&["task", "space", "algorithm", "method", "seed"]);
    selector.insert("dimension".to_string(), some(json!({ "enum": [1, 2] })));
    selector.insert("kind".to_string(), some(json!({ "enum": Form::ALL.map(Form::word) })));
    let mut selector = closed(selector);
    selector["minProperties"] = json!(1);
    definitions.insert("selector".to_string(), selector);

    let mut include = axes(&["task", "space", "algorithm", "method"]);
    include.insert("seed".to_string(), seeds());
    definitions.insert("include".to_string(), closed(include));

    let column = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    let mut zip: Map<String, Value> =
        ["task", "space", "algorithm", "method"].iter().map(|axis| (axis.to_string(), column.clone())).collect();
    zip.insert("seed".to_string(), json!({ "type": "array", "minItems": 1, "items": seed() }));
    let mut zip = closed(zip);
    zip["minProperties"] = json!(1);

    let mut grid = axes(&["task", "space", "algorithm", "method"]);
    grid.insert("seeds".to_string(), seeds());
    grid.insert("zip".to_string(), zip);
    grid.insert("exclude".to_string(), some(reference("selector")));
    grid.insert("include".to_string(), some(reference("include")));
    let mut grid = closed(grid);
    grid["anyOf"] = json!([
        { "required": ["zip"] },
        { "required": ["task", "method"] },
        { "required": ["task", "space", "algorithm"] },
    ]);
    grid["not"] =
        json!({ "required": ["method"], "anyOf": [{ "required": ["space"] }, { "required": ["algorithm"] }] });
    definitions.insert("grid".to_string(), grid);

    let mut rule = Map::new();
    rule.insert("match".to_string(), reference("selector"));
    rule.insert("set".to_string(), reference("set"));
    let mut rule = closed(rule);
    rule["required"] = json!(["match", "set"]);
    definitions.insert("override".to_string(), rule);
}

/// Adds the tables of settings to the definitions, and gives those that may stand at top level.
fn tables(
    words: &Words<'_>,
    docs: &BTreeMap<&str, String>,
    definitions: &mut Map<String, Value>,
) -> Map<String, Value> {
    let mut top = Map::new();
    let mut set = Map::new();
    for (key, rule) in words.settings() {
        set.insert(key.to_string(), value(rule, docs.get(key)));
        let Some((table, _)) = key.split_once('.') else {
            top.insert(key.to_string(), value(rule, docs.get(key)));
            continue;
        };
        if !top.contains_key(table) {
            let properties = table_at(words, docs, table, definitions);
            let mut object = closed(properties.clone());
            if table == "data" {
                definitions.insert("table.data.task".to_string(), closed(properties));
                object["additionalProperties"] = reference("table.data.task");
            }
            definitions.insert(format!("table.{table}"), object);
            top.insert(table.to_string(), reference(&format!("table.{table}")));
        }
    }
    set.extend(top.clone());
    let per_task = json!({ "^data\\.[a-z0-9_-]+\\.": {} });
    let mut closed_set = closed(set.clone());
    closed_set["minProperties"] = json!(1);
    closed_set["patternProperties"] = per_task.clone();
    definitions.insert("set".to_string(), closed_set);
    set.extend(run_keys().into_iter().map(|(key, value)| (format!("run.{key}"), value)));
    set.insert("run".to_string(), reference("run"));
    let mut closed_set = closed(set);
    closed_set["patternProperties"] = per_task;
    definitions.insert("set_run".to_string(), closed_set);
    let task = own_task(words, docs, definitions);
    definitions.insert("own_task".to_string(), task);
    top
}

/// The keys of the table at `prefix`: settings by the rest of their key, and tables within by name.
fn table_at(
    words: &Words<'_>,
    docs: &BTreeMap<&str, String>,
    prefix: &str,
    definitions: &mut Map<String, Value>,
) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in words.under(prefix) {
        let rest = &key[prefix.len() + 1..];
        let rule = words.rule(key).expect("the key is one of the words");
        if let Some((table, _)) = rest.split_once('.') {
            let inner = format!("{prefix}.{table}");
            let name = format!("table.{inner}");
            if words.rule(&inner).is_none() && !definitions.contains_key(&name) {
                let object = closed(table_at(words, docs, &inner, definitions));
                definitions.insert(name.clone(), object);
            }
            if words.rule(&inner).is_none() {
                properties.insert(table.to_string(), reference(&name));
            }
        }
        properties.insert(rest.to_string(), value(rule, docs.get(key)));
    }
    properties
}

/// A task of the user's own data: settings of `task` and of `data`.
fn own_task(words: &Words<'_>, docs: &BTreeMap<&str, String>, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = table_at(words, docs, "data", definitions);
    properties.extend(table_at(words, docs, "task", definitions));
    properties.insert(
        "dimension".to_string(),
        json!({ "enum": [1, 2], "description": "1 for signals and sequences, 2 for images and grids." }),
    );
    properties
        .insert("kind".to_string(), json!({ "enum": Form::ALL.map(Form::word), "description": "What a label is." }));
    let mut task = closed(properties);
    task["required"] = json!(["dimension", "kind"]);
    task
}

fn value(rule: Rule<'_>, doc: Option<&String>) -> Value {
    let mut value = match rule {
        Rule::Kind(kind) => of_kind(kind),
        Rule::Switch(switch) => match &switch.as_run {
            Value::Bool(_) => json!({ "type": "boolean" }),
            Value::Number(_) => json!({ "type": "number" }),
            Value::String(_) => json!({ "enum": [switch.as_run, switch.as_described] }),
            _ => json!({}),
        },
    };
    if let Some(doc) = doc.filter(|doc| !doc.is_empty()) {
        value["description"] = json!(doc);
    }
    value
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Count { min } => json!({ "type": "integer", "minimum": min }),
        Kind::Float { min, max } => {
            let mut value = json!({ "type": "number" });
            if *min > f64::MIN {
                value["minimum"] = json!(min);
            }
            if *max < f64::MAX {
                value["maximum"] = json!(max);
            }
            value
        }
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Choices(words) => json!({ "type": "array", "items": { "enum": words } }),
        Kind::Duration => json!({ "type": "string", "pattern": "^0*[1-9][0-9]*[smhd]$" }),
        Kind::Texts => json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] }),
        Kind::Counts => json!({ "anyOf": [seed(), { "type": "array", "items": seed() }] }),
        Kind::Any => json!({}),
    }
}
