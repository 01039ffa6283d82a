//! Type references: turns the types that subgraphs give one field or argument into the one all of them fit.

use super::Merge;
use crate::schema::{At, SubgraphId, Ty};

/// Whether values come out of the place or go into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// A field: the merged type is the most general one.
    Output,
    /// An argument or input field: the merged type is the most specific one.
    Input,
}

impl Merge<'_> {
    /// The merged type, and whether all sources agree exactly. Reports `code` when no source's type fits all of them.
    pub fn reference(
        &mut self,
        coordinate: &str,
        position: Position,
        code: &'static str,
        sources: &[(SubgraphId, At, Ty)],
    ) -> (Ty, bool) {
        let first = sources[0].2;
        if sources.iter().all(|(.., ty)| *ty == first) {
            return (first, true);
        }
        let fits = |general: Ty, special: Ty| match position {
            Position::Output => {
                special.is_subtype(general, &|special, general| self.subtypes.contains(&(general, special)))
            }
            Position::Input => special.is_subtype(general, &|_, _| false),
        };
        let mut candidates = sources.iter().map(|(.., ty)| *ty);
        let found = candidates.find(|candidate| {
            sources.iter().all(|(.., other)| match position {
                Position::Output => fits(*candidate, *other),
                Position::Input => fits(*other, *candidate),
            })
        });
        let mut seen: Vec<String> = Vec::new();
        for (subgraph, _, ty) in sources {
            seen.push(format!("`{}` in [{}]", ty.print(self.names), self.subgraphs_name(*subgraph)));
        }
        if let Some(merged) = found {
            let (ty, seen) = (merged.print(self.names), seen.join(", "));
            let message = format!("`{coordinate}` is `{ty}`, which fits types that are not the same: {seen}");
            let code = match code {
                "FIELD_ARGUMENT_TYPE_MISMATCH" => "INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE",
                _ => "INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE",
            };
            let at: Vec<_> = sources.iter().map(|(subgraph, at, _)| (*subgraph, *at)).collect();
            self.report.warning(code, message, "this is fine if it is meant", &at);
            return (merged, false);
        }
        let message = format!("`{coordinate}` has types that don't fit together: {}", seen.join(", "));
        let at: Vec<_> = sources.iter().map(|(subgraph, at, _)| (*subgraph, *at)).collect();
        self.report.error(code, message, "give it the same type in all subgraphs", &at);
        (first, false)
    }

    /// The name of a subgraph for messages.
    pub fn subgraphs_name(&self, id: SubgraphId) -> &str {
        let at = self.subgraphs.binary_search_by_key(&id, |subgraph| subgraph.id);
        at.map_or("", |at| self.subgraphs[at].name.as_str())
    }
}
