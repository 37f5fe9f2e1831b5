//! The report in Markdown (GitHub's tables). Knows no folder.

use crate::artifacts::score::Direction;
use crate::artifacts::summary::{State, Summary};
use crate::report::caption;
use crate::report::entry::File;
use crate::report::number::{self, DASH, Shown};
use crate::report::profile_plot;

/// `report.md`; it shows the plots by their file names.
pub fn files(summary: &Summary) -> Vec<File> {
    vec![("report.md".to_string(), render(summary).into_bytes())]
}

fn render(summary: &Summary) -> String {
    let conditions = conditions(summary);
    let explanation = escape(&caption::explanation(summary, "bold"));
    let mut out =
        format!("# Benchmark report\n\n## Table 2. Scores\n\n{}\n{explanation}\n\n{conditions}\n", scores(summary));
    let explanation = escape(&caption::standing_explanation(summary));
    out.push_str(&format!("\n## Table 3. Standing\n\n{}\n{explanation}\n\n{conditions}\n", standings(summary)));
    out.push_str(&format!("\n## Coverage\n\n{}\nSeeds done of seeds asked for; {DASH} is n/a.\n", coverage(summary)));
    if !summary.panels.is_empty() {
        out.push_str("\n## Performance profiles\n\n");
        out.push_str("For each τ the fraction of tasks on which the error is within a factor τ of the lowest error among the methods plotted.\n");
        for (panel, stem) in summary.panels.iter().zip(profile_plot::stems(summary)) {
            out.push_str(&format!("\n![{}]({stem}.svg)\n", escape(&panel.name)));
        }
        out.push_str(&format!("\n{conditions}\n"));
    }
    if !summary.gates.is_empty() {
        out.push_str(&format!("\n## Gates\n\n{}", gates(summary)));
    }
    if !summary.picks.is_empty() {
        let table = claims(summary.picks.iter().map(number::pick).collect(), &number::PICKS);
        out.push_str(&format!("\n## Picks\n\n{table}\n{}\n", number::PICKS_MEAN));
    }
    if !summary.pairs.is_empty() {
        let table = claims(summary.pairs.iter().map(number::pair).collect(), &number::PAIRS);
        out.push_str(&format!("\n## Pairs\n\n{table}\n{}\n", number::PAIRS_MEAN));
    }
    if !summary.deviations.is_empty() {
        out.push_str(&format!("\n## Deviations from published values\n\n{}\n{conditions}\n", deviations(summary)));
    }
    if !summary.notes.is_empty() {
        out.push_str("\n## Notes\n\n");
        out.extend(summary.notes.iter().map(|note| format!("- {}\n", escape(note))));
    }
    out
}

fn conditions(summary: &Summary) -> String {
    let parts: Vec<_> =
        caption::conditions(summary).iter().map(|(label, text)| format!("**{label}:** {}.", escape(text))).collect();
    parts.join(" ")
}

/// A table whose first `left` columns are aligned left; cells are already escaped.
fn table(header: &[String], left: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> = (0..header.len()).map(|c| if c < left { "---" } else { "---:" }.to_string()).collect();
    let mut out = line(header) + &line(&rule);
    out.extend(rows.map(|row| line(&row)));
    out
}

fn header(first: &[&str], methods: &[String]) -> Vec<String> {
    first.iter().map(|s| s.to_string()).chain(methods.iter().map(|m| escape(m))).collect()
}

fn cell(shown: &Shown) -> String {
    match shown {
        Shown::Value { mean, spread, seeds, best } => {
            let mut text = mean.clone();
            if let Some(spread) = spread {
                text.push_str(&format!(" ± {spread}"));
            }
            if let Some((done, expected)) = seeds {
                text.push_str(&format!(" ({done}/{expected})"));
            }
            if *best { format!("**{text}**") } else { text }
        }
        Shown::Imputed(value) => format!("\\[{value}\\]"),
        Shown::Missing => "missing".to_string(),
        Shown::NotApplicable => DASH.to_string(),
    }
}

fn scores(summary: &Summary) -> String {
    let rows = summary.rows().map(|(task, cells)| {
        let decimals = number::decimals(cells);
        let better = if task.direction == Direction::Lower { "lower" } else { "higher" };
        let trivial = task
            .trivial
            .as_ref()
            .map_or(DASH.to_string(), |t| format!("{} ({})", number::fixed(t.value, decimals), escape(&t.name)));
        let data = if task.data.is_empty() { DASH.to_string() } else { escape(&task.data.join(" + ")) };
        let first = [escape(&task.name), escape(&number::measure(task)), better.to_string(), data, trivial];
        first.into_iter().chain(cells.iter().map(|c| cell(&number::shown(task, c, decimals)))).collect()
    });
    table(&header(&["task", "metric", "better", "data", "trivial"], &summary.methods), 4, rows)
}

fn standings(summary: &Summary) -> String {
    let rows = summary.standings.iter().map(|s| {
        vec![
            escape(&s.method),
            s.tasks.to_string(),
            s.tasks_imputed.to_string(),
            number::rank(s.median_rank),
            number::percent(s.median_improvement),
        ]
    });
    table(&header(&["method", "tasks", "imputed", "median rank", "median improvement, %"], &[]), 1, rows)
}

fn coverage(summary: &Summary) -> String {
    let rows = summary.rows().map(|(task, cells)| {
        let marks = cells.iter().map(|c| {
            let text = number::coverage(c);
            if matches!(c.state, State::Partial | State::Missing) { format!("**{text}**") } else { text }
        });
        [escape(&task.name)].into_iter().chain(marks).collect()
    });
    table(&header(&["task"], &summary.methods), 1, rows)
}

fn claims(rows: Vec<[String; 7]>, names: &[&str; 7]) -> String {
    let rows = rows.into_iter().map(|row| row.iter().map(|text| escape(text)).collect());
    table(&header(names, &[]), 3, rows)
}

fn gates(summary: &Summary) -> String {
    let names = ["task", "method", "seed", "score", "trivial", "gain", "margin", "verdict"];
    let rows = summary.gates.iter().map(|gate| number::gate(gate).map(|text| escape(&text)).to_vec());
    table(&header(&names, &[]), 3, rows)
}

fn deviations(summary: &Summary) -> String {
    let names = ["task", "method", "data", "seeds", "measured", "published", "band ±", "verdict"];
    let rows = summary.deviations.iter().map(|d| number::deviation(d).map(|text| escape(&text)).to_vec());
    table(&header(&names, &[]), 3, rows)
}

/// Text that Markdown shows as it is, on one line: markup is escaped, line breaks and other control characters become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push(' '),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_name_can_break_a_table_or_become_markup() {
        assert_eq!(escape("a|b\nc"), "a\\|b c");
        assert_eq!(escape("*x* _y_ `z`"), "\\*x\\* \\_y\\_ \\`z\\`");
        assert_eq!(escape("<img> & [l](u)"), "&lt;img&gt; &amp; \\[l\\](u)");
        assert_eq!(escape("wrn/default"), "wrn/default");
    }
}
