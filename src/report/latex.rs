//! Tables 2 and 3 in LaTeX (booktabs), each a float of its own to be read in by `\input`. Knows no folder.

use crate::artifacts::score::Direction;
use crate::artifacts::summary::Summary;
use crate::report::caption;
use crate::report::entry::File;
use crate::report::number::{self, Shown};

/// `table2.tex` and `table3.tex`.
pub fn files(summary: &Summary) -> Vec<File> {
    vec![
        ("table2.tex".to_string(), scores(summary).into_bytes()),
        ("table3.tex".to_string(), standings(summary).into_bytes()),
    ]
}

/// A float over both columns, as wide as it needs to be but never wider than the page.
fn float(columns: &str, header: &str, rows: &str, title: &str, label: &str, notes: &[String]) -> String {
    let notes: String = notes.iter().map(|note| format!("  \\par {note}\n")).collect();
    format!(
        "% Needs \\usepackage{{booktabs}} and \\usepackage{{adjustbox}}.\n\
         \\begin{{table*}}\n  \\centering\n  \\caption{{{title}}}\n  \\label{{{label}}}\n\
         \x20 \\begin{{adjustbox}}{{max width=\\textwidth}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n    {header} \\\\\n    \\midrule\n\
         {rows}    \\bottomrule\n  \\end{{tabular}}\n  \\end{{adjustbox}}\n  \\footnotesize\n{notes}\\end{{table*}}\n"
    )
}

fn scores(summary: &Summary) -> String {
    let names = ["Task", "Metric", "Data", "Trivial"].map(String::from);
    let header: Vec<String> = names.into_iter().chain(summary.methods.iter().map(|m| escape(m))).collect();
    let rows: String = summary
        .rows()
        .map(|(task, cells)| {
            let decimals = number::decimals(cells);
            let arrow = if task.direction == Direction::Lower { "$\\downarrow$" } else { "$\\uparrow$" };
            let trivial = task.trivial.as_ref().map_or("--".to_string(), |t| power(&number::fixed(t.value, decimals)));
            let measure = format!("{} {arrow}", escape(&number::measure(task)));
            let first = [escape(&task.name), measure, escape(&task.data.join(" + ")), trivial];
            let cells = cells.iter().map(|c| cell(&number::shown(task, c, decimals)));
            let line: Vec<String> = first.into_iter().chain(cells).collect();
            format!("    {} \\\\\n", line.join(" & "))
        })
        .collect();
    let columns = format!("lllr{}", "r".repeat(summary.methods.len()));
    let notes = [escape(&caption::explanation(summary, "bold")), escape(&caption::line(summary))];
    float(&columns, &header.join(" & "), &rows, "Scores by task and method.", "tab:scores", &notes)
}

fn cell(shown: &Shown) -> String {
    match shown {
        Shown::Value { mean, spread, seeds, best } => {
            let mut text = power(mean);
            if *best {
                text = format!("\\textbf{{{text}}}");
            }
            if let Some(spread) = spread {
                text.push_str(&format!(" $\\pm$ {}", power(spread)));
            }
            if let Some((done, expected)) = seeds {
                text.push_str(&format!(" ({done}/{expected})"));
            }
            text
        }
        Shown::Imputed(value) => format!("{{[}}{}{{]}}", power(value)),
        Shown::Missing => "missing".to_string(),
        Shown::NotApplicable => "--".to_string(),
    }
}

fn standings(summary: &Summary) -> String {
    let rows: String = summary
        .standings
        .iter()
        .map(|s| {
            let improvement = power(&number::percent(s.median_improvement));
            let rank = escape(&number::rank(s.median_rank));
            format!("    {} & {} & {rank} & {improvement} \\\\\n", escape(&s.method), s.tasks)
        })
        .collect();
    let notes = [escape(&caption::standing_explanation(summary)), escape(&caption::line(summary))];
    let header = "Method & Tasks & Median rank & Median improvement (\\%)";
    float("lrrr", header, &rows, "Standing of the methods over all tasks.", "tab:standing", &notes)
}

/// A number: a true minus sign, and `1.20e-3` as a power of ten.
fn power(number: &str) -> String {
    match number.split_once('e') {
        Some((digits, exponent)) => format!("${digits}\\cdot 10^{{{exponent}}}$"),
        None if number.starts_with('-') => format!("${number}$"),
        None => escape(number),
    }
}

/// Text that LaTeX sets as it is, on one line.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("''"),
            // A bracket at the start of a row would be taken for the option of the line break before it.
            '[' | ']' => out.push_str(&format!("{{{c}}}")),
            '±' => out.push_str("$\\pm$"),
            '×' => out.push_str("$\\times$"),
            '·' => out.push_str("$\\cdot$"),
            '−' => out.push_str("$-$"),
            'τ' => out.push_str("$\\tau$"),
            '–' => out.push_str("--"),
            '…' => out.push_str("\\dots{}"),
            'Å' => out.push_str("\\AA{}"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escape, power};

    #[test]
    fn nothing_special_gets_through() {
        assert_eq!(escape("50 % of a_b & #1"), "50 \\% of a\\_b \\& \\#1");
        assert_eq!(escape("\\input{x}"), "\\textbackslash{}input\\{x\\}");
        assert_eq!(escape("$^~$"), "\\$\\textasciicircum{}\\textasciitilde{}\\$");
        assert_eq!(escape("[x]\n<Å>"), "{[}x{]} \\textless{}\\AA{}\\textgreater{}");
    }

    #[test]
    fn numbers() {
        assert_eq!(power("-75.26"), "$-75.26$");
        assert_eq!(power("1.20e-3"), "$1.20\\cdot 10^{-3}$");
        assert_eq!(power("0.07"), "0.07");
        assert_eq!(power("–"), "--");
    }
}
