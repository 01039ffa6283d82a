//! Warming: turns the operations that one graph has prepared into those that the next one has ready when it takes over.

use crate::graph::Graph;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Operations at most; a swap does not wait longer for them than this.
const MOST: usize = 5_000;
const LONGEST: Duration = Duration::from_secs(2);

impl Graph {
    /// Prepare what `before` has prepared, for callers with the same claims on what they may see. What is no longer valid is
    /// left out: who asks for it is told why. How many there are.
    pub(crate) fn warm(&self, before: &Self) -> usize {
        let started = Instant::now();
        let decisions: FxHashMap<u64, _> = self.policy().decided_before(before.policy()).collect();
        let mut ready = 0;
        for (key, _) in before.programs().iter().take(MOST) {
            if started.elapsed() > LONGEST {
                break;
            }
            if let Some(access) = decisions.get(&key.access)
                && self.prepare_as(&key, Arc::clone(access))
            {
                ready += 1;
            }
        }
        ready
    }
}
