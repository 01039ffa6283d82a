//! Unions: turns the member lists of one union in several subgraphs into all members together.

use super::{Merge, Source};
use crate::supergraph::MergedType;

impl Merge<'_> {
    /// Merges members; a member that only some subgraphs know is worth a warning.
    pub fn merge_union(&mut self, sources: &[Source<'_>], merged: &mut MergedType) {
        for (subgraph, ty) in sources {
            merged.members.extend(ty.members.iter().copied());
            merged.join_members.extend(ty.members.iter().map(|member| (subgraph.id, *member)));
        }
        for member in &merged.members {
            let without: Vec<&str> = sources
                .iter()
                .filter(|(_, ty)| !ty.members.contains(member))
                .map(|(subgraph, _)| subgraph.name.as_str())
                .collect();
            if !without.is_empty() {
                let message = format!(
                    "union `{}` has no member `{}` in [{}]",
                    &self.names[merged.name],
                    &self.names[*member],
                    without.join(", ")
                );
                let hint = "this is fine if these subgraphs never answer with that type";
                self.report.warning("INCONSISTENT_UNION_MEMBER", message, hint, &[]);
            }
        }
    }
}
