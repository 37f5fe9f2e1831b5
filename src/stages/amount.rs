//! The settings that say how much data from where: fetch and preprocess share them. Knows no other setting.

use crate::data::counts::{COUNT_KEYS, EMBEDDED_TABLE, OFFICIAL_TABLE};
use crate::stages::entry::{Kind, Setting};

/// What `[task.NAME]` says of a user's own task.
fn task_settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    let share = Kind::Float { min: 0.0, max: 0.999 };
    vec![
        setting(
            "task.dimension",
            Kind::Count { min: 1 },
            "Your own task: 1 for signals and sequences, 2 for images and grids.",
        ),
        setting(
            "task.kind",
            Kind::Choice(&["point", "multi-label", "dense"]),
            "Your own task: one class per sample, several labels, or a value per position.",
        ),
        setting(
            "task.x",
            Kind::Text,
            "Your own task: inputs (N,C,L) or (N,C,H,W), without C where there is one channel; `file.npy`, `file.npz:array` or \
             `file.safetensors:array` in `dir`.",
        ),
        setting(
            "task.y",
            Kind::Text,
            "Your own task: targets of `x`: classes (N), labels 0 and 1 (N,labels), or fields (N,C,positions…).",
        ),
        setting(
            "task.validation_x",
            Kind::Text,
            "Your own task: inputs of the validation; without them a share of `x`.",
        ),
        setting("task.validation_y", Kind::Text, "Your own task: targets of `validation_x`."),
        setting("task.test_x", Kind::Text, "Your own task: inputs of the test; without them a share of `x`."),
        setting("task.test_y", Kind::Text, "Your own task: targets of `test_x`."),
        setting("task.channels_last", Kind::Bool, "Your own task: inputs lie as (N,L,C) or (N,H,W,C)."),
        setting(
            "task.normalise",
            Kind::Bool,
            "Your own task: bring each input channel to mean 0 and deviation 1 over the training rows (default true).",
        ),
        setting("task.validation_share", share, "Your own task: share of `x` drawn for validation (default 0.1)."),
        setting("task.test_share", share, "Your own task: share of `x` drawn for the test (default 0.2)."),
        setting("task.split_seed", Kind::Count { min: 0 }, "Your own task: another draw of the shares."),
        setting(
            "task.classes",
            Kind::Count { min: 1 },
            "Your own task: classes, if not one more than the largest label.",
        ),
        setting(
            "task.loss",
            Kind::Choice(&["cross-entropy", "binary-cross-entropy", "mean-squared-error", "relative-l2"]),
            "Your own task: the loss; each kind has a default.",
        ),
        setting(
            "task.metric",
            Kind::Choice(&[
                "top-1-error",
                "macro-f1",
                "mean-auroc",
                "mean-average-precision",
                "relative-l2",
                "mean-absolute-error",
                "mean-squared-error",
            ]),
            "Your own task: the reported score; each kind has a default.",
        ),
    ]
}

/// `data.source`, `data.size`, the counts and the task definition's tables of counts.
pub fn amount_settings() -> Vec<Setting> {
    let setting = |key, kind, doc| Setting { key, kind, doc, keyed: true };
    let mut all = vec![
        setting(
            "data.source",
            Kind::Choice(&["official", "embedded", "files"]),
            "Where raw data come from: the publishers, the embedded generator, or a folder of yours (`data.dir`).",
        ),
        setting("data.size", Kind::Choice(&["tiny", "small", "full"]), "How much the embedded generator makes."),
        setting(OFFICIAL_TABLE, Kind::Any, "The task definition's counts of the official files."),
        setting(EMBEDDED_TABLE, Kind::Any, "The task definition's counts of the embedded generator, by size."),
    ];
    all.extend(task_settings());
    all.extend(COUNT_KEYS.iter().map(|(_, key, doc)| setting(key, Kind::Count { min: 0 }, doc)));
    all
}
