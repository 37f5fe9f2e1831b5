//! Memory of the fast paths: aligned buffers, which a thread keeps for later, and an output that several tasks write to at places
//! of their own. Knows no convolution.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

/// `f32` of a cache line; vectors that begin on one never straddle two.
const LINE: usize = 16;

/// Buffers that a thread keeps for its next calls: as many as one call has at a time. Fresh memory costs a page fault for
/// every 4 KiB, a tenth of the time of a small convolution.
const SPARE: usize = 4;

thread_local! {
    static SPARES: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Values that begin on a cache line.
pub struct Aligned {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// They hold anything.
    pub fn new(len: usize) -> Aligned {
        let needed = len + LINE;
        let spare = SPARES.with_borrow_mut(|spares| {
            let fits = spares.iter().enumerate().filter(|(_, s)| s.len() >= needed);
            fits.min_by_key(|(_, s)| s.len()).map(|(i, _)| i).map(|i| spares.swap_remove(i))
        });
        let values = spare.unwrap_or_else(|| vec![0.0; needed]);
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Aligned { values, start, len }
    }

    pub fn get(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }

    pub fn get_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        // while a thread ends there is nothing to keep it in
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            spares.push(values);
            if spares.len() > SPARE {
                let least = spares.iter().enumerate().min_by_key(|(_, s)| s.len()).map_or(0, |(i, _)| i);
                spares.swap_remove(least);
            }
        });
    }
}

/// Calls `f` with pieces of these lengths, each on a cache line, holding anything.
pub fn with_scratch<const N: usize, R>(lengths: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let lengths = lengths.map(|len| len.next_multiple_of(LINE));
    let mut scratch = Aligned::new(lengths.iter().sum());
    let mut rest = scratch.get_mut();
    f(lengths.map(|len| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(len);
        rest = after;
        piece
    }))
}

/// An array that tasks write to side by side.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    start: *mut f32,
    len: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a unique borrow; `slice` leaves it to its callers that no two of them hold the same place.
unsafe impl Send for Places<'_> {}
// SAFETY: as above.
unsafe impl Sync for Places<'_> {}

impl<'a> Places<'a> {
    pub fn new(values: &'a mut [f32]) -> Self {
        Places { start: values.as_mut_ptr(), len: values.len(), borrowed: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The first value; what is written through it is the caller's responsibility.
    pub fn start(&self) -> *mut f32 {
        self.start
    }

    /// # Safety
    ///
    /// While the slice is in use nothing else uses any of its values.
    #[allow(clippy::mut_from_ref)] // that is what this type is for
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} lies outside of {} values", self.len);
        // SAFETY: inside the borrowed array, as asserted; alone, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
