//! Columns of text for a terminal: padded, folded where they do not fit. Knows no summary.

/// A table of plain text; `rows` are as long as `header`.
pub struct TextTable {
    pub header: Vec<String>,
    pub rows: Vec<Vec<TextCell>>,
    /// Columns repeated at the left of every fold, aligned left; the others are aligned right.
    pub fixed: usize,
}

#[derive(Clone, Default)]
pub struct TextCell {
    pub text: String,
    pub bold: bool,
}

impl TextCell {
    pub fn new(text: impl Into<String>) -> Self {
        TextCell { text: text.into(), bold: false }
    }
}

const GAP: &str = "  ";

impl TextTable {
    /// Lines of at most `width` characters where the columns allow it: columns that do not fit follow in further blocks.
    /// `bold` turns ANSI bold on for the cells that ask for it.
    pub fn render(&self, width: usize, bold: bool) -> String {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|c| {
                let cells = self.rows.iter().map(|row| row[c].text.chars().count());
                cells.chain([self.header[c].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let blocks: Vec<String> =
            self.folds(&widths, width).iter().map(|columns| self.block(columns, &widths, bold)).collect();
        blocks.join("\n")
    }

    /// The columns of each block.
    fn folds(&self, widths: &[usize], width: usize) -> Vec<Vec<usize>> {
        let fixed: Vec<usize> = (0..self.fixed.min(widths.len())).collect();
        let left: usize = fixed.iter().map(|c| widths[*c] + GAP.len()).sum();
        let mut folds = vec![fixed.clone()];
        let mut used = left;
        for (column, own) in widths.iter().enumerate().skip(self.fixed) {
            let last = folds.last_mut().expect("there is always a fold");
            if used + own > width && last.len() > fixed.len() {
                let mut next = fixed.clone();
                next.push(column);
                folds.push(next);
                used = left + own + GAP.len();
            } else {
                last.push(column);
                used += own + GAP.len();
            }
        }
        folds
    }

    fn block(&self, columns: &[usize], widths: &[usize], bold: bool) -> String {
        let line = |cells: &dyn Fn(usize) -> TextCell| {
            let mut out = String::new();
            for (i, column) in columns.iter().enumerate() {
                let cell = cells(*column);
                let pad = " ".repeat(widths[*column].saturating_sub(cell.text.chars().count()));
                let text = if bold && cell.bold { format!("\u{1b}[1m{}\u{1b}[0m", cell.text) } else { cell.text };
                let gap = if i == 0 { "" } else { GAP };
                let parts = if *column < self.fixed { [gap, &text, &pad] } else { [gap, &pad, &text] };
                out.extend(parts);
            }
            format!("{}\n", out.trim_end())
        };
        let mut out = line(&|c| TextCell::new(self.header[c].clone()));
        let total: usize = columns.iter().map(|c| widths[*c]).sum::<usize>() + GAP.len() * (columns.len().max(1) - 1);
        out.push_str(&format!("{}\n", "─".repeat(total)));
        for row in &self.rows {
            out.push_str(&line(&|c| row[c].clone()));
        }
        out
    }
}

/// Breaks text at spaces into lines of at most `width` characters; a longer word stands alone.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if used > 0 && used + 1 + long > width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += long;
    }
    out.push('\n');
    out
}

/// Control characters could move the cursor or colour the screen: shown as a replacement character.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{TextCell, TextTable, harmless, wrap};

    fn table() -> TextTable {
        let row = |cells: [&str; 3]| cells.map(TextCell::new).to_vec();
        TextTable {
            header: ["task", "a", "bb"].map(String::from).to_vec(),
            rows: vec![row(["ecg", "1.00", "2.0"]), row(["darcy", "±", ""])],
            fixed: 1,
        }
    }

    #[test]
    fn pads_by_characters() {
        let expected = "task      a   bb\n────────────────\necg    1.00  2.0\ndarcy     ±\n";
        assert_eq!(table().render(80, false), expected);
    }

    #[test]
    fn folds_columns_that_do_not_fit_and_repeats_the_first() {
        let expected =
            "task      a\n───────────\necg    1.00\ndarcy     ±\n\ntask    bb\n──────────\necg    2.0\ndarcy\n";
        assert_eq!(table().render(12, false), expected);
        // Nothing fits: one column a block, never none.
        assert_eq!(table().render(0, false), expected);
    }

    #[test]
    fn marks_bold_only_when_asked() {
        let mut table = table();
        table.rows[0][1].bold = true;
        assert!(table.render(80, true).contains("\u{1b}[1m1.00\u{1b}[0m"));
        assert!(!table.render(80, false).contains('\u{1b}'));
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("one two three", 7), "one two\nthree\n");
        assert_eq!(wrap("incomprehensible word", 4), "incomprehensible\nword\n");
        assert_eq!(harmless("a\u{1b}[1m\n"), "a\u{fffd}[1m\u{fffd}");
    }
}
