//! How a wide residual network is written down. Knows no tensor and no setting.

use crate::artifacts::architecture::{ARCHITECTURE_FORMAT, Architecture};
use serde::{Deserialize, Serialize};

pub const SPACE: &str = "wrn";

/// What follows the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Head {
    /// Mean over the whole plane, then one linear layer.
    Global,
    /// Mean over the top left window of this side, then one linear layer.
    Corner { window: usize },
    /// One linear layer at each position, no pooling; all strides are 1.
    Positions,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrnArchitecture {
    /// 6·n + 4 with n blocks in each of the three groups.
    pub depth: usize,
    /// Channels of the groups are widen·width times 1, 2, 4.
    pub widen: usize,
    /// Channels of the first convolution.
    pub width: usize,
    pub head: Head,
}

impl WrnArchitecture {
    pub fn blocks(&self) -> usize {
        self.depth.saturating_sub(4) / 6
    }

    /// Channels of the first convolution and of the three groups.
    pub fn channels(&self) -> [usize; 4] {
        let wide = self.widen * self.width;
        [self.width, wide, 2 * wide, 4 * wide]
    }

    /// Stride of the first block of each group.
    pub fn strides(&self) -> [usize; 3] {
        if self.head == Head::Positions { [1, 1, 1] } else { [1, 2, 2] }
    }

    pub fn encode(&self) -> Result<Architecture, String> {
        let body = serde_json::to_value(self).map_err(|e| e.to_string())?;
        Ok(Architecture { format: ARCHITECTURE_FORMAT, space: SPACE.to_string(), body })
    }

    pub fn decode(architecture: &Architecture) -> Result<Self, String> {
        if architecture.space != SPACE {
            return Err(format!("an architecture of space `{SPACE}` was expected, found `{}`", architecture.space));
        }
        let found: Self = serde_json::from_value(architecture.body.clone()).map_err(|e| format!("{SPACE}: {e}"))?;
        let WrnArchitecture { depth, widen, width, .. } = found;
        if depth < 10 || depth % 6 != 4 || !(1..=64).contains(&widen) || !(1..=1024).contains(&width) {
            return Err(format!(
                "{SPACE}: depth 6n+4 of at least 10, widen 1–64 and width 1–1024 were expected, found {depth}, {widen}, {width}"
            ));
        }
        Ok(found)
    }
}
