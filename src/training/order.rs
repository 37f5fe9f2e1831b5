//! Which samples form the batch of a step. Knows no sample.

use crate::seed::Purpose;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub samples: usize,
    pub batch: usize,
    /// A fresh order in each epoch; otherwise the order of the file in all of them.
    pub shuffle: bool,
    /// Leave an incomplete last batch out (kept where it is the only one).
    pub drop_last: bool,
}

impl Order {
    /// Batches of one pass through the loader; at least 1.
    pub fn batches(&self) -> u64 {
        let full = self.samples / self.batch;
        let all = self.samples.div_ceil(self.batch);
        (if self.drop_last { full } else { all }).max(1) as u64
    }

    /// Steps of a training: whole passes of the loader, or floor(epochs · records / batch), at least one; `records` are the samples
    /// where it is `None` (`DET:master/pkg/model/length.go`, methods spec §1.4).
    pub fn steps(&self, epochs: u64, whole_epochs: bool, records: Option<u64>) -> u64 {
        if whole_epochs {
            return epochs.saturating_mul(self.batches());
        }
        (epochs.saturating_mul(records.unwrap_or(self.samples as u64)) / self.batch as u64).max(1)
    }

    /// All sample numbers in the order of this epoch.
    pub fn epoch(&self, purpose: Purpose, epoch: u64) -> Vec<usize> {
        if self.shuffle { purpose.at(epoch).permutation(self.samples) } else { (0..self.samples).collect() }
    }

    /// The part of an epoch's order that its `index`-th batch takes.
    pub fn slice<'a>(&self, epoch: &'a [usize], index: u64) -> &'a [usize] {
        let start = index as usize * self.batch;
        &epoch[start..(start + self.batch).min(epoch.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::seed::Purpose;

    #[test]
    fn every_sample_comes_once_per_epoch() {
        let purpose = Purpose::new(0, "test", "order");
        let order = Order { samples: 10, batch: 4, shuffle: true, drop_last: false };
        assert_eq!(order.batches(), 3);
        let (first, second) = (order.epoch(purpose, 0), order.epoch(purpose, 1));
        assert_ne!(first, second);
        let mut seen: Vec<usize> = (0..3).flat_map(|b| order.slice(&first, b).to_vec()).collect();
        assert_eq!(order.slice(&first, 2).len(), 2);
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn unshuffled_orders_are_the_files_and_the_last_batch_may_go() {
        let order = Order { samples: 10, batch: 4, shuffle: false, drop_last: true };
        assert_eq!((order.batches(), order.epoch(Purpose::new(0, "", ""), 5)[9]), (2, 9));
        assert_eq!(Order { samples: 3, ..order }.batches(), 1);
    }
}
