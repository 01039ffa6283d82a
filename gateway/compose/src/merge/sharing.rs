//! Sharing: checks that a field that several subgraphs answer is marked `@shareable` in each of them.

use super::Merge;
use super::fields::{FieldSource, Overridden};

impl Merge<'_> {
    /// Reports a field that is answered by several subgraphs without all of them saying that this is intended.
    pub fn check_sharing(&mut self, coordinate: &str, fields: &[FieldSource<'_>]) {
        let answering: Vec<&FieldSource<'_>> = fields
            .iter()
            .filter(|source| source.state == Overridden::No && !source.field.is_fully_external())
            .collect();
        if answering.len() < 2 || answering.iter().all(|source| source.field.shareable) {
            return;
        }
        let all: Vec<&str> = answering.iter().map(|source| source.subgraph.name.as_str()).collect();
        let unmarked: Vec<&FieldSource<'_>> = answering.into_iter().filter(|source| !source.field.shareable).collect();
        let names: Vec<&str> = unmarked.iter().map(|source| source.subgraph.name.as_str()).collect();
        let at: Vec<_> = unmarked.iter().map(|source| (source.subgraph.id, source.field.at)).collect();
        let message = format!(
            "`{coordinate}` is answered by [{}], but is not marked @shareable in [{}]",
            all.join(", "),
            names.join(", ")
        );
        let hint = "mark it @shareable in every subgraph if they all give the same answer, else keep it in one";
        self.report.error("INVALID_FIELD_SHARING", message, hint, &at);
    }
}
