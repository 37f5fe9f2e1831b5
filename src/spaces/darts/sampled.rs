//! A genotype drawn uniformly, as random search over this space draws it (Li, Talwalkar, "Random search and reproducibility for
//! neural architecture search", UAI 2019; `liamcli/randomNAS_release` benchmarks/cnn/darts/darts_wrapper_discrete.py), but for
//! `none`, which no derived cell has. Knows no network.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::TaskShape;
use crate::seed::Stream;
use crate::spaces::darts::architecture::encode;
use crate::spaces::darts::choices::Choices;
use crate::spaces::darts::genotype::{Genotype, Pick, Primitive};

/// Of a cell, as published (methods spec §4.2).
const NODES: usize = 4;

/// Each node of both cell types reads two different states before it, each through one of the primitives (`none` is no choice),
/// all equally likely. The cell types are drawn for every task, those without reduction cells included.
pub fn draw(_shape: &TaskShape, names: Option<&[String]>, stream: &mut Stream) -> Result<Architecture, String> {
    let choices = Choices::read(names).map_err(|e| format!("space.darts.primitives: {e}"))?;
    let primitives: Vec<Primitive> = choices.primitives().map(|(_, primitive)| primitive).collect();
    let normal = cell(&primitives, stream);
    encode(&Genotype { normal, reduce: cell(&primitives, stream) })
}

fn cell(primitives: &[Primitive], stream: &mut Stream) -> Vec<Pick> {
    let mut picks = Vec::with_capacity(2 * NODES);
    for node in 0..NODES {
        let mut inputs = stream.permutation(node + 2);
        inputs.truncate(2);
        inputs.sort_unstable(); // the order of a node's picks means nothing
        for input in inputs {
            let primitive = primitives[stream.below(primitives.len() as u32) as usize];
            picks.push(Pick { primitive, input });
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::seed::Purpose;
    use crate::spaces::darts::architecture::decode;
    use crate::spaces::darts::genotype::{Pick, Primitive};
    use std::collections::BTreeMap;

    #[test]
    fn every_pick_of_a_node_is_as_likely_as_any_other() {
        let shape = TaskShape { channels: 1, spatial: vec![8], target: Target::Point { classes: 2 } };
        let purpose = Purpose::new(3, "search", "genotype");
        let draws = 4000;
        let mut seen = vec![BTreeMap::<(usize, usize), usize>::new(); 4];
        let mut found = Vec::new();
        for index in 0..draws {
            let genotype = decode(&draw(&shape, None, &mut purpose.at(index)).unwrap()).unwrap();
            assert_eq!((genotype.normal.len(), genotype.reduce.len()), (8, 8));
            for (node, pair) in genotype.normal.chunks(2).enumerate() {
                assert!(pair[0].input < pair[1].input && pair[1].input < node + 2, "{pair:?}");
                for Pick { primitive, input } in pair {
                    let number = Primitive::ALL.iter().position(|p| p == primitive).unwrap();
                    *seen[node].entry((number, *input)).or_default() += 1;
                }
            }
            found.push(genotype);
        }
        for (node, counts) in seen.iter().enumerate() {
            assert_eq!(counts.len(), 7 * (node + 2));
            let expected = 2.0 * draws as f64 / counts.len() as f64;
            // five standard deviations of a count
            let near = |count: &usize| (*count as f64 - expected).abs() < 5.0 * expected.sqrt();
            assert!(counts.values().all(near), "{expected}: {counts:?}");
        }
        assert!(found.iter().any(|g| g.normal != g.reduce) && found[0] != found[1]);
    }
}
