//! The files of a user's own task: those that its settings name. Knows no content.

use crate::tasks::contract::source::Source;
use serde_json::{Map, Value};

/// Settings that name an array as `file` or `file:array`.
const PLACES: [&str; 6] = ["task.x", "task.y", "task.validation_x", "task.validation_y", "task.test_x", "task.test_y"];

/// See `contract/source.rs`.
pub struct ArraysSource;

impl Source for ArraysSource {
    fn task(&self) -> &'static str {
        "a task of your own"
    }

    fn hosted(&self) -> &'static [&'static str] {
        &[]
    }

    fn alternatives(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn counts(&self) -> &'static [&'static str] {
        &[]
    }

    fn files(&self, settings: &Map<String, Value>) -> Vec<String> {
        let texts = PLACES.iter().filter_map(|key| settings.get(*key).and_then(Value::as_str));
        let file = |text: &str| match text.rsplit_once(':') {
            Some((file, array)) if !file.is_empty() && !array.is_empty() => file.to_string(),
            _ => text.to_string(),
        };
        let mut files: Vec<String> = texts.map(file).collect();
        files.sort();
        files.dedup();
        files
    }
}
