//! How an architecture of this space is written down: its genotype. Knows no network.

use crate::artifacts::architecture::{ARCHITECTURE_FORMAT, Architecture};
use crate::spaces::darts::genotype::Genotype;

pub const SPACE: &str = "darts";

pub fn encode(genotype: &Genotype) -> Result<Architecture, String> {
    let body = serde_json::to_value(genotype).map_err(|e| e.to_string())?;
    Ok(Architecture { format: ARCHITECTURE_FORMAT, space: SPACE.to_string(), body })
}

/// Errors: another space's architecture, or a body that is no genotype.
pub fn decode(architecture: &Architecture) -> Result<Genotype, String> {
    if architecture.space != SPACE {
        return Err(format!("an architecture of space `{SPACE}` was expected, found `{}`", architecture.space));
    }
    let found: Genotype = serde_json::from_value(architecture.body.clone()).map_err(|e| format!("{SPACE}: {e}"))?;
    // the notation's reader checks counts and inputs
    Genotype::read(&found.to_string())
}
