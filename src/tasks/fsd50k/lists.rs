//! Which clips there are: lists of pieces as the benchmark's archive holds them, or the publishers' ground truth
//! (task specification §6.1). Knows no sound.

use std::collections::{BTreeMap, BTreeSet};

/// The three parts of the data set, in their order.
pub const PARTS: [&str; 3] = ["train", "validation", "test"];

/// One row of a list: a sound and its clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub part: usize,
    pub path: String,
    pub clip: String,
    /// Line of the list, for messages.
    pub line: u64,
    /// Number of the labels as written: most rows share theirs with others.
    labels: u32,
}

/// A clip: its rows in the order of the list, and its labels as rising numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    pub rows: Vec<usize>,
    pub labels: Vec<usize>,
}

/// What the lists say.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub rows: Vec<Row>,
    /// Label names in the order of their numbers.
    pub labels: Vec<String>,
    /// The file that gave the labels.
    pub labels_from: String,
    /// The list files that were read, by part.
    files: BTreeMap<usize, String>,
    /// Labels as written, with their numbers.
    written: BTreeMap<String, u32>,
}

/// What a table with a name and columns is.
#[derive(Clone, Copy, Debug)]
pub enum Table {
    /// Pieces of one part.
    Pieces { part: usize, path: usize, labels: usize, clip: usize },
    /// The publishers' development clips, with a column that says train or val, or evaluation clips.
    Truth { name: usize, labels: usize, split: Option<usize> },
}

impl Table {
    /// By the last component of the file's path; `None` of a table that is no list.
    pub fn of(base: &str, header: &[String]) -> Option<Table> {
        let column = |name: &str| header.iter().position(|found| found.trim() == name);
        if let (Some(path), Some(labels), Some(clip)) = (column("files"), column("labels"), column("ext")) {
            let part = ["tr.csv", "val.csv", "eval.csv"].iter().position(|known| *known == base)?;
            return Some(Table::Pieces { part, path, labels, clip });
        }
        let (name, labels) = (column("fname")?, column("labels")?);
        match (base, column("split")) {
            ("dev.csv", Some(split)) => Some(Table::Truth { name, labels, split: Some(split) }),
            ("eval.csv", _) => Some(Table::Truth { name, labels, split: None }),
            _ => None,
        }
    }
}

impl Lists {
    /// Takes a row of a list in. `field` gives a column's text.
    pub fn row(&mut self, shown: &str, table: Table, line: u64, field: &dyn Fn(usize) -> String) -> Result<(), String> {
        let field = |column: usize| {
            let text = field(column).trim().to_string();
            let missing = || format!("{shown}, row {line}: a value in column {} was expected, found none", column + 1);
            if text.is_empty() { Err(missing()) } else { Ok(text) }
        };
        let (part, path, labels, clip) = match table {
            Table::Pieces { part, path, labels, clip } => (part, field(path)?, labels, field(clip)?),
            Table::Truth { name, labels, split } => {
                let part = match split.map(field).transpose()?.as_deref() {
                    Some("train") => 0,
                    Some("val") => 1,
                    None => 2,
                    Some(other) => {
                        return Err(format!("{shown}, row {line}: `train` or `val` was expected, found `{other}`"));
                    }
                };
                let folder = if part == 2 { "FSD50K.eval_audio" } else { "FSD50K.dev_audio" };
                (part, format!("{folder}/{}.wav", field(name)?), labels, field(name)?)
            }
        };
        self.named(part, shown)?;
        let next = self.written.len() as u32;
        let labels = *self.written.entry(field(labels)?).or_insert(next);
        self.rows.push(Row { part, path, clip, line, labels });
        Ok(())
    }

    /// The list of a part, as messages name it.
    pub fn file(&self, part: usize) -> Option<&str> {
        self.files.get(&part).map(String::as_str)
    }

    /// A row, as messages name it.
    pub fn origin(&self, row: &Row) -> String {
        format!("{}, row {}", self.file(row.part).unwrap_or_default(), row.line)
    }

    /// Remembers where a part came from; it may come from one file only.
    fn named(&mut self, part: usize, shown: &str) -> Result<(), String> {
        let file = self.files.entry(part).or_insert_with(|| shown.to_string());
        if file == shown {
            return Ok(());
        }
        Err(format!(
            "{shown}: the {} clips were expected once, found them in {file} too; name the files in data.files",
            PARTS[part]
        ))
    }

    /// Takes label names with their numbers in, which must be 0, 1, ….
    pub fn vocabulary(&mut self, shown: &str, mut numbered: Vec<(usize, String)>) -> Result<(), String> {
        if !self.labels.is_empty() {
            return Err(format!("{shown}: labels were expected once, found them in {} too", self.labels_from));
        }
        numbered.sort();
        if let Some(at) = numbered.iter().enumerate().position(|(at, (number, _))| at != *number) {
            return Err(format!(
                "{shown}: label numbers 0 to {} were expected, found {}",
                numbered.len() - 1,
                numbered[at].0
            ));
        }
        let distinct: BTreeSet<&String> = numbered.iter().map(|(_, name)| name).collect();
        if distinct.len() != numbered.len() {
            return Err(format!(
                "{shown}: {} different labels were expected, found {}",
                numbered.len(),
                distinct.len()
            ));
        }
        self.labels = numbered.into_iter().map(|(_, name)| name).collect();
        self.labels_from = shown.to_string();
        Ok(())
    }

    /// The clips of each part, in order of their names: by value where all of a part are whole numbers, as pandas reads them,
    /// else as texts.
    pub fn clips(&self) -> Result<[Vec<Clip>; 3], String> {
        let numbers: BTreeMap<&str, usize> = self.labels.iter().map(String::as_str).zip(0..).collect();
        let mut written: Vec<&str> = vec![""; self.written.len()];
        self.written.iter().for_each(|(text, at)| written[*at as usize] = text);
        let mut parts: [Vec<Clip>; 3] = Default::default();
        for (part, clips) in parts.iter_mut().enumerate() {
            let rows = || self.rows.iter().enumerate().filter(|(_, row)| row.part == part);
            let numeric = rows().all(|(_, row)| row.clip.parse::<u64>().is_ok());
            let value = |row: &Row| if numeric { row.clip.parse().unwrap_or(0) } else { 0u64 };
            let mut groups: BTreeMap<(u64, &str), Vec<usize>> = BTreeMap::new();
            for (at, row) in rows() {
                groups.entry((value(row), &row.clip)).or_default().push(at);
            }
            for rows in groups.into_values() {
                clips.push(self.clip(rows, &numbers, &written)?);
            }
        }
        Ok(parts)
    }

    fn clip(&self, rows: Vec<usize>, numbers: &BTreeMap<&str, usize>, written: &[&str]) -> Result<Clip, String> {
        let first = &self.rows[rows[0]];
        let labels = self.numbers(first, numbers, written)?;
        for row in rows.iter().map(|at| &self.rows[*at]).filter(|row| row.labels != first.labels) {
            // written in another order they are the same labels
            if self.numbers(row, numbers, written)? != labels {
                return Err(format!(
                    "{}: clip `{}` was expected to have the labels of row {}, `{}`, found `{}`",
                    self.origin(row),
                    row.clip,
                    first.line,
                    written[first.labels as usize],
                    written[row.labels as usize]
                ));
            }
        }
        Ok(Clip { rows, labels })
    }

    /// The labels of a row as rising numbers.
    fn numbers(&self, row: &Row, numbers: &BTreeMap<&str, usize>, written: &[&str]) -> Result<Vec<usize>, String> {
        let number = |name: &str| {
            let wrong =
                || format!("{}: a label of {} was expected, found `{name}`", self.origin(row), self.labels_from);
            numbers.get(name).copied().ok_or_else(wrong)
        };
        let mut found =
            written[row.labels as usize].split(',').map(|name| number(name.trim())).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lists, Table};

    /// A list with columns set apart by `;`.
    fn take(lists: &mut Lists, shown: &str, text: &str) -> Result<(), String> {
        let rows: Vec<Vec<String>> = text.lines().map(|line| line.split(';').map(str::to_string).collect()).collect();
        let Some(table) = Table::of(shown.rsplit([' ', '/']).next().unwrap(), &rows[0]) else { return Ok(()) };
        for (line, row) in rows.iter().enumerate().skip(1) {
            lists.row(shown, table, line as u64, &|column| row.get(column).cloned().unwrap_or_default())?;
        }
        Ok(())
    }

    fn labelled(names: &[&str]) -> Lists {
        let mut lists = Lists::default();
        lists.vocabulary("lbl_map.json", names.iter().map(|name| name.to_string()).enumerate().collect()).unwrap();
        lists
    }

    #[test]
    fn pieces_are_grouped_by_clip_in_order() {
        let mut lists = labelled(&["a", "b", "c"]);
        let text = "files;labels;ext\nx/10_0.wav;c,a;10\nx/9_0.wav;b;9\nx/10_1.wav;a,c;10";
        take(&mut lists, "zip: tr.csv", text).unwrap();
        take(&mut lists, "zip: other.csv", "files;labels;ext\n;;").unwrap();
        let [train, validation, _] = lists.clips().unwrap();
        assert_eq!((train.len(), validation.len()), (2, 0));
        assert_eq!((lists.rows[train[0].rows[0]].path.as_str(), &train[0].labels[..]), ("x/9_0.wav", &[1][..]));
        let paths: Vec<&str> = train[1].rows.iter().map(|row| lists.rows[*row].path.as_str()).collect();
        assert_eq!((paths, &train[1].labels[..]), (vec!["x/10_0.wav", "x/10_1.wav"], &[0, 2][..]));
        take(&mut lists, "zip: val.csv", "files;labels;ext\nx/10.wav;a;10\nx/9-a.wav;a;9-a").unwrap();
        let [_, validation, _] = lists.clips().unwrap();
        assert_eq!(lists.rows[validation[0].rows[0]].clip, "10");
    }

    #[test]
    fn the_publishers_lists_give_the_same() {
        let mut lists = labelled(&["a", "b"]);
        take(&mut lists, "dev.csv", "fname;labels;mids;split\n7;a,b;m;val\n5;b;m;train").unwrap();
        take(&mut lists, "eval.csv", "fname;labels;mids\n3;a;m").unwrap();
        let [train, validation, test] = lists.clips().unwrap();
        assert_eq!((train.len(), validation[0].labels.len()), (1, 2));
        assert_eq!(lists.rows[train[0].rows[0]].path, "FSD50K.dev_audio/5.wav");
        assert_eq!(lists.rows[test[0].rows[0]].path, "FSD50K.eval_audio/3.wav");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        let mut lists = labelled(&["a", "b"]);
        let message = |lists: &mut Lists, name: &str, text: &str| match take(lists, name, text) {
            Err(message) => message,
            Ok(()) => lists.clips().unwrap_err(),
        };
        let head = "files;labels;ext\n";
        let fresh = || lists.clone();
        for (text, words) in [
            ("x.wav;a;1\ny.wav;zz;2", "tr.csv, row 2: a label of lbl_map.json was expected, found `zz`"),
            ("x.wav;a;1\ny.wav;b;1", "row 2: clip `1` was expected to have the labels of row 1"),
            ("x.wav;a", "row 1: a value in column 3"),
            ("x.wav; ;1", "row 1: a value in column 2"),
        ] {
            let found = message(&mut fresh(), "tr.csv", &format!("{head}{text}"));
            assert!(found.contains(words), "{found}");
        }
        let found = message(&mut fresh(), "dev.csv", "fname;labels;mids;split\n7;a;m;dev");
        assert!(found.contains("`train` or `val` was expected, found `dev`"), "{found}");
        take(&mut lists, "tr.csv", "files;labels;ext\nx;a;1").unwrap();
        assert!(take(&mut lists, "b/tr.csv", "files;labels;ext\nx;a;1").unwrap_err().contains("once"));
        let numbered = |numbers: &[usize]| numbers.iter().map(|n| (*n, format!("l{n}"))).collect();
        assert!(Lists::default().vocabulary("v", numbered(&[0, 2])).unwrap_err().contains("0 to 1"));
        assert!(Lists::default().vocabulary("v", vec![(0, "a".into()), (1, "a".into())]).is_err());
    }
}
