//! Tables: turns answers of the judge into bits that are looked up per request.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A fixed list of (object, action) pairs that decisions are made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    pairs: Vec<(String, String)>,
    index: FxHashMap<String, Vec<(String, u32)>>,
}

impl Questions {
    /// The list of `pairs`; repeated ones count once.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Arc<Self> {
        let mut questions = Self::default();
        for (object, action) in pairs {
            if questions.position(&object, &action).is_none() {
                let position = questions.pairs.len() as u32;
                questions.index.entry(object.clone()).or_default().push((action.clone(), position));
                questions.pairs.push((object, action));
            }
        }
        Arc::new(questions)
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(object, action)| (object.as_str(), action.as_str()))
    }

    fn position(&self, object: &str, action: &str) -> Option<u32> {
        self.index.get(object)?.iter().find(|(a, _)| a == action).map(|(_, position)| *position)
    }
}

/// The answers to a list of questions for one role set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionTable {
    questions: Arc<Questions>,
    bits: Vec<u64>,
}

impl DecisionTable {
    /// Ask `judge` every question.
    pub(crate) fn build(questions: &Arc<Questions>, judge: impl Fn(&str, &str) -> bool) -> Self {
        let mut bits = vec![0u64; questions.pairs.len().div_ceil(64)];
        for (position, (object, action)) in questions.iter().enumerate() {
            if judge(object, action) {
                bits[position / 64] |= 1 << (position % 64);
            }
        }
        Self { questions: Arc::clone(questions), bits }
    }

    /// The answer to (object, action); no for what was never asked.
    pub fn allows(&self, object: &str, action: &str) -> bool {
        let Some(position) = self.questions.position(object, action) else { return false };
        self.bits[position as usize / 64] & (1 << (position % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_was_asked_and_denies_the_rest() {
        let questions = Questions::new((0..130).map(|i| (format!("o{i}"), "read".to_owned())));
        let table = DecisionTable::build(&questions, |object, _| object.ends_with('7'));
        assert!(table.allows("o7", "read") && table.allows("o127", "read"));
        assert!(!table.allows("o8", "read") && !table.allows("o7", "write") && !table.allows("x7", "read"));
    }
}
