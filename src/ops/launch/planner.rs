//! Makes a plan, launch by launch: hands out memory and takes it back. Knows no operator and no device.

use crate::ops::launch::plan::{Arg, Buffer, Content, Launch, Plan, Span};

/// Threads of a block where an operator has no reason for another number; `THREADS` of kernels/common.cuh.
pub const THREADS: usize = 256;
/// Blocks along y and z that every device takes.
const MOST_BLOCKS: usize = 65_535;
/// Bytes of shared memory that a block of any kernel may have without asking for more.
const MOST_SHARED: u32 = 48 << 10;

/// How products of matrices are computed; sums and everything else are in f32 anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numerics {
    /// Without tensor cores.
    #[default]
    F32,
    /// On tensor cores, each operand as the sum of two: f32's accuracy, other last bits.
    Tf32x3,
    /// On tensor cores, operands rounded to 10 bits of mantissa.
    Tf32,
}

#[derive(Debug, Default)]
pub struct Planner {
    pub numerics: Numerics,
    plan: Plan,
    /// The first size that no kernel can take.
    too_large: Option<String>,
}

/// A launch under construction: parameters in the order of the kernel's signature.
#[must_use = "a launch counts once it is `run`"]
pub struct Call<'p> {
    planner: &'p mut Planner,
    launch: Launch,
}

impl Planner {
    pub fn new(numerics: Numerics) -> Planner {
        Planner { numerics, ..Planner::default() }
    }

    /// Memory that the caller fills or reads between runs.
    pub fn outside(&mut self, name: &'static str, words: usize) -> Span {
        self.buffer(name, words, Content::Outside)
    }

    /// A table that kernels read.
    pub fn table(&mut self, values: Vec<u32>) -> Span {
        let content = Content::Constant(values);
        let known = self.plan.buffers.iter().position(|b| b.content == content);
        let Content::Constant(values) = &content else { unreachable!("a table") };
        let length = values.len();
        match known {
            Some(buffer) => Span { buffer, start: 0, length },
            None => self.buffer("table", length, content),
        }
    }

    /// Memory that holds anything; `give` it back after the last launch that reads it.
    pub fn take(&mut self, name: &'static str, words: usize) -> Span {
        self.buffer(name, words, Content::Nothing)
    }

    /// Takes memory back: launches from here on may use it for something else.
    pub fn give(&mut self, span: Span) {
        let (now, buffer) = (self.plan.launches.len(), &mut self.plan.buffers[span.buffer]);
        if buffer.content == Content::Nothing {
            assert_eq!(buffer.live.end, usize::MAX, "{}: given back twice", buffer.name);
            buffer.live.end = now;
        }
    }

    fn buffer(&mut self, name: &'static str, words: usize, content: Content) -> Span {
        if i32::try_from(words).is_err() {
            self.refuse(name, words, "words");
        }
        let start = if content == Content::Nothing { self.plan.launches.len() } else { 0 };
        self.plan.buffers.push(Buffer { name, words, live: start..usize::MAX, content });
        Span { buffer: self.plan.buffers.len() - 1, start: 0, length: words }
    }

    /// A launch of `blocks` blocks along x, y and z with `threads` threads each.
    pub fn call(&mut self, kernel: &'static str, blocks: [usize; 3], threads: usize) -> Call<'_> {
        for (axis, count) in blocks.into_iter().enumerate() {
            if count > if axis == 0 { i32::MAX as usize } else { MOST_BLOCKS } {
                self.refuse(kernel, count, "blocks");
            }
        }
        let grid = blocks.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let threads = u32::try_from(threads).expect("threads of a block");
        Call { planner: self, launch: Launch { kernel, grid, threads, shared: 0, args: Vec::new(), moved: None } }
    }

    /// A launch with a thread for each of `count` values.
    pub fn each(&mut self, kernel: &'static str, count: usize) -> Call<'_> {
        self.call(kernel, [count.div_ceil(THREADS).max(1), 1, 1], THREADS)
    }

    fn refuse(&mut self, kernel: &str, size: usize, what: &str) {
        let text = || format!("{kernel}: {size} {what} are more than a kernel takes; a smaller batch was expected");
        self.too_large.get_or_insert_with(text);
    }

    /// Launches so far.
    pub fn count(&self) -> usize {
        self.plan.launches.len()
    }

    /// The finished plan. What was not given back lives to the end.
    ///
    /// Errors: a size beyond what kernels count with (31 bits).
    pub fn finish(mut self) -> Result<Plan, String> {
        if let Some(error) = self.too_large {
            return Err(error);
        }
        let count = self.plan.launches.len();
        for buffer in &mut self.plan.buffers {
            buffer.live.end = buffer.live.end.min(count);
        }
        Ok(self.plan)
    }
}

impl Call<'_> {
    /// An array that is read only.
    pub fn read(mut self, span: Span) -> Self {
        self.launch.args.push(Arg::In(span));
        self
    }

    /// An array that is read only, where there is one.
    pub fn read_if(mut self, span: Option<Span>) -> Self {
        self.launch.args.push(span.map_or(Arg::Null, Arg::In));
        self
    }

    /// An array of which every word is written.
    pub fn write(mut self, span: Span) -> Self {
        self.launch.args.push(Arg::Out(span));
        self
    }

    /// An array of which every word is written, where there is one.
    pub fn write_if(mut self, span: Option<Span>) -> Self {
        self.launch.args.push(span.map_or(Arg::Null, Arg::Out));
        self
    }

    /// An array that is read and written.
    pub fn update(mut self, span: Span) -> Self {
        self.launch.args.push(Arg::InOut(span));
        self
    }

    /// The place of a gradient and whether to add to it, as two parameters: pointer, int.
    pub fn sink(mut self, span: Span, add: bool) -> Self {
        self.launch.args.push(if add { Arg::InOut(span) } else { Arg::Out(span) });
        self.int(usize::from(add))
    }

    /// The same for a gradient that may not be asked for: null, 0.
    pub fn sink_if(mut self, sink: Option<(Span, bool)>) -> Self {
        match sink {
            Some((span, add)) => self.sink(span, add),
            None => {
                self.launch.args.push(Arg::Null);
                self.int(0)
            }
        }
    }

    pub fn int(mut self, value: usize) -> Self {
        let fits = i32::try_from(value).unwrap_or_else(|_| {
            self.planner.refuse(self.launch.kernel, value, "values");
            0
        });
        self.launch.args.push(Arg::Int(fits));
        self
    }

    pub fn ints<const N: usize>(self, values: [usize; N]) -> Self {
        values.into_iter().fold(self, Call::int)
    }

    pub fn unsigned(mut self, value: u32) -> Self {
        self.launch.args.push(Arg::Unsigned(value));
        self
    }

    pub fn float(mut self, value: f64) -> Self {
        self.launch.args.push(Arg::Float(value as f32));
        self
    }

    /// Dynamic shared memory, in words.
    pub fn shared(mut self, words: usize) -> Self {
        self.launch.shared = u32::try_from(4 * words).expect("shared memory of a block");
        self
    }

    /// Words read and written at least, where the launch touches parts of its arrays only.
    pub fn moves(mut self, read: usize, written: usize) -> Self {
        self.launch.moved = Some((read as u64, written as u64));
        self
    }

    /// Appends the launch to the plan.
    pub fn run(self) {
        if self.launch.shared > MOST_SHARED {
            let (kernel, bytes) = (self.launch.kernel, self.launch.shared);
            self.planner.too_large.get_or_insert_with(|| {
                format!(
                    "{kernel}: {bytes} bytes of shared memory are more than {MOST_SHARED}; fewer channels were expected"
                )
            });
        }
        let now = self.planner.plan.launches.len();
        for arg in &self.launch.args {
            if let Arg::In(span) | Arg::Out(span) | Arg::InOut(span) = arg {
                let buffer = &self.planner.plan.buffers[span.buffer];
                assert!(buffer.live.contains(&now), "{}: {} was given back", self.launch.kernel, buffer.name);
            }
        }
        self.planner.plan.launches.push(self.launch);
    }
}

#[cfg(test)]
mod tests {
    use super::Planner;

    #[test]
    fn traffic_counts_an_array_once_per_launch() {
        let mut planner = Planner::default();
        let (x, y) = (planner.outside("x", 10), planner.outside("y", 6));
        planner.each("k", 10).read(x).read(x).read(x.part(2..4)).update(y).read_if(None).int(3).run();
        planner.each("k", 10).read(x).write(y).moves(3, 1).run();
        let plan = planner.finish().unwrap();
        assert_eq!(plan.traffic(), (4 * (10 + 2 + 6 + 3), 4 * (6 + 1)));
        assert_eq!((plan.launches[0].grid, plan.launches[0].threads), ([1, 1, 1], 256));
    }

    #[test]
    #[should_panic(expected = "was given back")]
    fn memory_that_was_given_back_is_not_used() {
        let mut planner = Planner::default();
        let x = planner.take("x", 4);
        planner.give(x);
        planner.each("k", 4).read(x).run();
    }

    #[test]
    fn sizes_beyond_31_bits_are_an_error() {
        let mut planner = Planner::default();
        planner.each("k", 4).int(1 << 31).run();
        assert!(planner.finish().unwrap_err().contains("k: 2147483648 values"));
    }

    #[test]
    fn equal_tables_are_one() {
        let mut planner = Planner::default();
        let (a, b) = (planner.table(vec![1, 2]), planner.table(vec![1, 3]));
        assert_eq!(planner.table(vec![1, 2]), a);
        assert_ne!(a, b);
    }
}
