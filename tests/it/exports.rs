//! Story: what a search did and found, as a person looks at it: pages and figures of a report, event files for TensorBoard.

use nasperf_pipe::artifacts::search_log::{Mixture, SEARCH_FORMAT, SearchEpoch, SearchLog};
use nasperf_pipe::report::cell_plot::dot;
use nasperf_pipe::report::searched::Searched;
use nasperf_pipe::report::searches::files;
use nasperf_pipe::report::tensorboard::{Scalar, events};
use nasperf_pipe::spaces::darts::architecture::encode;
use nasperf_pipe::spaces::darts::drawing::draw;
use nasperf_pipe::spaces::darts::genotype::Genotype;
use serde_json::json;
use std::collections::BTreeMap;

fn search() -> Searched {
    let genotype = Genotype::parse("s30 sk1 d52 mp0", "mp0 mp1 sk2 sk0").unwrap();
    let epoch = |epoch: u64| SearchEpoch {
        epoch,
        learning_rate: 0.1,
        steps: 3,
        loss: 2.0 - epoch as f64 / 4.0,
        architecture_steps: epoch.min(1),
        architecture_loss: (epoch > 0).then_some(1.5),
        entropy: 2.0,
        mixture: vec![Mixture {
            cell: "normal".to_string(),
            weights: vec![("none".to_string(), 0.6), ("<skip>".to_string(), 0.4)],
        }],
        architecture: json!({}),
        parameters: vec![1.0; 2],
    };
    let log =
        SearchLog { format: SEARCH_FORMAT, steps: 9, samples: 3, weights: 1, epochs: (0..3).map(epoch).collect() };
    Searched {
        task: "darcy".to_string(),
        method: "darts/gaea".to_string(),
        seed: 4,
        log: Some(log),
        drawing: Some(draw(&encode(&genotype).unwrap()).unwrap()),
    }
}

#[test]
fn a_report_shows_each_search() {
    assert!(files(&[]).is_empty());
    let found: BTreeMap<String, String> =
        files(&[search()]).into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect();
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let stem = "darcy-darts-gaea-4";
    assert_eq!(names, [format!("architecture-{stem}.svg"), format!("search-{stem}.svg"), "searches.md".to_string()]);
    let page = &found["searches.md"];
    assert!(page.contains("| darcy | darts/gaea | 4 | 3 | 1.5000 | 1.5000 | 2.0000 |"), "{page}");
    assert!(page.contains("`Genotype(normal=[('sep_conv_3x3', 0),") && page.contains(&format!("](search-{stem}.svg)")));
    let curves = &found[&format!("search-{stem}.svg")];
    // two losses, entropy, two primitives; the loss of the architecture begins with the second epoch
    assert_eq!(curves.matches("<polyline").count(), 5);
    assert!(curves.contains("&lt;skip&gt;") && !curves.contains("NaN"));
    // two cells of two nodes: four edges with a primitive each, two to the output
    assert_eq!(found[&format!("architecture-{stem}.svg")].matches("<path").count(), 12);
}

#[test]
fn a_graph_names_its_primitives() {
    let text = dot("a \"b\"", search().drawing.as_ref().unwrap());
    assert!(text.starts_with("digraph \"a \\\"b\\\"\" {"));
    assert!(text.contains("s0_2 [label=\"0\"]") && text.contains("s0_2 -> s0_3 [label=\"dil_conv_5x5\"]"));
}

/// `tensorboard.summary.writer.record_writer.RecordWriter` of TensorBoard 2.21 with `Event(wall_time=0.0,
/// file_version="brain.Event:2")`, then `Event(wall_time=300.0, step=300, summary=Summary(value=[Summary.Value(tag="loss",
/// simple_value=0.5)]))`.
const WRITTEN: &str = "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc9851291b000000000000001a0d9e13090000000000c0724010ac022a0d0a0b0a046c6f7373150000003f27554a2e";

#[test]
fn event_files_are_those_of_tensorboards_own_writer() {
    let file = events(&[Scalar { tag: "loss".to_string(), step: 300, value: 0.5 }]);
    let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, WRITTEN);
}
