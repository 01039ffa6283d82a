//! Rings: turns the pages that were read from the outbox into what is kept of them: the last ones, within a bound.

use crate::Batch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use terrane_store::Change;

/// Bytes of changes that are kept.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// What follows on a position up to another one.
#[derive(Debug)]
pub(crate) struct Block {
    /// Changes after this position,
    after: i64,
    /// up to this one,
    pub(crate) through: i64,
    /// by dataset.
    batches: BTreeMap<String, Arc<Batch>>,
    bytes: usize,
}

impl Block {
    /// The block of a page of changes of all datasets, which follow on `after`.
    pub(crate) fn new(after: i64, page: &[Change]) -> Self {
        let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
        for change in page {
            match batches.get_mut(&change.dataset) {
                Some(batch) => batch.push(change),
                None => {
                    batches.insert(change.dataset.clone(), Batch::new([change]));
                }
            }
        }
        let bytes = batches.values().map(Batch::bytes).sum();
        let through = page.last().map_or(after, |change| change.position);
        Self {
            after,
            through,
            batches: batches.into_iter().map(|(name, batch)| (name, Arc::new(batch))).collect(),
            bytes,
        }
    }

    /// Changes of `dataset` after `position`. Readers that are at the block's start share them.
    pub(crate) fn of(&self, dataset: &str, position: i64) -> Arc<Batch> {
        match self.batches.get(dataset) {
            Some(batch) if position <= self.after => Arc::clone(batch),
            Some(batch) => Arc::new(batch.after(position)),
            None => Arc::default(),
        }
    }
}

/// The last blocks, one after the other without a gap.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    blocks: VecDeque<Arc<Block>>,
    bytes: usize,
}

impl Ring {
    /// Append a block; the oldest go where there are too many bytes.
    pub(crate) fn push(&mut self, block: Block) {
        self.bytes += block.bytes;
        self.blocks.push_back(Arc::new(block));
        while self.bytes > KEPT_BYTES && self.blocks.len() > 1 {
            self.bytes -= self.blocks.pop_front().map_or(0, |old| old.bytes);
        }
    }

    /// Forget everything.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.bytes = 0;
    }

    /// The block with what follows on `position`; none where that is not kept.
    pub(crate) fn following(&self, position: i64) -> Option<Arc<Block>> {
        let first = self.blocks.front()?;
        if position < first.after {
            return None;
        }
        let index = self.blocks.partition_point(|block| block.through <= position);
        self.blocks.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(positions: &[i64], size: usize) -> Vec<Change> {
        let change = |&position: &i64| {
            let dataset = if position % 2 == 0 { "even" } else { "odd" }.to_owned();
            Change { position, dataset, json: format!("{position}{}", " ".repeat(size - 1)) }
        };
        positions.iter().map(change).collect()
    }

    #[test]
    fn what_follows_is_found_at_any_position_that_is_kept() {
        let mut ring = Ring::default();
        assert!(ring.following(0).is_none());
        ring.push(Block::new(10, &page(&[11, 12, 14], 1)));
        ring.push(Block::new(14, &page(&[15], 1)));
        assert!(ring.following(9).is_none(), "the changes after 9 are not kept");
        let at = |position, dataset| ring.following(position).map(|b| (b.of(dataset, position).json(), b.through));
        assert_eq!(at(10, "even"), Some(("[12,14]".to_owned(), 14)));
        assert_eq!(at(12, "even"), Some(("[14]".to_owned(), 14)));
        assert_eq!(at(11, "odd"), Some(("[]".to_owned(), 14)));
        assert_eq!(at(14, "odd"), Some(("[15]".to_owned(), 15)));
        assert_eq!(at(15, "odd"), None);
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_is_too_much() {
        let mut ring = Ring::default();
        let third = KEPT_BYTES / 3;
        for position in 1..=5 {
            ring.push(Block::new(position - 1, &page(&[position], third)));
        }
        assert!(ring.following(1).is_none());
        assert!(ring.following(2).is_some());
        assert!(ring.bytes <= KEPT_BYTES);
    }
}
