//! The report as text for a terminal. Knows no terminal: width and colour are told.

use crate::artifacts::score::Direction;
use crate::artifacts::summary::{State, Summary};
use crate::report::caption;
use crate::report::entry::File;
use crate::report::number::{self, DASH, Shown};
use crate::report::text_table::{TextCell, TextTable, harmless, wrap};

#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Characters in a line.
    pub width: usize,
    /// Best results in ANSI bold, beside their mark.
    pub colour: bool,
}

/// Sentences are never broken into shorter lines.
const NARROWEST: usize = 30;

/// `report.txt`, 100 characters wide.
pub fn files(summary: &Summary) -> Vec<File> {
    vec![("report.txt".to_string(), render(summary, Look { width: 100, colour: false }).into_bytes())]
}

pub fn render(summary: &Summary, look: Look) -> String {
    let mut out = String::new();
    let mut section = |title: &str, table: TextTable, under: &str| {
        let text = wrap(&harmless(under), look.width.max(NARROWEST));
        out.push_str(&format!("{title}\n\n{}\n{text}\n", table.render(look.width, look.colour)));
    };
    let conditions = caption::line(summary);
    let explanation = caption::explanation(summary, "*");
    section("Table 2. Scores", scores(summary), &format!("{explanation} {conditions}"));
    let explanation = caption::standing_explanation(summary);
    section("Table 3. Standing", standings(summary), &format!("{explanation} {conditions}"));
    if summary.cells.iter().any(|cell| !matches!(cell.state, State::Done | State::NotApplicable)) {
        let explanation = format!("Seeds done of seeds asked for; {DASH} is n/a.");
        section("Coverage", coverage(summary), &explanation);
    }
    if !summary.gates.is_empty() {
        section(
            "Gates",
            gates(summary),
            "Gain: how much lower the error is than the trivial predictor's. A control is trained on permuted labels and passes where it does not beat the margin.",
        );
    }
    if !summary.picks.is_empty() {
        section("Picks", claims(summary.picks.iter().map(number::pick).collect(), &number::PICKS), number::PICKS_MEAN);
    }
    if !summary.pairs.is_empty() {
        section("Pairs", claims(summary.pairs.iter().map(number::pair).collect(), &number::PAIRS), number::PAIRS_MEAN);
    }
    if !summary.deviations.is_empty() {
        section(
            "Deviations from published values",
            deviations(summary),
            &format!("A band is what the file of expectations states. {conditions}"),
        );
    }
    if !summary.notes.is_empty() {
        out.push_str("Notes\n\n");
        for note in &summary.notes {
            let body = wrap(&harmless(note), look.width.max(NARROWEST) - 2);
            out.push_str(&format!("- {}\n", body.trim_end().replace('\n', "\n  ")));
        }
    }
    format!("{}\n", out.trim_end())
}

fn cell(shown: &Shown) -> TextCell {
    match shown {
        Shown::Value { mean, spread, seeds, best } => {
            let mut text = mean.clone();
            if let Some(spread) = spread {
                text.push_str(&format!(" ± {spread}"));
            }
            if let Some((done, expected)) = seeds {
                text.push_str(&format!(" ({done}/{expected})"));
            }
            text.push(if *best { '*' } else { ' ' });
            TextCell { text, bold: *best }
        }
        Shown::Imputed(value) => TextCell::new(format!("[{value}] ")),
        Shown::Missing => TextCell::new("missing "),
        Shown::NotApplicable => TextCell::new(format!("{DASH} ")),
    }
}

fn scores(summary: &Summary) -> TextTable {
    let names = ["task", "metric", "data", "trivial"].map(String::from);
    let header = names.into_iter().chain(summary.methods.iter().map(|m| format!("{} ", harmless(m)))).collect();
    let rows = summary
        .rows()
        .map(|(task, cells)| {
            let decimals = number::decimals(cells);
            let trivial = task.trivial.as_ref().map_or(DASH.to_string(), |t| number::fixed(t.value, decimals));
            let better = if task.direction == Direction::Lower { "↓" } else { "↑" };
            let measure = format!("{better} {}", number::measure(task));
            let data = if task.data.is_empty() { DASH.to_string() } else { task.data.join("+") };
            let first = [task.name.clone(), measure, data, trivial].map(|t| TextCell::new(harmless(&t)));
            first.into_iter().chain(cells.iter().map(|c| cell(&number::shown(task, c, decimals)))).collect()
        })
        .collect();
    TextTable { header, rows, fixed: 4 }
}

fn standings(summary: &Summary) -> TextTable {
    let header = ["method", "tasks", "median rank", "median improvement, %"].map(String::from).to_vec();
    let rows = summary
        .standings
        .iter()
        .map(|s| {
            let tasks = if s.tasks_imputed == 0 {
                s.tasks.to_string()
            } else {
                format!("{} ({} imputed)", s.tasks, s.tasks_imputed)
            };
            [harmless(&s.method), tasks, number::rank(s.median_rank), number::percent(s.median_improvement)]
                .map(TextCell::new)
                .to_vec()
        })
        .collect();
    TextTable { header, rows, fixed: 1 }
}

fn coverage(summary: &Summary) -> TextTable {
    let header = ["task".to_string()].into_iter().chain(summary.methods.iter().map(|m| harmless(m))).collect();
    let rows = summary
        .rows()
        .map(|(task, cells)| {
            let first = TextCell::new(harmless(&task.name));
            [first].into_iter().chain(cells.iter().map(|c| TextCell::new(number::coverage(c)))).collect()
        })
        .collect();
    TextTable { header, rows, fixed: 1 }
}

fn deviations(summary: &Summary) -> TextTable {
    let header =
        ["task", "method", "data", "seeds", "measured", "published", "band ±", "verdict"].map(String::from).to_vec();
    let rows = summary
        .deviations
        .iter()
        .map(|d| number::deviation(d).map(|text| TextCell::new(harmless(&text))).to_vec())
        .collect();
    TextTable { header, rows, fixed: 2 }
}

fn claims(rows: Vec<[String; 7]>, header: &[&str; 7]) -> TextTable {
    let row = |texts: [String; 7]| texts.iter().map(|text| TextCell::new(harmless(text))).collect();
    let header = header.iter().map(|name| name.to_string()).collect();
    TextTable { header, rows: rows.into_iter().map(row).collect(), fixed: 3 }
}

fn gates(summary: &Summary) -> TextTable {
    let header = ["task", "method", "seed", "score", "trivial", "gain", "margin", "verdict"].map(String::from).to_vec();
    let rows = summary
        .gates
        .iter()
        .map(|gate| number::gate(gate).map(|text| TextCell::new(harmless(&text))).to_vec())
        .collect();
    TextTable { header, rows, fixed: 3 }
}
