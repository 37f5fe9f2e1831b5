//! A list of launches and the memory that they use. Knows no operator, no device and no driver.

use std::ops::Range;

/// Bytes of a word, the unit of all sizes here: an `f32`, an `i32` or a `u32`.
pub const WORD: u64 = 4;

/// Part of a buffer, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub buffer: usize,
    pub start: usize,
    pub length: usize,
}

impl Span {
    /// Part of this span.
    ///
    /// Panics where the range lies outside.
    pub fn part(&self, range: Range<usize>) -> Span {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of a span of {}", self.length);
        Span { start: self.start + range.start, length: range.len(), ..*self }
    }
}

/// One parameter of a kernel, in the order of its signature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// A pointer to memory that is read only.
    In(Span),
    /// A pointer to memory of which every word is written, none is read before.
    Out(Span),
    /// A pointer to memory that is read and written.
    InOut(Span),
    /// A pointer to nothing: an optional array that is absent.
    Null,
    Int(i32),
    Unsigned(u32),
    Float(f32),
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The kernel's symbol.
    pub kernel: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block, along x.
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    pub args: Vec<Arg>,
    /// Words read and written at least, where that is less than all of the arrays that it is given.
    pub moved: Option<(u64, u64)>,
}

/// Where the values of a buffer come from before the first launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A launch writes them.
    Nothing,
    /// The caller writes and reads them between runs: inputs, parameters, results.
    Outside,
    /// The same in every run: tables of places and sizes.
    Constant(Vec<u32>),
}

/// Memory of the arena that serves one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub name: &'static str,
    pub words: usize,
    /// Launches during which it must keep its values; all of them unless its content is `Nothing`.
    pub live: Range<usize>,
    pub content: Content,
}

/// What a device executes, launch after launch, on one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub launches: Vec<Launch>,
    pub buffers: Vec<Buffer>,
}

impl Launch {
    /// Bytes read and bytes written if every value that is needed passes between memory and chip once: the floor.
    pub fn traffic(&self) -> (u64, u64) {
        if let Some((read, written)) = self.moved {
            return (WORD * read, WORD * written);
        }
        let words = |wanted: fn(&Arg) -> Option<Span>| {
            let mut spans: Vec<Span> = self.args.iter().filter_map(wanted).collect();
            spans.sort_by_key(|s| (s.buffer, s.start, s.length));
            spans.dedup();
            WORD * spans.iter().map(|s| s.length as u64).sum::<u64>()
        };
        let read = |arg: &Arg| match arg {
            Arg::In(span) | Arg::InOut(span) => Some(*span),
            _ => None,
        };
        let written = |arg: &Arg| match arg {
            Arg::Out(span) | Arg::InOut(span) => Some(*span),
            _ => None,
        };
        (words(read), words(written))
    }
}

impl Plan {
    /// Bytes read and bytes written by all launches, at least.
    pub fn traffic(&self) -> (u64, u64) {
        self.launches.iter().map(Launch::traffic).fold((0, 0), |(r, w), (read, written)| (r + read, w + written))
    }
}
