//! What a report shows of one search. Knows no store.

use crate::artifacts::drawing::Drawing;
use crate::artifacts::search_log::SearchLog;

pub struct Searched {
    pub task: String,
    /// `<space>/<algorithm>`.
    pub method: String,
    pub seed: u64,
    /// `None` where nothing was trained.
    pub log: Option<SearchLog>,
    pub drawing: Option<Drawing>,
}

impl Searched {
    /// A file name without ending, its own among all searches of a run: `darcy-darts-gaea-0`.
    pub fn stem(&self) -> String {
        format!("{}-{}-{}", self.task, self.method.replace('/', "-"), self.seed)
    }

    pub fn title(&self) -> String {
        format!("{} on {}, seed {}", self.method, self.task, self.seed)
    }
}
