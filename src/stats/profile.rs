//! Performance profiles (Dolan & Moré 2002, "Benchmarking optimization software with performance profiles", §2) as
//! exact step functions. Knows no task and no method: a row is a problem, a column a solver.

/// From `tau` on (inclusive: the curve is right-continuous) the fraction is `fraction`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    pub tau: f64,
    pub fraction: f64,
}

/// The performance ratio of each error to the lowest one of its row: at least 1, `None` for never within.
///
/// Never within is an error that is missing or not finite, and one whose ratio is beyond the range of f64. Where the lowest
/// error is zero or negative a ratio has no meaning: those that reach it have ratio 1, all others are never within.
pub fn ratios(row: &[Option<f64>]) -> Vec<Option<f64>> {
    let present = |error: &Option<f64>| error.filter(|e| e.is_finite());
    let Some(best) = row.iter().filter_map(present).min_by(f64::total_cmp) else {
        return vec![None; row.len()];
    };
    row.iter()
        .map(|error| {
            let error = present(error)?;
            if error == best {
                return Some(1.0);
            }
            let ratio = error / best;
            (best > 0.0 && ratio.is_finite()).then_some(ratio)
        })
        .collect()
}

/// The curve of one solver: its value at τ = 1, then every distinct larger ratio. `ratios` holds one entry per problem.
/// Empty only for no problems.
pub fn steps(ratios: &[Option<f64>]) -> Vec<Jump> {
    let mut finite: Vec<f64> = ratios.iter().flatten().copied().collect();
    finite.sort_by(f64::total_cmp);
    let problems = ratios.len() as f64;
    let mut steps = Vec::new();
    if !ratios.is_empty() {
        steps.push(Jump { tau: 1.0, fraction: 0.0 });
    }
    for (i, tau) in finite.iter().enumerate() {
        let fraction = (i + 1) as f64 / problems;
        match steps.last_mut() {
            Some(last) if last.tau == *tau => last.fraction = fraction,
            _ => steps.push(Jump { tau: *tau, fraction }),
        }
    }
    steps
}

/// ρ(τ): the fraction of problems with a ratio of at most `tau`; 0 below τ = 1.
pub fn at(steps: &[Jump], tau: f64) -> f64 {
    steps.iter().rev().find(|step| step.tau <= tau).map_or(0.0, |step| step.fraction)
}

#[cfg(test)]
mod tests {
    use super::{Jump, at, ratios, steps};

    fn jump(tau: f64, fraction: f64) -> Jump {
        Jump { tau, fraction }
    }

    /// Three solvers on four problems, by hand. Solver c has no value on the second problem.
    ///   errors     a 1 4 3 2   b 2 2 3 8   c 4 – 6 2
    ///   best         1 2 3 2
    ///   ratios     a 1 2 1 1   b 2 1 1 4   c 4 – 2 1
    #[test]
    fn matches_a_profile_worked_by_hand() {
        let rows = [
            [Some(1.0), Some(2.0), Some(4.0)],
            [Some(4.0), Some(2.0), None],
            [Some(3.0), Some(3.0), Some(6.0)],
            [Some(2.0), Some(8.0), Some(2.0)],
        ];
        let table: Vec<_> = rows.iter().map(|row| ratios(row)).collect();
        let curve = |solver: usize| steps(&table.iter().map(|row| row[solver]).collect::<Vec<_>>());
        assert_eq!(curve(0), [jump(1.0, 0.75), jump(2.0, 1.0)]);
        assert_eq!(curve(1), [jump(1.0, 0.5), jump(2.0, 0.75), jump(4.0, 1.0)]);
        assert_eq!(curve(2), [jump(1.0, 0.25), jump(2.0, 0.5), jump(4.0, 0.75)]);
        // Right-continuous: at a step the higher value holds, just before it the lower one.
        let b = curve(1);
        assert_eq!(at(&b, 2.0), 0.75);
        assert_eq!(at(&b, 2.0_f64.next_down()), 0.5);
        assert_eq!(at(&b, 0.999), 0.0);
        assert_eq!(at(&curve(2), f64::MAX), 0.75);
    }

    #[test]
    fn zero_and_negative_errors() {
        assert_eq!(ratios(&[Some(0.0), Some(0.0), Some(1.0)]), [Some(1.0), Some(1.0), None]);
        assert_eq!(ratios(&[Some(-0.0), Some(0.0)]), [Some(1.0), Some(1.0)]);
        assert_eq!(ratios(&[Some(-2.0), Some(-1.0), Some(3.0)]), [Some(1.0), None, None]);
        assert_eq!(ratios(&[Some(f64::NAN), Some(2.0), Some(f64::INFINITY)]), [None, Some(1.0), None]);
        assert_eq!(ratios(&[Some(1e-300), Some(1e300)]), [Some(1.0), None]);
        assert_eq!(ratios(&[None, None]), [None, None]);
        assert!(ratios(&[]).is_empty());
    }

    #[test]
    fn a_curve_that_never_starts() {
        assert_eq!(steps(&[None, None]), [jump(1.0, 0.0)]);
        assert_eq!(steps(&[]), []);
        assert_eq!(at(&[], 3.0), 0.0);
    }

    #[test]
    fn never_falls_and_never_passes_one() {
        let many: Vec<_> = (0..50_u32).map(|i| (i % 7 != 0).then(|| 1.0 + f64::from(i * i % 11) / 3.0)).collect();
        let curve = steps(&many);
        assert!(curve.windows(2).all(|w| w[0].tau < w[1].tau && w[0].fraction < w[1].fraction));
        assert!(curve.iter().all(|s| (0.0..=1.0).contains(&s.fraction)));
    }
}
