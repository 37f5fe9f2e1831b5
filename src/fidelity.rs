//! Where the published runs differ from their description: one switch per difference, with the value of either mode
//! of `run.fidelity`. No file that computes imports this: values arrive as parameters.

use serde_json::{Value, json};

pub struct Switch {
    /// Dotted key of the setting.
    pub key: &'static str,
    /// Value under `run.fidelity = "as-run"`.
    pub as_run: Preset,
    /// Value under `run.fidelity = "as-described"`.
    pub as_described: Preset,
    pub doc: &'static str,
    /// Where the difference is on record: upstream file and the register's number.
    pub origin: &'static str,
}

/// A value that can stand in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Bool(bool),
    Text(&'static str),
}

impl Preset {
    pub fn value(self) -> Value {
        match self {
            Preset::Bool(value) => json!(value),
            Preset::Text(value) => json!(value),
        }
    }
}

pub const SWITCHES: &[Switch] = &[
    Switch {
        key: "fidelity.point_shuffle",
        as_run: Preset::Bool(false),
        as_described: Preset::Bool(true),
        doc: "Shuffle the training samples of the wide residual network on 2D point tasks in each epoch.",
        origin: "tasks Q1; NB360:backbone/model_point.py builds its training loader without shuffling",
    },
    Switch {
        key: "fidelity.validation_augmented",
        as_run: Preset::Bool(true),
        as_described: Preset::Bool(false),
        doc: "Score the CIFAR-100 validation rows of the search split on augmented images.",
        origin: "tasks Q2; NB360:backbone/data_utils/load_data.py takes the validation subset from the augmented set",
    },
    Switch {
        key: "fidelity.wrn_spherical_head",
        as_run: Preset::Text("corner"),
        as_described: Preset::Text("global"),
        doc: "Pooling of a final plane of 8 to 15 per side other than 8×8: its top left 8×8 corner, or all of it.",
        origin: "methods §2.1; NB360:backbone/backbone_pt.py pools 15×15 with kernel and stride 8",
    },
    Switch {
        key: "fidelity.wrn_series_network",
        as_run: Preset::Text("resnet"),
        as_described: Preset::Text("wrn"),
        doc: "Network of space wrn on series: the residual network of three blocks that ran, or WRN-16-4 in one dimension.",
        origin: "methods §2.3, §6 no. 1; NB360:backbone_1d/backbone_1d.py",
    },
    Switch {
        key: "fidelity.darcy_batch_means",
        as_run: Preset::Bool(true),
        as_described: Preset::Bool(false),
        doc: "Report Darcy's relative L2 as the mean of batch means instead of the mean over samples.",
        origin: "tasks Q7; NB360:backbone/model_grid_original.py divides each batch by its own length",
    },
    Switch {
        key: "fidelity.psicov_shuffled_lengths",
        as_run: Preset::Bool(true),
        as_described: Preset::Bool(false),
        doc: "Score PSICOV's test proteins in a shuffled order against lengths in file order.",
        origin: "tasks Q9; NB360:backbone/model_grid_original.py shuffles the test loader",
    },
    Switch {
        key: "fidelity.cosmic_fixed_jitter",
        as_run: Preset::Bool(false),
        as_described: Preset::Bool(true),
        doc: "Add the same sky to each scored Cosmic stamp whatever the seed.",
        origin: "tasks Q12; NB360:backbone/data_utils/cosmic_dataset.py draws it anew at every access",
    },
    Switch {
        key: "fidelity.darts_norms",
        as_run: Preset::Text("last-batch"),
        as_described: Preset::Text("running"),
        doc: "What batch norms of derived DARTS networks keep for evaluation: the last batch's statistics, or a running average.",
        origin: "methods §4.7, §6 no. 14; NB360:darts/gaea/eval/operations.py has another framework's momentum 0.999 and eps 1e-3",
    },
    Switch {
        key: "fidelity.darts_first_frame",
        as_run: Preset::Text("dropped"),
        as_described: Preset::Text("kept"),
        doc: "DARTS networks see FSD50K's maps without their first frame, 96×100, or whole, 96×101.",
        origin: "tasks §6.6, Q6; NB360:darts/gaea/search/data_utils/audio_dataset.py",
    },
    Switch {
        key: "fidelity.dense_drop_path",
        as_run: Preset::Text("quarter"),
        as_described: Preset::Text("whole"),
        doc: "Drop-path of dense DARTS networks rises to a quarter of its rate, or to all of it.",
        origin: "methods §4.8, §6 no. 15; NB360:darts/gaea-dense divides by 600 epochs and trains 150",
    },
    Switch {
        key: "fidelity.gaea_mixing",
        as_run: Preset::Text("softmax"),
        as_described: Preset::Text("direct"),
        doc: "GAEA's parameters go through a softmax, with edges normalised together; or they are the weights, edges normalised per node.",
        origin: "methods §4.4, §6 no. 11; NB360:darts/gaea/search/model_search.py, optimizer.py",
    },
    Switch {
        key: "fidelity.gaea_warmup",
        as_run: Preset::Bool(true),
        as_described: Preset::Bool(false),
        doc: "Search with GAEA begins with epochs in which only weights move.",
        origin: "methods §4.3, §6 no. 12; NB360:darts/gaea/search/model_def.py",
    },
    Switch {
        key: "fidelity.search_order",
        as_run: Preset::Text("weights"),
        as_described: Preset::Text("architecture"),
        doc: "Which of its two steps a search takes first.",
        origin: "methods §4.4; NB360:darts/gaea/search/model_def.py, other than GAEA:cnn/architect/architect_edarts.py",
    },
    Switch {
        key: "fidelity.search_pairs",
        as_run: Preset::Text("fixed"),
        as_described: Preset::Text("fresh"),
        doc: "Each sample of the weights always meets the same one of the architecture, or another in each epoch.",
        origin: "methods §4.3, §6 no. 13; NB360:darts/gaea/search/data.py: workers keep the first pairing",
    },
    Switch {
        key: "fidelity.epoch_accounting",
        as_run: Preset::Text("batches"),
        as_described: Preset::Text("epochs"),
        doc: "Length of a training: floor(epochs · records per epoch / batch) steps, or whole passes of the loader.",
        origin: "methods §1.4; DET:master/pkg/model/length.go",
    },
];

#[cfg(test)]
mod tests {
    use super::SWITCHES;

    #[test]
    fn every_switch_changes_something_and_stands_once() {
        for (at, switch) in SWITCHES.iter().enumerate() {
            assert!(switch.key.starts_with("fidelity."));
            assert_ne!(switch.as_run, switch.as_described, "{}", switch.key);
            assert!(SWITCHES[..at].iter().all(|other| other.key != switch.key), "{} stands twice", switch.key);
        }
    }
}
