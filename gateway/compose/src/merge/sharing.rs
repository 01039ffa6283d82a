//! Sharing: checks that a field that several subgraphs answer is marked `@shareable` in each of them.

use super::Merge;
use super::fields::{FieldSource, Overridden};
use crate::names::Symbol;
use crate::schema::Kind;

impl Merge<'_> {
    /// Reports a field that is answered by several subgraphs without all of them saying that this is intended.
    pub fn check_sharing(&mut self, coordinate: &str, fields: &[FieldSource<'_>]) {
        let answering: Vec<&FieldSource<'_>> = fields
            .iter()
            .filter(|source| source.state == Overridden::No && !source.field.is_fully_external())
            .collect();
        let is_shared = |source: &FieldSource<'_>| source.field.shareable || shared_by_use(source, fields);
        if answering.len() < 2 || answering.iter().all(|source| is_shared(source)) {
            return;
        }
        let all: Vec<&str> = answering.iter().map(|source| source.subgraph.name.as_str()).collect();
        let unmarked: Vec<&FieldSource<'_>> = answering.into_iter().filter(|source| !is_shared(source)).collect();
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

/// Federation 1 let any subgraph answer a field, so whatever others have as well is shared.
fn shared_by_use(source: &FieldSource<'_>, all: &[FieldSource<'_>]) -> bool {
    let is_object = source.ty.kind == Kind::Object && source.ty.name != Symbol::SUBSCRIPTION;
    let others = || all.iter().filter(|other| other.ty.kind == Kind::Object && other.ty.name == source.ty.name).count();
    source.subgraph.is_fed1() && is_object && !source.field.external && others() > 1
}
