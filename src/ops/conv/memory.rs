//! Memory of the fast paths: aligned buffers, scratch that a thread keeps, and an output that several tasks write to at places
//! of their own. Knows no convolution.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

/// `f32` of a cache line; vectors that begin on one never straddle two.
const LINE: usize = 16;

/// Values that begin on a cache line.
#[derive(Default)]
pub struct Aligned {
    values: Vec<f32>,
}

impl Aligned {
    /// Zeros.
    pub fn zeros(len: usize) -> Aligned {
        Aligned { values: vec![0.0; len + LINE] }
    }

    fn start(&self) -> usize {
        self.values.as_ptr().align_offset(4 * LINE).min(self.values.len())
    }

    pub fn get(&self) -> &[f32] {
        let start = self.start();
        &self.values[start..start + self.values.len().saturating_sub(LINE)]
    }

    pub fn get_mut(&mut self) -> &mut [f32] {
        let (start, len) = (self.start(), self.values.len().saturating_sub(LINE));
        &mut self.values[start..start + len]
    }
}

thread_local! {
    static SCRATCH: RefCell<Aligned> = RefCell::default();
}

/// Calls `f` with pieces of these lengths, each on a cache line, holding anything. The thread keeps the memory for the next
/// call. `f` must not call this function again, nor start parallel work, which could.
pub fn with_scratch<const N: usize, R>(lengths: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        let lengths = lengths.map(|len| len.next_multiple_of(LINE));
        let total: usize = lengths.iter().sum();
        if scratch.get().len() < total {
            *scratch = Aligned::zeros(total);
        }
        let mut rest = scratch.get_mut();
        f(lengths.map(|len| {
            let (piece, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            piece
        }))
    })
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
