//! Places of buffers in one arena: buffers that never live at the same time may share memory. Knows no launch.

use crate::ops::launch::plan::Buffer;

/// Bytes to which every buffer is aligned: what CUDA's own allocations have.
const ALIGNMENT: usize = 256;

/// Offsets of buffers, in bytes, and the bytes of the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arena {
    pub offsets: Vec<usize>,
    pub bytes: usize,
}

impl Arena {
    /// Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020, §5.3): the largest
    /// first, each at the lowest place that no buffer living at the same time overlaps.
    pub fn new(buffers: &[Buffer]) -> Arena {
        let size = |b: &Buffer| (4 * b.words).next_multiple_of(ALIGNMENT);
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(size(&buffers[*i])));
        let (mut offsets, mut bytes) = (vec![0; buffers.len()], 0);
        let mut placed: Vec<usize> = Vec::new(); // by offset
        for i in order {
            let (own, live) = (size(&buffers[i]), &buffers[i].live);
            let mut at = 0;
            for other in &placed {
                let (start, range) = (offsets[*other], &buffers[*other].live);
                if range.start >= live.end || live.start >= range.end {
                    continue;
                }
                if at + own <= start {
                    break;
                }
                at = at.max(start + size(&buffers[*other]));
            }
            offsets[i] = at;
            bytes = bytes.max(at + own);
            let place = placed.partition_point(|other| offsets[*other] <= at);
            placed.insert(place, i);
        }
        Arena { offsets, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;
    use crate::ops::launch::plan::{Buffer, Content};

    #[test]
    fn buffers_share_memory_only_at_different_times() {
        let buffer = |words, live| Buffer { name: "", words, live, content: Content::Nothing };
        let buffers: Vec<Buffer> = (0..200)
            .map(|i| {
                let start = i * 7919 % 97;
                buffer(1 + i * 131 % 500, start..start + 1 + i * 31 % 13)
            })
            .collect();
        let arena = Arena::new(&buffers);
        let end = |i: usize| arena.offsets[i] + 4 * buffers[i].words;
        for i in 0..buffers.len() {
            assert!(end(i) <= arena.bytes && arena.offsets[i].is_multiple_of(256));
            for j in 0..i {
                let together =
                    buffers[i].live.start < buffers[j].live.end && buffers[j].live.start < buffers[i].live.end;
                let apart = end(i) <= arena.offsets[j] || end(j) <= arena.offsets[i];
                assert!(!together || apart, "{i} and {j} overlap");
            }
        }
        let at_once = |t: usize| buffers.iter().filter(|b| b.live.contains(&t)).map(|b| 4 * b.words).sum::<usize>();
        let floor = (0..120).map(at_once).max().unwrap();
        assert!(arena.bytes < floor * 3 / 2, "{} bytes where {floor} live at once", arena.bytes);
    }
}
