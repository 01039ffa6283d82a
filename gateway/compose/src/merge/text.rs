//! Descriptions: turns the descriptions of one element in several subgraphs into the one most of them have.

use super::{Merge, by_frequency};
use std::sync::Arc;

impl Merge<'_> {
    /// The most frequent description; a warning when there are several.
    pub fn description<'d>(
        &mut self,
        coordinate: &str,
        all: impl Iterator<Item = Option<&'d Arc<str>>>,
    ) -> Option<Arc<str>> {
        let mut first: Option<&Arc<str>> = None;
        let mut rest = Vec::new();
        for description in all.flatten() {
            match first {
                None => first = Some(description),
                Some(one) if one.trim() == description.trim() && rest.is_empty() => {}
                Some(_) => rest.push(description),
            }
        }
        let first = first?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let counted = by_frequency(std::iter::once(first).chain(rest).map(|text| text.trim().to_owned()));
        let message = format!("`{coordinate}` has {} different descriptions", counted.len());
        let hint = "agree on one; the most frequent is used";
        self.report.warning("INCONSISTENT_DESCRIPTION", message, hint, &[]);
        counted.first().map(|(text, _)| Arc::from(text.as_str()))
    }
}
