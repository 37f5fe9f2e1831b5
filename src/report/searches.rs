//! What searches did and found: `searches.md`, curves of each, drawings of what each found. Computes nothing.

use crate::artifacts::search_log::SearchLog;
use crate::report::cell_plot;
use crate::report::entry::File;
use crate::report::number::DASH;
use crate::report::plot::{PANEL, Plot, WIDTH};
use crate::report::searched::Searched;
use crate::report::svg::Svg;

/// Name of the page.
pub const PAGE: &str = "searches.md";

/// Nothing where there are no searches; else the page, and per search `search-<stem>.svg` and `architecture-<stem>.svg`.
pub fn files(searches: &[Searched]) -> Vec<File> {
    if searches.is_empty() {
        return Vec::new();
    }
    let mut files = vec![(PAGE.to_string(), page(searches).into_bytes())];
    for search in searches {
        let stem = search.stem();
        if let Some(log) = &search.log {
            files.push((format!("search-{stem}.svg"), curves(search, log)));
        }
        if let Some(drawing) = &search.drawing {
            files.push((format!("architecture-{stem}.svg"), cell_plot::svg(&search.title(), drawing)));
        }
    }
    files
}

fn page(searches: &[Searched]) -> String {
    let mut out = "# Searches\n\nLosses are means of the last epoch; the entropy is that of the weights of primitives, in nats, mean over edges.\n\n\
        | task | method | seed | epochs | loss | architecture loss | entropy |\n|---|---|---:|---:|---:|---:|---:|\n"
        .to_string();
    let or_dash = |value: Option<f64>| value.map_or(DASH.to_string(), |v| format!("{v:.4}"));
    for search in searches {
        let last = search.log.as_ref().and_then(|log| log.epochs.last());
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            search.task,
            search.method,
            search.seed,
            search.log.as_ref().map_or(DASH.to_string(), |log| log.epochs.len().to_string()),
            or_dash(last.map(|e| e.loss)),
            or_dash(last.and_then(|e| e.architecture_loss)),
            or_dash(last.map(|e| e.entropy)),
        ));
    }
    for search in searches {
        let stem = search.stem();
        out.push_str(&format!("\n## {}\n", search.title()));
        if let Some(drawing) = &search.drawing {
            out.push_str(&format!("\n`{}`\n\n![what was found](architecture-{stem}.svg)\n", drawing.notation));
        }
        if search.log.is_some() {
            out.push_str(&format!("\n![the search](search-{stem}.svg)\n"));
        }
    }
    out
}

/// Losses, entropy, and the weights of primitives by cell type, over epochs.
fn curves(search: &Searched, log: &SearchLog) -> Vec<u8> {
    let over = |f: &dyn Fn(usize) -> Option<f64>| (0..log.epochs.len()).map(f).collect::<Vec<_>>();
    let mut plots = vec![
        Plot {
            title: "Loss, mean over the steps of an epoch",
            curves: vec![
                ("weights".to_string(), over(&|e| Some(log.epochs[e].loss))),
                ("architecture".to_string(), over(&|e| log.epochs[e].architecture_loss)),
            ],
        },
        Plot {
            title: "Entropy of the weights of primitives, nats",
            curves: vec![("entropy".to_string(), over(&|e| Some(log.epochs[e].entropy)))],
        },
    ];
    let cells: Vec<&str> =
        log.epochs.first().map_or(Vec::new(), |e| e.mixture.iter().map(|m| m.cell.as_str()).collect());
    let titles: Vec<String> =
        cells.iter().map(|cell| format!("Weights of primitives, {cell} cells, mean over edges")).collect();
    for (at, title) in titles.iter().enumerate() {
        let names = log.epochs[0].mixture[at].weights.iter().map(|(name, _)| name.clone());
        let weight = |e: usize, p: usize| log.epochs[e].mixture.get(at).and_then(|m| m.weights.get(p)).map(|w| w.1);
        let curves = names.enumerate().map(|(p, name)| (name, over(&|e| weight(e, p)))).collect();
        plots.push(Plot { title, curves });
    }
    let height = 44.0 + PANEL * plots.len() as f64;
    let title = search.title();
    let mut svg = Svg::new(
        WIDTH as u32,
        height as u32,
        &title,
        "Losses, entropy and weights of primitives over the epochs of a search.",
    );
    svg.text(24.0, 26.0, &[("font-size", "15"), ("fill", "#111111")], &title, "");
    for (at, plot) in plots.iter().enumerate() {
        plot.draw(&mut svg, 40.0 + PANEL * at as f64);
    }
    svg.finish()
}
