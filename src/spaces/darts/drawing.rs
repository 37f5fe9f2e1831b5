//! A genotype as people look at it. Knows no network.

use crate::artifacts::architecture::Architecture;
use crate::artifacts::drawing::{CellEdge, CellGraph, Drawing};
use crate::spaces::darts::architecture::decode;
use crate::spaces::darts::genotype::Pick;

/// The notation of the literature; states as its figures call them: `c_{k-2}`, `c_{k-1}`, the nodes from 0, `c_{k}`.
///
/// Errors: what `decode` refuses.
pub fn draw(architecture: &Architecture) -> Result<Drawing, String> {
    let genotype = decode(architecture)?;
    let cells = vec![cell("normal", &genotype.normal), cell("reduce", &genotype.reduce)];
    Ok(Drawing { notation: genotype.to_string(), cells })
}

/// Two edges into each node; all nodes meet in the output.
fn cell(name: &str, picks: &[Pick]) -> CellGraph {
    let nodes = picks.len() / 2;
    let mut states = vec!["c_{k-2}".to_string(), "c_{k-1}".to_string()];
    states.extend((0..nodes).map(|node| node.to_string()));
    states.push("c_{k}".to_string());
    let primitive =
        |(at, pick): (usize, &Pick)| CellEdge { from: pick.input, to: 2 + at / 2, label: pick.primitive.name() };
    let mut edges: Vec<CellEdge> = picks.iter().enumerate().map(primitive).collect();
    edges.extend((0..nodes).map(|node| CellEdge { from: 2 + node, to: 2 + nodes, label: String::new() }));
    CellGraph { name: name.to_string(), states, inputs: 2, edges }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::spaces::darts::architecture::encode;
    use crate::spaces::darts::genotype::Genotype;

    #[test]
    fn nodes_have_two_edges_and_meet_in_the_output() {
        let genotype = Genotype::parse("s30 sk1 d52 mp0", "mp0 mp1 sk2 sk0").unwrap();
        let drawing = draw(&encode(&genotype).unwrap()).unwrap();
        assert!(drawing.notation.starts_with("Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)"));
        let cell = &drawing.cells[0];
        assert_eq!((cell.name.as_str(), cell.states.len(), cell.inputs), ("normal", 5, 2));
        let edges: Vec<(usize, usize, &str)> = cell.edges.iter().map(|e| (e.from, e.to, e.label.as_str())).collect();
        let found = [(0, 2, "sep_conv_3x3"), (1, 2, "skip_connect"), (2, 3, "dil_conv_5x5"), (0, 3, "max_pool_3x3")];
        assert_eq!(edges[..4], found);
        assert_eq!(edges[4..], [(2, 4, ""), (3, 4, "")]);
    }
}
