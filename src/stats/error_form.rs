//! A score as an error, lower being better (pipeline §8). Knows no task.

use crate::artifacts::score::Direction;

/// `value` where lower is better; `1 − value` where higher is better, or `100 − value` where the unit is `%`.
///
/// The benchmark's own higher-is-better scores (mAP, F1, AUROC) are all fractions, so the second form only meets a
/// user's metric in percent, which `1 − value` would turn into a negative error.
pub fn error_form(direction: Direction, unit: &str, value: f64) -> f64 {
    match direction {
        Direction::Lower => value,
        Direction::Higher if unit == "%" => 100.0 - value,
        Direction::Higher => 1.0 - value,
    }
}

#[cfg(test)]
mod tests {
    use super::error_form;
    use crate::artifacts::score::Direction;

    #[test]
    fn turns_only_higher_is_better_around() {
        assert_eq!(error_form(Direction::Lower, "%", 23.35), 23.35);
        assert_eq!(error_form(Direction::Higher, "", 0.75), 0.25);
        assert_eq!(error_form(Direction::Higher, "%", 75.0), 25.0);
        assert!(error_form(Direction::Higher, "", f64::NAN).is_nan());
    }
}
