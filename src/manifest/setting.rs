//! Checks a value against the kind of its setting and brings it into its stored form. Knows no stage.

use crate::manifest::document::{Datum, Node};
use crate::manifest::duration;
use crate::manifest::suggest;
use crate::manifest::words::Rule;
use crate::stages::entry::Kind;
use serde_json::{Map, Number, Value};
use std::ops::Range;

/// A value that does not fit.
pub struct Misfit {
    pub span: Range<usize>,
    /// `expected …`
    pub expected: String,
    pub help: Vec<String>,
}

impl Misfit {
    fn new(node: &Node, expected: impl Into<String>) -> Self {
        Misfit {
            span: node.span.clone(),
            expected: format!("expected {}, found {}", expected.into(), found(node)),
            help: Vec::new(),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

fn found(node: &Node) -> String {
    match &node.datum {
        Datum::Integer(number) => format!("the integer {number}"),
        Datum::Float(number) => format!("the number {number:?}"),
        Datum::Bool(value) => value.to_string(),
        Datum::Text(text) if text.chars().count() <= 40 => format!("the text \"{text}\""),
        other => other.what().to_string(),
    }
}

/// The value in its stored form: integers stay integers, floats are finite, a single text where texts are wanted becomes a list.
pub fn fit(rule: Rule<'_>, node: &Node) -> Result<Value, Misfit> {
    match rule {
        Rule::Kind(kind) => fit_kind(kind, node),
        Rule::Switch(switch) => match (&switch.as_run, &switch.as_described) {
            (Value::String(as_run), Value::String(as_described)) => choice(&[as_run, as_described], node),
            (Value::Bool(_), _) => fit_kind(&Kind::Bool, node),
            (Value::Number(_), _) => fit_kind(&Kind::Float { min: f64::MIN, max: f64::MAX }, node),
            _ => json(node),
        },
    }
}

/// Whether a bare text is meant as it stands: `--set data.source=embedded`.
pub fn takes_text(rule: Rule<'_>) -> bool {
    match rule {
        Rule::Kind(kind) => {
            matches!(kind, Kind::Text | Kind::Path | Kind::Choice(_) | Kind::Choices(_) | Kind::Duration | Kind::Texts)
        }
        Rule::Switch(switch) => switch.as_run.is_string(),
    }
}

fn fit_kind(kind: &Kind, node: &Node) -> Result<Value, Misfit> {
    match kind {
        Kind::Bool => match node.datum {
            Datum::Bool(value) => Ok(Value::Bool(value)),
            _ => Err(Misfit::new(node, "true or false")),
        },
        Kind::Count { min } => match node.datum {
            Datum::Integer(number) if u64::try_from(number).is_ok_and(|number| number >= *min) => {
                Ok(Value::from(number))
            }
            Datum::Float(number) if number.fract() == 0.0 && (0.0..=1e15).contains(&number) => {
                Err(Misfit::new(node, "an integer").help(format!("write {number:.0}")))
            }
            _ => Err(Misfit::new(node, format!("an integer of at least {min}"))),
        },
        Kind::Float { min, max } => {
            let number = match node.datum {
                Datum::Integer(number) => number as f64,
                Datum::Float(number) => number,
                _ => return Err(Misfit::new(node, range(*min, *max))),
            };
            if !number.is_finite() || number < *min || number > *max {
                return Err(Misfit::new(node, range(*min, *max)));
            }
            json(node)
        }
        Kind::Text | Kind::Path => match &node.datum {
            Datum::Text(text) => Ok(Value::from(text.as_str())),
            _ => Err(Misfit::new(node, "a text").help("put it in quotes")),
        },
        Kind::Choice(words) => choice(words, node),
        Kind::Choices(words) => match &node.datum {
            Datum::List(nodes) => nodes.iter().map(|node| choice(words, node)).collect(),
            _ => Err(Misfit::new(node, "a list of texts")),
        },
        Kind::Duration => match &node.datum {
            Datum::Text(text) if duration::seconds(text).is_some() => Ok(Value::from(text.as_str())),
            _ => Err(Misfit::new(node, "a length of time")
                .help("write a whole number and a unit in quotes: \"90s\", \"30m\", \"8h\", \"2d\"")),
        },
        Kind::Texts => list(node, "texts", |node| match &node.datum {
            Datum::Text(text) => Some(Value::from(text.as_str())),
            _ => None,
        }),
        Kind::Counts => list(node, "integers that are not negative", |node| match node.datum {
            Datum::Integer(number) if number >= 0 => Some(Value::from(number)),
            _ => None,
        }),
        Kind::Any => json(node),
    }
}

fn range(min: f64, max: f64) -> String {
    match (min > f64::MIN, max < f64::MAX) {
        (true, true) => format!("a number from {min} to {max}"),
        (true, false) => format!("a number of at least {min}"),
        (false, true) => format!("a number of at most {max}"),
        (false, false) => "a finite number".to_string(),
    }
}

fn choice(words: &[&str], node: &Node) -> Result<Value, Misfit> {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let expected = match quoted.len() {
        0 | 1 => quoted.concat(),
        _ => format!("one of {}", quoted.join(", ")),
    };
    let Datum::Text(text) = &node.datum else { return Err(Misfit::new(node, expected)) };
    if words.contains(&text.as_str()) {
        return Ok(Value::from(text.as_str()));
    }
    let misfit = Misfit::new(node, expected);
    Err(match suggest::nearest(text, words.iter().copied()) {
        Some(word) => misfit.help(format!("did you mean `{word}`?")),
        None => misfit,
    })
}

/// A list whose elements `element` takes, or a single element.
fn list(node: &Node, what: &str, element: impl Fn(&Node) -> Option<Value>) -> Result<Value, Misfit> {
    let Datum::List(nodes) = &node.datum else {
        return match element(node) {
            Some(value) => Ok(Value::from(vec![value])),
            None => Err(Misfit::new(node, format!("a list of {what}"))),
        };
    };
    let values = nodes.iter().map(|node| element(node).ok_or_else(|| Misfit::new(node, format!("a list of {what}"))));
    values.collect::<Result<Vec<Value>, Misfit>>().map(Value::from)
}

/// Any value that JSON can hold: all but dates, infinities and NaN.
fn json(node: &Node) -> Result<Value, Misfit> {
    Ok(match &node.datum {
        Datum::Text(text) => Value::from(text.as_str()),
        Datum::Integer(number) => Value::from(*number),
        Datum::Float(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => return Err(Misfit::new(node, "a finite number")),
        },
        Datum::Bool(value) => Value::Bool(*value),
        Datum::Date(_) => return Err(Misfit::new(node, "a text, number, list or table").help("put dates in quotes")),
        Datum::List(nodes) => Value::Array(nodes.iter().map(json).collect::<Result<_, _>>()?),
        Datum::Table(table) => {
            let mut map = Map::new();
            for entry in &table.0 {
                map.insert(entry.key.clone(), json(&entry.node)?);
            }
            Value::Object(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{fit, takes_text};
    use crate::manifest::diagnostic::Source;
    use crate::manifest::document::parse_value;
    use crate::manifest::vocabulary::Switch;
    use crate::manifest::words::Rule;
    use crate::stages::entry::Kind;
    use serde_json::{Value, json};

    fn value(rule: Rule<'_>, text: &str) -> Result<Value, String> {
        let node = parse_value(&Source::new("x", text), 0..text.len()).expect("TOML");
        fit(rule, &node).map_err(|misfit| misfit.expected)
    }

    fn kind(kind: &Kind, text: &str) -> Result<Value, String> {
        value(Rule::Kind(kind), text)
    }

    #[test]
    fn integers_stay_integers_and_floats_are_finite() {
        let float = Kind::Float { min: 0.0, max: 1.0 };
        assert_eq!(kind(&float, "1"), Ok(json!(1)));
        assert_eq!(kind(&float, "0.5"), Ok(json!(0.5)));
        assert!(kind(&float, "nan").is_err());
        assert!(kind(&float, "inf").is_err());
        assert_eq!(kind(&float, "1.5"), Err("expected a number from 0 to 1, found the number 1.5".to_string()));
        assert!(kind(&Kind::Any, "[1, {a = inf}]").is_err());
        assert!(kind(&Kind::Any, "1999-01-01").is_err());
    }

    #[test]
    fn counts_have_a_least_value() {
        let count = Kind::Count { min: 1 };
        assert_eq!(kind(&count, "0x10"), Ok(json!(16)));
        assert!(kind(&count, "0").is_err());
        assert!(kind(&count, "-3").is_err());
        assert_eq!(kind(&count, "3.0"), Err("expected an integer, found the number 3.0".to_string()));
    }

    #[test]
    fn one_text_becomes_a_list_of_texts() {
        assert_eq!(kind(&Kind::Texts, "\"a\""), Ok(json!(["a"])));
        assert_eq!(kind(&Kind::Texts, "[]"), Ok(json!([])));
        assert!(kind(&Kind::Texts, "[1]").is_err());
        assert_eq!(kind(&Kind::Counts, "[1, 2]"), Ok(json!([1, 2])));
        assert!(kind(&Kind::Counts, "[-1]").is_err());
    }

    #[test]
    fn a_switch_takes_what_its_sides_are() {
        let switch = |as_run: Value, as_described: Value| Switch { key: "fidelity.x", as_run, as_described, doc: "" };
        let word = switch(json!("once"), json!("each"));
        assert!(takes_text(Rule::Switch(&word)));
        assert_eq!(value(Rule::Switch(&word), "\"each\""), Ok(json!("each")));
        assert!(value(Rule::Switch(&word), "\"never\"").is_err());
        let flag = switch(json!(false), json!(true));
        assert!(value(Rule::Switch(&flag), "1").is_err());
        let number = switch(json!(600), json!(150));
        assert_eq!(value(Rule::Switch(&number), "300"), Ok(json!(300)));
    }
}
