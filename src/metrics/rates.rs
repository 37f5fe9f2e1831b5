//! Rates of a two-class decision over pooled counts. Knows no threshold.

/// Counts of predictions: true or false, positive or negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    pub tp: u64,
    pub fp: u64,
    pub tn: u64,
    pub fn_: u64,
}

impl Confusion {
    pub fn add(&mut self, truth: bool, predicted: bool) {
        let count = match (truth, predicted) {
            (true, true) => &mut self.tp,
            (false, true) => &mut self.fp,
            (false, false) => &mut self.tn,
            (true, false) => &mut self.fn_,
        };
        *count += 1;
    }

    /// TP / (TP + FN); `None` without positives.
    pub fn tpr(&self) -> Option<f64> {
        share(self.tp, self.fn_)
    }

    /// FP / (FP + TN); `None` without negatives.
    pub fn fpr(&self) -> Option<f64> {
        share(self.fp, self.tn)
    }

    /// FN / (TP + FN), which is 1 − TPR; `None` without positives.
    pub fn fnr(&self) -> Option<f64> {
        share(self.fn_, self.tp)
    }
}

fn share(part: u64, rest: u64) -> Option<f64> {
    let all = part + rest;
    (all > 0).then(|| part as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn rates_of_a_hand_worked_case() {
        let mut counts = Confusion::default();
        assert_eq!([counts.tpr(), counts.fpr(), counts.fnr()], [None; 3]);
        for (truth, predicted) in
            [(true, true), (true, false), (true, true), (true, true), (false, true), (false, false)]
        {
            counts.add(truth, predicted);
        }
        assert_eq!(counts, Confusion { tp: 3, fp: 1, tn: 1, fn_: 1 });
        assert_eq!([counts.tpr(), counts.fpr(), counts.fnr()], [Some(0.75), Some(0.5), Some(0.25)]);
    }
}
