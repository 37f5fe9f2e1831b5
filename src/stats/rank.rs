//! Fractional ranks: equal errors share the mean of the places they take. Knows no task and no method.

/// The rank of each error among those that are there, 1 for the lowest; `None` where the error is `None` or not a
/// finite number, which then takes no place. Ties are exact: errors that differ in the last bit differ.
pub fn fractional_ranks(errors: &[Option<f64>]) -> Vec<Option<f64>> {
    let present = |error: &Option<f64>| error.filter(|e| e.is_finite());
    errors
        .iter()
        .map(|error| {
            let own = present(error)?;
            let others = errors.iter().filter_map(present);
            let (mut lower, mut equal) = (0.0, 0.0);
            for other in others {
                if other < own {
                    lower += 1.0;
                } else if other == own {
                    equal += 1.0;
                }
            }
            Some(lower + (equal + 1.0) / 2.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fractional_ranks;

    fn ranks(errors: &[f64]) -> Vec<f64> {
        let errors: Vec<_> = errors.iter().map(|e| Some(*e)).collect();
        fractional_ranks(&errors).into_iter().map(|r| r.expect("every error has a value")).collect()
    }

    #[test]
    fn ties_share_the_mean_place() {
        // scipy.stats.rankdata(…, method="average") of the same numbers.
        assert_eq!(ranks(&[0.0, 2.0, 3.0, 2.0]), [1.0, 2.5, 4.0, 2.5]);
        assert_eq!(ranks(&[5.0, 5.0, 5.0]), [2.0, 2.0, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert_eq!(ranks(&[7.0]), [1.0]);
    }

    #[test]
    fn holes_and_numbers_that_are_none_take_no_place() {
        let errors = [Some(3.0), None, Some(f64::NAN), Some(1.0), Some(f64::INFINITY)];
        assert_eq!(fractional_ranks(&errors), [Some(2.0), None, None, Some(1.0), None]);
        assert!(fractional_ranks(&[]).is_empty());
    }

    #[test]
    fn places_sum_to_the_triangular_number() {
        for n in 1..30_u32 {
            let errors: Vec<f64> = (0..n).map(|i| f64::from(i * i % 7)).collect();
            assert_eq!(ranks(&errors).iter().sum::<f64>(), f64::from(n * (n + 1) / 2));
        }
    }
}
