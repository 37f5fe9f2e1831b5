//! The schema takes what the loader takes, and refuses what can be seen key by key.

use crate::manifest::vocabulary::vocabulary;
use crate::manifest::{GOLDEN, golden, manifests};
use nasperf_pipe::manifest::schema::schema;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn as_json(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    serde_json::to_value(toml::from_str::<toml::Table>(&text).ok()?).ok()
}

#[test]
fn the_schema_takes_good_manifests_and_refuses_bad_ones() {
    let schema = schema(&vocabulary());
    golden(
        &Path::new(GOLDEN).join("schema.json"),
        &format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON")),
    );
    assert!(jsonschema::draft7::meta::is_valid(&schema));
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    for path in manifests(&format!("{GOLDEN}/good")) {
        let errors: Vec<String> =
            validator.iter_errors(&as_json(&path).expect("TOML")).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    // What a schema can see: one key at a time.
    let seen = [
        "aliens",
        "both-method-and-space",
        "duplicate-seed",
        "empty-grid",
        "empty-list",
        "empty-seeds",
        "impute-type",
        "negative-epochs",
        "override-without-match",
        "unknown-fidelity",
        "unknown-method",
        "unknown-setting",
        "unknown-task",
        "unknown-table",
        "wrong-types",
    ];
    for name in seen {
        let path = PathBuf::from(format!("{GOLDEN}/bad/{name}.toml"));
        assert!(!validator.is_valid(&as_json(&path).expect("TOML")), "{name}");
    }
}

#[test]
fn shipped_manifests_fit_the_shipped_schema() {
    let path = Path::new("manifests/schema/manifest.schema.json");
    let Ok(text) = fs::read_to_string(path) else {
        println!("skipped: there is no {}", path.display());
        return;
    };
    let validator = jsonschema::draft7::new(&serde_json::from_str(&text).expect("JSON")).expect("a schema");
    for path in manifests("manifests").into_iter().chain(manifests("manifests/one")) {
        let value = as_json(&path).unwrap_or_else(|| panic!("{} is not TOML", path.display()));
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}
