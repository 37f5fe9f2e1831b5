//! The numbers of the report as CSV (RFC 4180), in full precision. Knows no folder.

use crate::artifacts::score::Direction;
use crate::artifacts::summary::{State, Summary};
use crate::report::entry::File;

/// `scores.csv` (a line per cell of Table 2), `runs.csv` (a line per run), `standings.csv` (Table 3), and `deviations.csv` where
/// results were compared with published values.
pub fn files(summary: &Summary) -> Vec<File> {
    let mut files = vec![
        ("scores.csv".to_string(), scores(summary)),
        ("runs.csv".to_string(), runs(summary)),
        ("standings.csv".to_string(), standings(summary)),
    ];
    if !summary.deviations.is_empty() {
        files.push(("deviations.csv".to_string(), deviations(summary)));
    }
    files
}

/// A header and lines, each field quoted where it must be.
pub fn document(header: &[&str], lines: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut out = header.join(",");
    out.push('\n');
    for line in lines {
        let fields: Vec<String> = line.iter().map(|field| quote(field)).collect();
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out.into_bytes()
}

fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}

/// The shortest text that reads back as the same number.
pub fn exact(value: f64) -> String {
    format!("{value:?}")
}

fn optional(value: Option<f64>) -> String {
    value.map(exact).unwrap_or_default()
}

fn state(state: State) -> &'static str {
    match state {
        State::Done => "done",
        State::Partial => "partial",
        State::Missing => "missing",
        State::NotApplicable => "n/a",
    }
}

fn scores(summary: &Summary) -> Vec<u8> {
    let header = [
        "task",
        "method",
        "metric",
        "unit",
        "better",
        "state",
        "seeds_done",
        "seeds_expected",
        "seeds_missing",
        "mean",
        "standard_deviation",
        "error",
        "imputed",
        "rank",
        "best",
        "trivial",
        "trivial_predictor",
        "data",
        "imputation",
        "fidelity",
        "numerics",
    ];
    let lines = summary.rows().flat_map(|(task, cells)| {
        cells.iter().map(move |c| {
            let better = if task.direction == Direction::Lower { "lower" } else { "higher" };
            let missing: Vec<_> = c.seeds_missing.iter().map(u64::to_string).collect();
            let trivial = task.trivial.as_ref();
            vec![
                c.task.clone(),
                c.method.clone(),
                task.metric.clone(),
                task.unit.clone(),
                better.to_string(),
                state(c.state).to_string(),
                c.seeds_done.to_string(),
                c.seeds_expected.to_string(),
                missing.join(" "),
                optional(c.mean),
                optional(c.deviation),
                optional(c.error),
                c.imputed.to_string(),
                optional(c.rank),
                c.best.to_string(),
                optional(trivial.map(|t| t.value)),
                trivial.map(|t| t.name.clone()).unwrap_or_default(),
                c.data.join("+"),
                summary.imputation.clone(),
                summary.fidelity.clone(),
                summary.numerics.clone(),
            ]
        })
    });
    document(&header, lines)
}

fn runs(summary: &Summary) -> Vec<u8> {
    let lines = summary.cells.iter().flat_map(|c| {
        c.values.iter().map(|v| vec![c.task.clone(), c.method.clone(), v.seed.to_string(), exact(v.value)])
    });
    document(&["task", "method", "seed", "value"], lines)
}

fn standings(summary: &Summary) -> Vec<u8> {
    let header = [
        "method",
        "tasks",
        "tasks_imputed",
        "median_rank",
        "improvement_tasks",
        "median_improvement_percent",
        "baseline",
        "printed_rank",
        "printed_improvement_percent",
        "imputation",
        "fidelity",
        "numerics",
    ];
    let lines = summary.standings.iter().map(|s| {
        vec![
            s.method.clone(),
            s.tasks.to_string(),
            s.tasks_imputed.to_string(),
            optional(s.median_rank),
            s.improvement_tasks.to_string(),
            optional(s.median_improvement),
            summary.baseline.clone(),
            optional(s.printed.map(|p| p.rank)),
            optional(s.printed.map(|p| p.improvement)),
            summary.imputation.clone(),
            summary.fidelity.clone(),
            summary.numerics.clone(),
        ]
    });
    document(&header, lines)
}

fn deviations(summary: &Summary) -> Vec<u8> {
    let header = [
        "task",
        "method",
        "data",
        "seeds",
        "measured",
        "measured_standard_deviation",
        "published",
        "published_standard_deviation",
        "band",
        "within",
    ];
    let lines = summary.deviations.iter().map(|d| {
        vec![
            d.task.clone(),
            d.method.clone(),
            d.data.join("+"),
            d.seeds.to_string(),
            exact(d.measured),
            optional(d.measured_deviation),
            exact(d.published),
            optional(d.published_deviation),
            optional(d.band),
            d.within.map(|w| w.to_string()).unwrap_or_default(),
        ]
    });
    document(&header, lines)
}

#[cfg(test)]
mod tests {
    use super::{document, exact};

    #[test]
    fn quotes_what_needs_it() {
        let line = ["a,b", "say \"x\"", "two\nlines", "plain", " edge"].map(String::from).to_vec();
        let text = String::from_utf8(document(&["h"], [line].into_iter())).unwrap();
        assert_eq!(text, "h\n\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",plain,\" edge\"\n");
    }

    #[test]
    fn numbers_read_back_exactly() {
        for value in [0.1 + 0.2, 1e300, -4.0, f64::MIN_POSITIVE] {
            assert_eq!(exact(value).parse::<f64>().unwrap(), value);
        }
    }
}
