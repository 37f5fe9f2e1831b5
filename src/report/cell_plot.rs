//! The cells of an architecture as graphs: SVG for reports, DOT for whoever wants to lay them out anew. Knows no space.

use crate::artifacts::drawing::{CellEdge, CellGraph, Drawing};
use crate::report::svg::{Svg, coordinate};

const WIDTH: f64 = 780.0;
const MARGIN: f64 = 70.0;
/// Height of a cell with its title.
const CELL: f64 = 270.0;
const BOX: (f64, f64) = (56.0, 26.0);

/// All cells below each other.
pub fn svg(title: &str, drawing: &Drawing) -> Vec<u8> {
    let height = 44.0 + CELL * drawing.cells.len() as f64;
    let mut svg = Svg::new(WIDTH as u32, height as u32, title, &drawing.notation);
    svg.text(24.0, 26.0, &[("font-size", "15"), ("fill", "#111111")], title, &drawing.notation);
    for (at, cell) in drawing.cells.iter().enumerate() {
        draw(&mut svg, cell, 44.0 + CELL * at as f64);
    }
    svg.finish()
}

/// States from left to right, inputs above each other at the left; edges are arcs, longer ones higher.
fn draw(svg: &mut Svg, cell: &CellGraph, top: f64) {
    let own = cell.states.len() - cell.inputs;
    let middle = top + CELL * 0.55;
    let place = |state: usize| {
        if state < cell.inputs {
            let spread = if cell.inputs > 1 { 150.0 / (cell.inputs - 1) as f64 } else { 0.0 };
            (MARGIN, middle + spread * state as f64 - if cell.inputs > 1 { 75.0 } else { 0.0 })
        } else {
            (MARGIN + (WIDTH - 2.0 * MARGIN) * (state - cell.inputs + 1) as f64 / own as f64, middle)
        }
    };
    svg.text(24.0, top + 14.0, &[("font-size", "13"), ("fill", "#555555")], &format!("{} cell", cell.name), "");
    // edges between the same two states lie beside each other
    let side = |at: usize, edge: &CellEdge| {
        cell.edges[..at].iter().filter(|e| (e.from, e.to) == (edge.from, edge.to)).count() as f64
    };
    for (at, edge) in cell.edges.iter().enumerate() {
        let ((x1, y1), (x2, y2)) = (place(edge.from), place(edge.to));
        let (x1, x2) = (x1 + BOX.0 / 2.0, x2 - BOX.0 / 2.0);
        // inputs keep their height until they turn to the node, so that they pass over or below those between; nodes pass each
        // other below, on their way to the output above
        let steps = edge.to.saturating_sub(edge.from) as f64;
        let beside = 16.0 * side(at, edge);
        let control = if edge.from < cell.inputs {
            let away = if edge.from == 0 { -1.0 } else { 1.0 };
            (x1 + 0.7 * (x2 - x1), y1 + away * beside)
        } else {
            let down = if edge.label.is_empty() { -1.0 } else { 1.0 };
            ((x1 + x2) / 2.0, (y1 + y2) / 2.0 + down * (50.0 * (steps - 1.0) + beside))
        };
        let [a, b, c, d, e, f] = [x1, y1, control.0, control.1, x2, y2].map(coordinate);
        let stroke = if edge.label.is_empty() { "#bbbbbb" } else { "#0072b2" };
        let path = format!("M{a} {b} Q{c} {d} {e} {f}");
        svg.element("path", &[("d", &path), ("fill", "none"), ("stroke", stroke), ("stroke-width", "1.4")]);
        let tip = format!(
            "{e},{f} {},{} {},{}",
            coordinate(x2 - 7.0),
            coordinate(y2 - 3.5),
            coordinate(x2 - 7.0),
            coordinate(y2 + 3.5)
        );
        svg.element("polygon", &[("points", &tip), ("fill", stroke)]);
        if !edge.label.is_empty() {
            let on = (0.25 * x1 + 0.5 * control.0 + 0.25 * x2, 0.25 * y1 + 0.5 * control.1 + 0.25 * y2);
            let look = [("font-size", "10"), ("text-anchor", "middle"), ("fill", "#111111")];
            let halo = [look.as_slice(), &[("stroke", "#ffffff"), ("stroke-width", "3")]].concat();
            svg.text(on.0, on.1 - 2.0, &halo, &edge.label, "");
            svg.text(on.0, on.1 - 2.0, &look, &edge.label, "");
        }
    }
    for (state, name) in cell.states.iter().enumerate() {
        let (x, y) = place(state);
        let [left, up, width, height] = [x - BOX.0 / 2.0, y - BOX.1 / 2.0, BOX.0, BOX.1].map(coordinate);
        let fill = if state < cell.inputs || state + 1 == cell.states.len() { "#e8e8e8" } else { "#ffffff" };
        let shape = [("x", left.as_str()), ("y", &up), ("width", &width), ("height", &height), ("rx", "5")];
        svg.element("rect", &[shape.as_slice(), &[("fill", fill), ("stroke", "#333333")]].concat());
        svg.text(x, y + 4.0, &[("font-size", "12"), ("text-anchor", "middle")], name, "");
    }
}

/// For Graphviz, one cluster per cell.
pub fn dot(title: &str, drawing: &Drawing) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", quoted(title));
    for (number, cell) in drawing.cells.iter().enumerate() {
        out.push_str(&format!(
            "  subgraph cluster_{number} {{\n    label={};\n",
            quoted(&format!("{} cell", cell.name))
        ));
        for (state, name) in cell.states.iter().enumerate() {
            out.push_str(&format!("    s{number}_{state} [label={}];\n", quoted(name)));
        }
        for edge in &cell.edges {
            let label = if edge.label.is_empty() { String::new() } else { format!(" [label={}]", quoted(&edge.label)) };
            out.push_str(&format!("    s{number}_{} -> s{number}_{}{label};\n", edge.from, edge.to));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}
