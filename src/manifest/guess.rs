//! What inputs and targets in a folder of arrays mean as a task, by their shapes and first values, and what is worth telling
//! whoever made them. Knows no file's format and no manifest's text.

use std::fmt::Write;

/// An array of the folder, as far as a manifest is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `file` or `file:array`.
    pub place: String,
    pub shape: Vec<usize>,
    /// The error says why the array cannot be used, and the remedy.
    pub values: Result<Values, String>,
}

/// What the values looked at are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Whole numbers of at least 0.
    pub whole: bool,
    /// 0 or 1.
    pub binary: bool,
    /// Neither NaN nor infinite.
    pub finite: bool,
    /// Rows of which one value is 1 and the others are 0.
    pub one_hot: bool,
    /// Largest value, and how many different ones, where all values were looked at.
    pub all: Option<(f32, usize)>,
}

/// What the shapes mean.
pub struct Guess {
    pub dimension: usize,
    pub kind: &'static str,
    pub channels_last: bool,
    /// What runs on such a task without more settings.
    pub method: &'static str,
    /// What may not be as it was meant.
    pub notes: Vec<String>,
}

/// A fifth of fewer rows are fewer than four to test on.
const FEW: usize = 20;
/// As many different whole numbers per position look like classes.
const CLASS_LIKE: usize = 32;
const RENUMBER: &str = "np.unique(y, return_inverse=True)[1]";

/// # Errors
/// The arrays are no task: the message names the array, what was expected and found, and what to save instead.
pub fn guess(x: &Candidate, y: &Candidate) -> Result<Guess, String> {
    for array in [x, y] {
        let values = array.values.as_ref().map_err(Clone::clone)?;
        if array.shape.contains(&0) {
            return Err(format!("`{}` of shape {:?}: expected an array with rows", array.place, array.shape));
        }
        if !values.finite {
            return Err(format!(
                "`{}`: expected finite values, found NaN or infinity; replace them, or leave their rows out of inputs and targets",
                array.place
            ));
        }
    }
    same_rows(x, y)?;
    let values = *y.values.as_ref().map_err(Clone::clone)?;
    let kind = match y.shape[1..] {
        [] | [1] if values.whole => "point",
        [_] if values.binary && x.shape[1..] != y.shape[1..] => "multi-label",
        [_, ..] if positions(x, y) => "dense",
        _ => return Err(no_target(x, y)),
    };
    let spatial = |from: &[usize]| y.shape.ends_with(from);
    let (dimension, channels_last) = match x.shape[1..] {
        [_] => (1, false),
        // a field per field: no channels
        [_, _] if kind == "dense" && spatial(&x.shape[1..]) => (2, false),
        [channels, length] if kind == "dense" => (1, spatial(&[channels]) && !spatial(&[length])),
        [first, second] if first <= 16 || second <= 16 => (1, first > second),
        [first, second] if first * 4 <= second => (1, false),
        [_, _] => (2, false),
        [first, _, last] => (2, last <= 4 && first > 4),
        _ => {
            return Err(format!("`{}` of shape {:?}: expected (N,L), (N,C,L), (N,H,W) or (N,C,H,W)", x.place, x.shape));
        }
    };
    // the benchmark has no wide residual network for a value per position of a series
    let method = if kind == "dense" && dimension == 1 { "darts/default" } else { "wrn/default" };
    Ok(Guess { dimension, kind, channels_last, method, notes: notes(kind, x.shape[0], &y.place, &values) })
}

/// As many rows of inputs as of targets.
pub fn same_rows(x: &Candidate, y: &Candidate) -> Result<(), String> {
    let ([rows, ..], [found, ..]) = (&x.shape[..], &y.shape[..]) else {
        return Err(format!("`{}` and `{}`: expected arrays with rows, found a single value", x.place, y.place));
    };
    if rows == found {
        return Ok(());
    }
    Err(format!("`{}`: expected {rows} rows as in `{}`, found {found}", y.place, x.place))
}

/// Whether targets have the positions of inputs: with or without channels, first or last.
fn positions(x: &Candidate, y: &Candidate) -> bool {
    let (x, y) = (&x.shape[1..], &y.shape[1..]);
    let without = |shape: &[usize]| [shape.get(1..).unwrap_or_default().to_vec(), shape[..shape.len() - 1].to_vec()];
    let mut meant = without(x).into_iter().chain([x.to_vec()]).filter(|positions| !positions.is_empty());
    meant.any(|positions| y == positions || (y.len() == positions.len() + 1 && y[1..] == positions))
}

/// Why `y` holds no targets for `x`.
fn no_target(x: &Candidate, y: &Candidate) -> String {
    let mut text = format!(
        "`{}` of shape {:?} holds neither classes 0, 1, …, nor labels 0 and 1, nor a value per position of `{}` {:?}",
        y.place, y.shape, x.place, x.shape
    );
    match y.shape[1..] {
        [] | [1] => {
            let _ = write!(
                text,
                "; classes are whole numbers from 0 on: {RENUMBER} numbers whatever y holds, np.digitize makes classes of measured \
                 numbers"
            );
        }
        [_] => text.push_str("; for labels save 0 and 1 only: (y > threshold)"),
        _ => text.push_str("; positions of targets must be those of inputs: (N,L), (N,C,L), (N,H,W) or (N,C,H,W)"),
    }
    text
}

fn notes(kind: &str, rows: usize, place: &str, values: &Values) -> Vec<String> {
    let mut notes = Vec::new();
    if rows < FEW {
        notes.push(format!("{rows} rows are very few to train, validate and test on: scores will be chance."));
    }
    match (kind, values.all) {
        ("point", Some((_, 1))) => {
            notes.push(format!("all rows of {place} have one class: there is nothing to tell apart."));
        }
        ("point", Some((most, found))) if found as f32 <= most => {
            let classes = most as usize + 1;
            notes.push(format!(
                "{place} has {found} different classes but goes up to {most}: {classes} are trained, {} of them without rows. \
                 {RENUMBER} numbers them 0 to {}.",
                classes - found,
                found - 1
            ));
        }
        ("multi-label", _) if values.one_hot => {
            notes.push(format!(
                "each row of {place} has exactly one 1. If these are classes and not labels, save y.argmax(1)."
            ));
        }
        ("dense", _) if values.binary => {
            notes.push(format!("{place} holds 0 and 1 only: loss = \"binary-cross-entropy\" may suit it."));
        }
        ("dense", Some((_, found))) if values.whole && found <= CLASS_LIKE => {
            notes.push(format!(
                "the whole numbers of {place} are taken as values to predict, not as classes of positions."
            ));
        }
        _ => {}
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Values, guess};

    const REAL: Values = Values { whole: false, binary: false, finite: true, one_hot: false, all: None };
    const WHOLE: Values = Values { whole: true, ..REAL };
    const BINARY: Values = Values { whole: true, binary: true, ..REAL };

    fn array(place: &str, shape: &[usize], values: Values) -> Candidate {
        Candidate { place: place.to_string(), shape: shape.to_vec(), values: Ok(values) }
    }

    fn kind(x: &[usize], y: &[usize], values: Values) -> (usize, &'static str, &'static str, bool) {
        let guess = guess(&array("x.npy", x, REAL), &array("y.npy", y, values)).unwrap();
        (guess.dimension, guess.kind, guess.method, guess.channels_last)
    }

    fn refused(x: &[usize], y: &[usize], values: Values) -> String {
        guess(&array("x.npy", x, REAL), &array("y.npy", y, values)).err().expect("no task")
    }

    #[test]
    fn shapes_are_told_apart() {
        assert_eq!(kind(&[50, 3, 200], &[50, 5], BINARY), (1, "multi-label", "wrn/default", false));
        assert_eq!(kind(&[50, 3, 200], &[50, 1], WHOLE), (1, "point", "wrn/default", false));
        assert_eq!(kind(&[50, 32, 32, 3], &[50], WHOLE), (2, "point", "wrn/default", true));
        assert_eq!(kind(&[50, 16, 16, 3], &[50, 16, 16], REAL), (2, "dense", "wrn/default", true));
        assert_eq!(kind(&[50, 16, 12], &[50, 2, 16, 12], REAL), (2, "dense", "wrn/default", false));
        assert_eq!(kind(&[50, 2, 60], &[50, 60], REAL), (1, "dense", "darts/default", false));
        assert_eq!(kind(&[50, 60, 2], &[50, 60], REAL), (1, "dense", "darts/default", true));
    }

    #[test]
    fn what_is_no_target_is_refused_with_a_remedy() {
        assert!(refused(&[9, 1, 50], &[8], WHOLE).contains("`y.npy`: expected 9 rows as in `x.npy`, found 8"));
        assert!(refused(&[9, 1, 50], &[9], REAL).contains("np.unique(y, return_inverse=True)[1]"));
        assert!(refused(&[9, 1, 50], &[9, 4], REAL).contains("save 0 and 1 only"));
        assert!(refused(&[9, 16, 16], &[9, 8, 8], REAL).contains("positions of targets must be those of inputs"));
        assert!(refused(&[9, 1, 50], &[9], Values { finite: false, ..REAL }).contains("found NaN"));
        assert!(refused(&[0, 1, 50], &[0], WHOLE).contains("expected an array with rows"));
        let texts = Candidate { values: Err("y.npy: expected numbers, found texts".into()), ..array("y", &[9], REAL) };
        assert!(guess(&array("x.npy", &[9, 50], REAL), &texts).err().is_some_and(|e| e.contains("found texts")));
    }

    #[test]
    fn what_may_not_be_meant_is_noted() {
        let notes = |y: &[usize], values: Values| {
            guess(&array("x.npy", &[50, 16, 16], REAL), &array("y.npy", y, values)).unwrap().notes.join("\n")
        };
        assert_eq!(notes(&[50], Values { all: Some((2.0, 3)), ..WHOLE }), "");
        assert!(
            notes(&[50], Values { all: Some((5.0, 5)), ..WHOLE }).contains("6 are trained, 1 of them without rows")
        );
        assert!(notes(&[50], Values { all: Some((0.0, 1)), ..WHOLE }).contains("one class"));
        assert!(notes(&[50, 4], Values { one_hot: true, ..BINARY }).contains("y.argmax(1)"));
        assert_eq!(notes(&[50, 4], BINARY), "");
        assert!(notes(&[50, 16, 16], BINARY).contains("binary-cross-entropy"));
        assert!(notes(&[50, 16, 16], Values { all: Some((3.0, 4)), ..WHOLE }).contains("not as classes"));
        let few = guess(&array("x.npy", &[3, 50], REAL), &array("y.npy", &[3], WHOLE)).unwrap();
        assert!(few.notes[0].contains("3 rows"));
    }
}
