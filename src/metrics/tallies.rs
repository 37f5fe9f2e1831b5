//! Scores of many labels, row by row as they come, and the means of their ranking measures. Knows no network.

use crate::metrics::auroc::auroc;
use crate::metrics::average_precision::average_precision;
use crate::metrics::defined::mean_of_defined;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Labels that are gathered together: 64 bytes of scores.
const BLOCK: usize = 16;

/// One row per sample. A logit takes four bytes, a label an eighth of one.
#[derive(Clone, Debug)]
pub struct LabelScores {
    labels: usize,
    /// Rows × labels, row-major.
    scores: Vec<f32>,
    /// Bits in the same order.
    positive: Vec<u64>,
}

impl LabelScores {
    pub fn new(labels: usize) -> Self {
        LabelScores { labels, scores: Vec::new(), positive: Vec::new() }
    }

    /// One sample: a logit (or anything that ranks alike) and a truth per label.
    pub fn add(&mut self, logits: &[f32], truth: &[bool]) {
        assert!(logits.len() == self.labels && truth.len() == self.labels, "a row has {} labels", self.labels);
        for (logit, truth) in logits.iter().zip(truth) {
            let at = self.scores.len();
            if at.is_multiple_of(64) {
                self.positive.push(0);
            }
            self.positive[at / 64] |= u64::from(*truth) << (at % 64);
            self.scores.push(*logit);
        }
    }

    /// How many samples came.
    pub fn rows(&self) -> usize {
        self.scores.len().checked_div(self.labels).unwrap_or(0)
    }

    /// Average precision of each label; `None` where it has no positive.
    pub fn average_precisions(&self) -> Vec<Option<f64>> {
        self.each(average_precision)
    }

    /// Area under the ROC curve of each label; `None` where it has only one class.
    pub fn aurocs(&self) -> Vec<Option<f64>> {
        self.each(auroc)
    }

    /// Unweighted mean over the labels that have a positive, and the number of others. NaN where no label has one, or a
    /// score is NaN.
    pub fn mean_average_precision(&self) -> (f64, usize) {
        mean_of_defined(&self.average_precisions())
    }

    /// Unweighted mean over the labels that have both classes, and the number of others. NaN where no label has them, or a
    /// score is NaN.
    pub fn mean_auroc(&self) -> (f64, usize) {
        mean_of_defined(&self.aurocs())
    }

    /// Labels are independent, and their results keep their order: the same for any number of threads.
    fn each(&self, measure: fn(&[f32], &[bool]) -> Option<f64>) -> Vec<Option<f64>> {
        // A block of labels is gathered at once: its scores of a row share a cache line.
        let starts: Vec<usize> = (0..self.labels).step_by(BLOCK).collect();
        let one = |start: usize| {
            let labels = start..self.labels.min(start + BLOCK);
            let column = |_| (Vec::with_capacity(self.rows()), Vec::with_capacity(self.rows()));
            let mut columns: Vec<(Vec<f32>, Vec<bool>)> = labels.map(column).collect();
            for row in 0..self.rows() {
                let at = row * self.labels + start;
                for (offset, (scores, positive)) in columns.iter_mut().enumerate() {
                    let at = at + offset;
                    scores.push(self.scores[at]);
                    positive.push(self.positive[at / 64] >> (at % 64) & 1 == 1);
                }
            }
            columns.into_iter().map(|(scores, positive)| measure(&scores, &positive)).collect::<Vec<_>>()
        };
        starts.into_par_iter().map(one).collect::<Vec<_>>().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::LabelScores;

    #[test]
    fn labels_without_a_class_are_skipped_and_counted() {
        let mut tally = LabelScores::new(3);
        tally.add(&[0.9, 0.1, 0.5], &[true, false, true]);
        tally.add(&[0.1, 0.2, 0.6], &[false, false, true]);
        assert_eq!(tally.rows(), 2);
        assert_eq!(tally.average_precisions(), [Some(1.0), None, Some(1.0)]);
        assert_eq!(tally.aurocs(), [Some(1.0), None, None]);
        assert_eq!(tally.mean_average_precision(), (1.0, 1));
        assert_eq!(tally.mean_auroc(), (1.0, 2));
    }

    #[test]
    fn a_score_that_is_no_number_breaks_the_mean() {
        let mut tally = LabelScores::new(2);
        tally.add(&[0.9, f32::NAN], &[true, false]);
        tally.add(&[0.1, 0.2], &[false, false]);
        assert!(tally.mean_average_precision().0.is_nan());
        assert!(tally.mean_auroc().0.is_nan());
        assert!(LabelScores::new(2).mean_auroc().0.is_nan());
    }

    #[test]
    fn bits_of_many_rows_keep_their_places() {
        let mut tally = LabelScores::new(5);
        let truth = |row: usize| std::array::from_fn::<bool, 5, _>(|label| (row * 7 + label * label).is_multiple_of(3));
        for row in 0..100 {
            let truth = truth(row);
            tally.add(&truth.map(|t| if t { 1.0 } else { -1.0 }), &truth);
        }
        assert_eq!(tally.mean_average_precision(), (1.0, 0));
        assert_eq!(tally.mean_auroc(), (1.0, 0));
    }
}
