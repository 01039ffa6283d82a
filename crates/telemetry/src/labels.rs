//! Labels: turns names that come from outside into values of a metric's label, of which there are not too many.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Values of one label at most, as of the names of subgraphs.
const MOST_VALUES: usize = 200;

/// A label's value that comes from outside, such as a subgraph's name: the name, or `other` when this process has had too
/// many of them.
pub fn bounded(name: &str) -> String {
    static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(name) {
        return name.to_owned();
    }
    if known.len() >= MOST_VALUES {
        return "other".to_owned();
    }
    known.insert(name.to_owned());
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        let names: BTreeSet<String> =
            (0..2 * MOST_VALUES).map(|number| bounded(&format!("subgraph-{number}"))).collect();
        assert_eq!(names.len(), MOST_VALUES + 1);
        assert_eq!(bounded("subgraph-1"), "subgraph-1");
    }
}
