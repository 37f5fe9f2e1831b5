//! The world of the embedded FSD50K data: leaf sounds, the nodes above them and what each leaf sounds like
//! (task specification §13.6). Knows no sample and no file.

use crate::data::synthetic::{Purpose, Stream};

const TASK: &str = "fsd50k";
/// Leaves and the nodes above them: 200 labels, as FSD50K has.
pub const LEAVES: usize = 144;
pub const NODES: usize = 56;
pub const LABELS: usize = LEAVES + NODES;
/// Kinds of sound; a leaf's is that of its parent, modulo this.
pub const FAMILIES: usize = 6;
const FAMILY_NAMES: [&str; FAMILIES] = ["tone", "hiss", "clicks", "chirp", "voice", "flutter"];

/// What a leaf sounds like.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    pub family: usize,
    /// Hz.
    pub pitch: f64,
    /// Seconds.
    pub decay: f64,
    /// Events per second.
    pub rate: f64,
    /// Octaves.
    pub bandwidth: f64,
    /// Harmonic h has amplitude h to the minus this.
    pub tilt: f64,
    /// Octaves up or down.
    pub sweep: f64,
    parent: usize,
}

/// Constants that all splits share.
#[derive(Clone, Debug)]
pub struct Taxonomy {
    pub leaves: Vec<Leaf>,
    /// The parent of some nodes.
    parents: Vec<Option<usize>>,
    /// Leaves from the most frequent to the least.
    ranking: Vec<usize>,
}

impl Taxonomy {
    pub fn new(seed: Option<u64>) -> Taxonomy {
        let leaf = |index: usize| {
            let mut stream = Stream::new(TASK, "world", Purpose::World, index as u64, seed);
            let parent = stream.below(NODES as u64) as usize;
            Leaf {
                family: parent % FAMILIES,
                pitch: 80.0 * 2f64.powf(stream.between(0.0, 5.5)),
                decay: 10f64.powf(stream.between(-1.6, 0.2)),
                rate: 10f64.powf(stream.between(0.3, 1.4)),
                bandwidth: stream.between(0.05, 0.7),
                tilt: stream.between(0.3, 1.6),
                sweep: if stream.below(2) == 0 { -1.5 } else { 1.5 },
                parent,
            }
        };
        let parent = |node: usize| {
            let mut stream = Stream::new(TASK, "world", Purpose::World, (LEAVES + node) as u64, seed);
            let own = stream.uniform() < 0.3;
            // only nodes before it, so that there is no cycle
            (own && node > 0).then(|| stream.below(node as u64) as usize)
        };
        let mut ranking: Vec<usize> = (0..LEAVES).collect();
        Stream::new(TASK, "world", Purpose::World, LABELS as u64, seed).shuffle(&mut ranking);
        Taxonomy { leaves: (0..LEAVES).map(leaf).collect(), parents: (0..NODES).map(parent).collect(), ranking }
    }

    /// A leaf with probability ∝ 1/(rank + 12).
    pub fn draw(&self, stream: &mut Stream) -> usize {
        let weight = |rank: usize| 1.0 / (rank as f64 + 12.0);
        let mut left = stream.uniform() * (0..LEAVES).map(weight).sum::<f64>();
        let rank = (0..LEAVES).find(|rank| {
            left -= weight(*rank);
            left < 0.0
        });
        self.ranking[rank.unwrap_or(LEAVES - 1)]
    }

    /// Labels of a leaf: itself, its parent and what lies above; leaves come first, then nodes.
    pub fn labels(&self, leaf: usize) -> Vec<usize> {
        let mut labels = vec![leaf];
        let mut above = Some(self.leaves[leaf].parent);
        while let Some(node) = above {
            labels.push(LEAVES + node);
            above = self.parents[node];
        }
        labels
    }

    /// The names of all labels, in their order.
    pub fn names(&self) -> Vec<String> {
        let leaves = self.leaves.iter().enumerate().map(|(at, leaf)| format!("{}_{at}", FAMILY_NAMES[leaf.family]));
        leaves.chain((0..NODES).map(|node| format!("group_{node}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{LABELS, LEAVES, Taxonomy};
    use crate::data::synthetic::{Purpose, Stream};

    #[test]
    fn labels_lead_upward_and_the_prior_is_unequal() {
        let taxonomy = Taxonomy::new(None);
        let mut names = taxonomy.names();
        assert_eq!(names.len(), LABELS);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), LABELS);
        let above = taxonomy.parents.iter().filter(|p| p.is_some()).count();
        assert!((8..28).contains(&above), "{above}");
        for leaf in 0..LEAVES {
            let labels = taxonomy.labels(leaf);
            let nodes = labels[1..].iter().all(|l| (LEAVES..LABELS).contains(l));
            assert!(labels[0] == leaf && labels.len() >= 2 && nodes);
        }
        let mut stream = Stream::new("fsd50k", "test", Purpose::Label, 0, None);
        let mut counts = vec![0; LEAVES];
        (0..20_000).for_each(|_| counts[taxonomy.draw(&mut stream)] += 1);
        let (first, last) = (counts[taxonomy.ranking[0]], counts[taxonomy.ranking[LEAVES - 1]]);
        // 155 / 12 times as often
        assert!(first > 8 * last && last > 10, "{first} {last}");
        assert_ne!(Taxonomy::new(Some(1)).leaves, taxonomy.leaves);
    }
}
