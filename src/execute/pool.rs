//! Slots of one machine: CPU threads, memory, GPUs. Never oversubscribed, except that a node which wants more than
//! there is gets all of it, alone.

use crate::stages::entry::Resources;

/// What the machine, or `-j`, offers.
#[derive(Clone, Debug)]
pub struct Pool {
    total: Slots,
    free: Slots,
    running: usize,
}

/// What one node holds while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    pub threads: u32,
    pub memory_mib: u64,
    pub gpus: u32,
}

impl Pool {
    pub fn new(total: Slots) -> Self {
        Pool { total, free: total, running: 0 }
    }

    /// Takes slots for a node if they are free. `others` are further nodes that could start now: where there are
    /// fewer of them than free threads, the node gets its share of the idle ones (results do not depend on it).
    pub fn take(&mut self, wish: &Resources, others: usize) -> Option<Slots> {
        let want = Slots {
            threads: wish.threads.clamp(1, self.total.threads),
            memory_mib: wish.memory_mib.min(self.total.memory_mib),
            gpus: wish.gpus.min(self.total.gpus),
        };
        if want.threads > self.free.threads || want.memory_mib > self.free.memory_mib || want.gpus > self.free.gpus {
            return None;
        }
        let share = self.free.threads / (others as u32 + 1);
        let slots = Slots { threads: want.threads.max(share), ..want };
        self.free.threads -= slots.threads;
        self.free.memory_mib -= slots.memory_mib;
        self.free.gpus -= slots.gpus;
        self.running += 1;
        Some(slots)
    }

    pub fn give_back(&mut self, slots: Slots) {
        self.free.threads += slots.threads;
        self.free.memory_mib += slots.memory_mib;
        self.free.gpus += slots.gpus;
        self.running -= 1;
    }

    pub fn running(&self) -> usize {
        self.running
    }

    /// Nodes can start only while a thread is free.
    pub fn has_room(&self) -> bool {
        self.free.threads > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool, Slots};
    use crate::stages::entry::Resources;

    fn wish(threads: u32, memory_mib: u64) -> Resources {
        Resources { threads, memory_mib, gpus: 0, seconds: None }
    }

    #[test]
    fn never_gives_out_more_than_there_is() {
        let mut pool = Pool::new(Slots { threads: 4, memory_mib: 1000, gpus: 0 });
        let first = pool.take(&wish(1, 600), 9).unwrap();
        assert_eq!(first.threads, 1);
        assert!(pool.take(&wish(1, 600), 9).is_none(), "memory is short");
        let second = pool.take(&wish(9, 100), 0);
        assert!(second.is_none(), "wants all four threads, one is taken");
        pool.give_back(first);
        assert_eq!(pool.take(&wish(9, 5000), 0).unwrap(), Slots { threads: 4, memory_mib: 1000, gpus: 0 });
        assert!(!pool.has_room());
    }

    #[test]
    fn idle_threads_are_shared_out() {
        let mut pool = Pool::new(Slots { threads: 4, memory_mib: 1000, gpus: 0 });
        assert_eq!(pool.take(&wish(1, 1), 1).unwrap().threads, 2);
        assert_eq!(pool.take(&wish(1, 1), 0).unwrap().threads, 2);
    }
}
