//! Time as displays see it: how long since some fixed instant. Knows no date.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gives the time since it was made; it never goes back. Tests give their own.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

pub fn monotonic() -> Clock {
    let start = Instant::now();
    Arc::new(move || start.elapsed())
}
