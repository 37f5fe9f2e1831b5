//! The search network as a relaxation of the space, and what its architecture parameters stand for (methods spec §4.4, §4.5).
//! Knows no algorithm.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::dataset::{Target, TaskShape};
use crate::artifacts::search_log::Mixture;
use crate::nn::parameters::ParameterSet;
use crate::nn::supernet::Supernet;
use crate::ops::mixed_cell::Wanted;
use crate::spaces::contract::relaxed::{Half, Mixing, Relaxed, RelaxedParams, Rows};
use crate::spaces::darts::architecture::encode;
use crate::spaces::darts::choices::Choices;
use crate::spaces::darts::genotype::{Genotype, Pick, Primitive};
use crate::spaces::darts::supernet::SupernetShape;
use candle_core::{Tensor, Var};

/// Published width (methods spec §4.2).
const WIDTH: usize = 16;
/// States of a cell at most, inputs included, as the mixed cell takes them.
const NODES: usize = 4;

struct Cells {
    shape: SupernetShape,
    network: Supernet,
}

pub fn open(shape: &TaskShape, params: &RelaxedParams) -> Result<Box<dyn Relaxed>, String> {
    let (outputs, dense) = match shape.target {
        Target::Point { classes } => (classes, false),
        Target::MultiLabel { labels } => (labels, false),
        Target::Dense { channels } => (channels, true),
    };
    if !(1..=2).contains(&shape.spatial.len()) {
        return Err(format!("space darts takes series and planes, found {:?}", shape.spatial));
    }
    let width = params.width.unwrap_or(WIDTH);
    if params.partial == 0 || !width.is_multiple_of(params.partial) {
        return Err(format!(
            "network.width: a multiple of search.partial ({}) was expected, found {width}: a search sends one of so many channels through the primitives",
            params.partial
        ));
    }
    if !(1..=NODES).contains(&params.nodes) || params.cells == 0 {
        let (nodes, cells) = (params.nodes, params.cells);
        return Err(format!(
            "search.nodes, search.cells: 1 to {NODES} nodes and a cell or more were expected, found {nodes} and {cells}"
        ));
    }
    let shape = SupernetShape {
        channels: shape.channels,
        series: shape.spatial.len() == 1,
        dense,
        outputs,
        width,
        cells: params.cells,
        nodes: params.nodes,
        partial: params.partial,
        reductions: params.reductions,
        mixing: params.mixing,
        choices: Choices::read(params.primitives.as_deref()).map_err(|e| format!("space.darts.primitives: {e}"))?,
    };
    let network = shape.build(params.init, params.again).map_err(|e| e.to_string())?;
    Ok(Box::new(Cells { shape, network }))
}

impl Cells {
    /// Cell types that the network has: normal, and where it reduces, reduction.
    fn kinds(&self) -> usize {
        if self.shape.reducing() { 2 } else { 1 }
    }

    /// The weights of one cell type: of primitives, edge by edge, then of edges.
    fn mixed(&self, parameters: &[f32], kind: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let (edges, length) = (self.shape.edges(), self.shape.architecture());
        let values: Vec<f64> = parameters[kind * length..][..length].iter().map(|v| f64::from(*v)).collect();
        let row = self.shape.choices.row();
        let (alpha, beta) = values.split_at(edges * row);
        let mix = |row: &[f64]| match self.shape.mixing {
            Mixing::Softmax => softmax(row),
            Mixing::Direct => row.to_vec(),
        };
        let rows = alpha.chunks_exact(row).map(mix).collect();
        (rows, nodes(self.shape.nodes).flat_map(|edges| mix(&beta[edges])).collect())
    }

    /// Two edges per node by the largest weight of a primitive other than `none`, times the edge's; ties keep the lower input
    /// and the lower primitive.
    fn picks(&self, parameters: &[f32], kind: usize) -> Vec<Pick> {
        let (alpha, beta) = self.mixed(parameters, kind);
        let node = |edges: std::ops::Range<usize>| {
            let mut found: Vec<(f64, Pick)> = edges
                .clone()
                .enumerate()
                .map(|(input, edge)| {
                    let of = |(at, primitive)| (alpha[edge][at] * beta[edge], primitive);
                    let better =
                        |best: (f64, Primitive), next: (f64, Primitive)| if next.0 > best.0 { next } else { best };
                    let (weight, primitive) =
                        self.shape.choices.primitives().map(of).reduce(better).expect("a list has primitives");
                    (weight, Pick { primitive, input })
                })
                .collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable
            found.into_iter().take(2).map(|(_, pick)| pick).collect::<Vec<_>>()
        };
        nodes(self.shape.nodes).flat_map(node).collect()
    }
}

/// Incoming edges of each node.
fn nodes(nodes: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..nodes).scan(0, |start, n| {
        *start += n + 2;
        Some(*start - (n + 2)..*start)
    })
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|v| (v - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

impl Relaxed for Cells {
    fn weights(&self) -> &ParameterSet {
        self.network.parameters()
    }

    fn parameters(&self) -> &Var {
        self.network.architecture()
    }

    fn forward(&self, x: &Tensor, half: Half, step: u64) -> candle_core::Result<Tensor> {
        let wants = match half {
            Half::Weights => Wanted::Weights,
            Half::Architecture => Wanted::Architecture,
        };
        self.network.forward(x, wants, step)
    }

    fn rows(&self, joint: bool) -> Vec<Rows> {
        let (edges, length) = (self.shape.edges(), self.shape.architecture());
        let mut rows = Vec::new();
        for start in (0..self.kinds()).map(|kind| kind * length) {
            let width = self.shape.choices.row();
            let beta = start + edges * width;
            rows.push(Rows { range: start..beta, width, primitives: true });
            let mut of_edges = |range: std::ops::Range<usize>| {
                let width = range.len();
                rows.push(Rows { range: beta + range.start..beta + range.end, width, primitives: false });
            };
            if joint { of_edges(0..edges) } else { nodes(self.shape.nodes).for_each(of_edges) }
        }
        rows
    }

    fn architecture(&self, parameters: &[f32]) -> Result<Architecture, String> {
        encode(&Genotype { normal: self.picks(parameters, 0), reduce: self.picks(parameters, 1) })
    }

    fn entropy(&self, parameters: &[f32]) -> f64 {
        let rows: Vec<Vec<f64>> = (0..self.kinds()).flat_map(|kind| self.mixed(parameters, kind).0).collect();
        let of = |row: &Vec<f64>| -row.iter().filter(|w| **w > 0.0).map(|w| w * w.ln()).sum::<f64>();
        rows.iter().map(of).sum::<f64>() / rows.len() as f64
    }

    fn mixture(&self, parameters: &[f32]) -> Vec<Mixture> {
        let of = |kind: usize| {
            let rows = self.mixed(parameters, kind).0;
            let mean = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64;
            let names = self.shape.choices.names().into_iter();
            let cell = ["normal", "reduce"][kind].to_string();
            Mixture { cell, weights: names.enumerate().map(|(at, name)| (name, mean(at))).collect() }
        };
        (0..self.kinds()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::artifacts::dataset::{Target, TaskShape};
    use crate::seed::Purpose;
    use crate::spaces::contract::relaxed::{Mixing, Relaxed, RelaxedParams};
    use crate::spaces::darts::architecture::decode;
    use crate::spaces::darts::genotype::Genotype;

    fn relaxed(mixing: Mixing) -> Box<dyn Relaxed> {
        let shape = TaskShape { channels: 1, spatial: vec![8, 8], target: Target::Point { classes: 2 } };
        let init = Purpose::new(0, "test", "init");
        let (width, cells, nodes, partial) = (Some(4), 3, 4, 4);
        let params =
            RelaxedParams { width, cells, nodes, partial, reductions: true, mixing, primitives: None, again: 0, init };
        open(&shape, &params).unwrap()
    }

    #[test]
    fn an_untouched_cell_decodes_to_pools_of_its_inputs() {
        // methods §4.5, check
        for mixing in [Mixing::Softmax, Mixing::Direct] {
            let relaxed = relaxed(mixing);
            let start = relaxed.parameters().to_vec1::<f32>().unwrap();
            assert_eq!(start.len(), 252);
            let found = decode(&relaxed.architecture(&start).unwrap()).unwrap();
            let pools = "mp0 mp1 mp0 mp1 mp0 mp1 mp0 mp1";
            assert_eq!(found, Genotype::parse(pools, pools).unwrap());
            assert!((relaxed.entropy(&start) - 8f64.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn the_best_primitives_of_the_two_best_edges_are_kept_and_none_never_is() {
        let relaxed = relaxed(Mixing::Softmax);
        let mut values = vec![1f32; 252];
        values[0] = 9.0; // `none` on edge 0 counts for nothing, and takes weight from the others
        values[8 + 4] = 1.5; // sep_conv_3x3 on edge 1
        values[2 * 8 + 7] = 1.2; // dil_conv_5x5 on edge 2: node 1 from input 0
        values[4 * 8 + 3] = 1.4; // skip_connect on edge 4: node 1 from node 0
        values[112 + 3] = 3.0; // edge 3: node 1 from input 1
        let found = decode(&relaxed.architecture(&values).unwrap()).unwrap();
        assert_eq!(found.normal[..4], Genotype::parse("s31 mp0 mp1 sk2", "mp0 mp1").unwrap().normal[..]);
    }

    #[test]
    fn parameters_that_are_normalised_together_cover_what_is_read() {
        let relaxed = relaxed(Mixing::Softmax);
        let joint: Vec<_> = relaxed.rows(true).iter().map(|r| (r.range.clone(), r.width)).collect();
        assert_eq!(joint, [(0..112, 8), (112..126, 14), (126..238, 8), (238..252, 14)]);
        let nodes: Vec<_> = relaxed.rows(false).iter().map(|r| r.width).collect();
        assert_eq!(nodes, [8, 2, 3, 4, 5, 8, 2, 3, 4, 5]);
    }
}
