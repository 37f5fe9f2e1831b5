//! Large arrays that are used again. A training step allocates the same sizes over and over; fresh pages from the system
//! cost more than the arithmetic on them. Knows no operator.

use num_traits::Zero;
use std::sync::Mutex;

/// Arrays of one kind of number, oldest first.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<Vec<T>>>);

pub static SINGLE: Pool<f32> = Pool(Mutex::new(Vec::new()));
pub static DOUBLE: Pool<f64> = Pool(Mutex::new(Vec::new()));

/// Smaller arrays are left to the allocator.
const SMALLEST: usize = 1 << 12;

impl<T: Copy + Zero> Pool<T> {
    /// An array of this length that holds anything, often the numbers of an earlier use.
    pub fn take(&self, length: usize) -> Vec<T> {
        let mut arrays = self.0.lock().expect("no panic while locked");
        // the tightest fit; a much larger one would keep memory from those that need it
        let fits = arrays.iter().enumerate().filter(|(_, a)| a.capacity() >= length && a.capacity() / 2 <= length);
        let best = fits.min_by_key(|(_, a)| a.capacity()).map(|(at, _)| at);
        let mut array = best.map(|at| arrays.swap_remove(at)).unwrap_or_default();
        drop(arrays);
        array.resize(length, T::zero());
        array
    }

    pub fn give(&self, array: Vec<T>) {
        if array.capacity() >= SMALLEST {
            self.0.lock().expect("no panic while locked").push(array);
        }
    }

    /// Gives all memory back to the system.
    pub fn clear(&self) {
        self.0.lock().expect("no panic while locked").clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use std::sync::Mutex;

    #[test]
    fn the_tightest_array_comes_back() {
        let pool = Pool(Mutex::new(Vec::new()));
        let (small, large) = (vec![1f32; 5000], vec![2f32; 9000]);
        let (small_at, large_at) = (small.as_ptr(), large.as_ptr());
        pool.give(large);
        pool.give(small);
        pool.give(vec![3.0; 8]); // not worth keeping
        let again = pool.take(4900);
        assert!(again.as_ptr() == small_at && again.len() == 4900 && again.iter().all(|v| *v == 1.0));
        let fresh = pool.take(4000); // the other one is more than twice as long: left for those who need it
        assert_ne!(fresh.as_ptr(), large_at);
        let again = pool.take(9000);
        assert!(again.as_ptr() == large_at && again.len() == 9000);
    }
}
