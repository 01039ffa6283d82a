//! Batches: turns consecutive changes of one dataset into the JSON array that a statement reads them from.

use terrane_store::Change;

/// Changes of one dataset, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Their positions, and where each one's JSON ends.
    ends: Vec<(i64, usize)>,
    /// The objects, with commas between them.
    text: String,
}

impl Batch {
    /// The batch of these changes.
    pub fn new<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Self {
        let mut batch = Self::default();
        for change in changes {
            batch.push(change);
        }
        batch
    }

    /// Append a change.
    pub fn push(&mut self, change: &Change) {
        if !self.ends.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&change.json);
        self.ends.push((change.position, self.text.len()));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Position of the first.
    pub fn first(&self) -> Option<i64> {
        self.ends.first().map(|(position, _)| *position)
    }

    /// Position of the last.
    pub fn last(&self) -> Option<i64> {
        self.ends.last().map(|(position, _)| *position)
    }

    /// Bytes of JSON.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// `[{"p":…},…]`
    pub fn json(&self) -> String {
        format!("[{}]", self.text)
    }

    /// Those after `position`.
    #[must_use]
    pub fn after(&self, position: i64) -> Self {
        let skipped = self.ends.partition_point(|(at, _)| *at <= position);
        let Some(last) = skipped.checked_sub(1) else { return self.clone() };
        if skipped == self.ends.len() {
            return Self::default();
        }
        let start = self.ends[last].1 + 1;
        let ends = self.ends[skipped..].iter().map(|(at, end)| (*at, end - start)).collect();
        Self { ends, text: self.text[start..].to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(position: i64) -> Change {
        Change { position, dataset: "d".to_owned(), json: format!("{{\"p\": {position}}}") }
    }

    #[test]
    fn what_follows_a_position_is_a_batch_of_its_own() {
        let batch = Batch::new(&[change(3), change(4), change(9)]);
        assert_eq!(batch.json(), r#"[{"p": 3},{"p": 4},{"p": 9}]"#);
        assert_eq!(batch.after(2), batch);
        assert_eq!(batch.after(4).json(), r#"[{"p": 9}]"#);
        assert_eq!(batch.after(3), Batch::new(&[change(4), change(9)]));
        assert!(batch.after(9).is_empty());
        assert_eq!((batch.first(), batch.last(), batch.after(3).len()), (Some(3), Some(9), 2));
    }
}
