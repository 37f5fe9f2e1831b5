//! The setting by which networks of one space see fewer frames of a sound than others: declared by search, retrain and evaluate
//! alike. Knows no stage, no task and no space.

use crate::stages::canonical::{Gate, Reader};
use crate::stages::entry::{Kind, Setting};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstFrame {
    Dropped,
    Kept,
}

pub const FIRST_FRAME: Gate = Gate { key: "fidelity.darts_first_frame", reader: Reader::Both };

pub fn setting() -> Setting {
    Setting {
        key: FIRST_FRAME.key,
        kind: Kind::Choice(&["dropped", "kept"]),
        doc: "DARTS networks see FSD50K's maps without their first frame, 96×100, or whole, 96×101.",
        keyed: true,
    }
}
