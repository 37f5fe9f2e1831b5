//! A TOML text as a tree with the place of each key and value, in the order of the text. Knows no key.

use crate::manifest::diagnostic::{Diagnostic, Source};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its bytes in the source.
#[derive(Clone, Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub datum: Datum,
}

#[derive(Clone, Debug)]
pub enum Datum {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// A TOML date or time, as written. No key takes one.
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

#[derive(Clone, Debug, Default)]
pub struct Table(pub Vec<Entry>);

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }
}

impl Datum {
    /// What it is, for messages: `an integer`.
    pub fn what(&self) -> &'static str {
        match self {
            Datum::Text(_) => "a text",
            Datum::Integer(_) => "an integer",
            Datum::Float(_) => "a number with a fraction",
            Datum::Bool(_) => "true or false",
            Datum::Date(_) => "a date",
            Datum::List(_) => "a list",
            Datum::Table(_) => "a table",
        }
    }
}

/// Parses a whole document. Errors: those of the syntax, and numbers outside of 64 bits.
pub fn parse(source: &Arc<Source>) -> Result<Table, Vec<Diagnostic>> {
    let table = DeTable::parse(&source.text).map_err(|error| vec![syntax(source, &error)])?;
    let mut found = Vec::new();
    let table = convert_table(source, table.get_ref(), &mut found);
    if found.is_empty() { Ok(table) } else { Err(found) }
}

/// Parses one value that fills `range` of the source.
pub fn parse_value(source: &Arc<Source>, range: Range<usize>) -> Result<Node, Vec<Diagnostic>> {
    let offset = range.start;
    let value = DeValue::parse(&source.text[range]).map_err(|error| {
        let mut one = syntax(source, &error);
        one.span = one.span.map(|span| span.start + offset..span.end + offset);
        vec![one]
    })?;
    let mut found = Vec::new();
    let mut node = convert(source, &value, &mut found);
    shift(&mut node, offset);
    for one in &mut found {
        one.span = one.span.take().map(|span| span.start + offset..span.end + offset);
    }
    if found.is_empty() { Ok(node) } else { Err(found) }
}

fn syntax(source: &Arc<Source>, error: &toml::de::Error) -> Diagnostic {
    let message = format!("this is not TOML: {}", error.message());
    let help = "texts need quotes, tables `[name]`, lists `[a, b]`; see https://toml.io";
    match error.span() {
        Some(span) => Diagnostic::at(source, span, message).help(help),
        None => Diagnostic::of(source, message).help(help),
    }
}

fn shift(node: &mut Node, offset: usize) {
    node.span = node.span.start + offset..node.span.end + offset;
    match &mut node.datum {
        Datum::List(list) => list.iter_mut().for_each(|node| shift(node, offset)),
        Datum::Table(table) => {
            for entry in &mut table.0 {
                entry.key_span = entry.key_span.start + offset..entry.key_span.end + offset;
                shift(&mut entry.node, offset);
            }
        }
        _ => {}
    }
}

fn convert_table(source: &Arc<Source>, table: &DeTable<'_>, found: &mut Vec<Diagnostic>) -> Table {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: convert(source, value, found),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table(entries)
}

fn convert(source: &Arc<Source>, value: &Spanned<DeValue<'_>>, found: &mut Vec<Diagnostic>) -> Node {
    let span = value.span();
    let datum = match value.get_ref() {
        DeValue::String(text) => Datum::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Datum::Integer(number),
            Err(_) => {
                found.push(
                    Diagnostic::at(source, span.clone(), format!("the integer {number} does not fit 64 bits"))
                        .help(format!("write a number from {} to {}", i64::MIN, i64::MAX)),
                );
                Datum::Integer(0)
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => Datum::Float(number),
            Err(_) => {
                found.push(Diagnostic::at(source, span.clone(), format!("`{number}` is not a number")));
                Datum::Float(0.0)
            }
        },
        DeValue::Boolean(value) => Datum::Bool(*value),
        DeValue::Datetime(date) => Datum::Date(date.to_string()),
        DeValue::Array(list) => Datum::List(list.iter().map(|value| convert(source, value, found)).collect()),
        DeValue::Table(table) => Datum::Table(convert_table(source, table, found)),
    };
    Node { span, datum }
}

#[cfg(test)]
mod tests {
    use super::{Datum, parse, parse_value};
    use crate::manifest::diagnostic::Source;

    #[test]
    fn keeps_the_order_and_the_places_of_the_text() {
        let source = Source::new("a.toml", "z = 1\na = [\"x\", {b = 2.5}]\n");
        let table = parse(&source).unwrap();
        let keys: Vec<&str> = table.0.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "a"]);
        let Datum::List(list) = &table.get("a").unwrap().node.datum else { panic!("a list") };
        assert_eq!(&source.text[list[0].span.clone()], "\"x\"");
        let Datum::Table(inner) = &list[1].datum else { panic!("a table") };
        assert_eq!(&source.text[inner.0[0].key_span.clone()], "b");
    }

    #[test]
    fn a_value_inside_a_longer_text_keeps_its_place() {
        let source = Source::new("--set", "a=[1, 2]");
        let node = parse_value(&source, 2..8).unwrap();
        let Datum::List(list) = node.datum else { panic!("a list") };
        assert_eq!(&source.text[list[1].span.clone()], "2");
        assert!(parse_value(&Source::new("--set", "a=8h"), 2..4).is_err());
    }

    #[test]
    fn hostile_texts_give_errors() {
        let deep = format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let dotted = format!("{}z = 1", "a.".repeat(100_000));
        let header = format!("[{}z]\n", "a.".repeat(100_000));
        for text in ["a = 99999999999999999999", "a = 0x_f", "a = 1\na = 2", "\0", &deep, &dotted, &header] {
            assert!(parse(&Source::new("a.toml", text)).is_err(), "{}", &text[..text.len().min(40)]);
        }
        assert!(
            parse(&Source::new("a.toml", "a = 1e999"))
                .is_ok_and(|table| { matches!(table.0[0].node.datum, Datum::Float(number) if number.is_infinite()) })
        );
    }
}
