//! Type joins: turns a type's subgraphs into what it is in each, kept for those only that have it.
//!
//! Most types are in a few of many subgraphs, so a place for every subgraph would take memory by the square of their
//! number.

use super::TypeJoin;
use crate::ids::SubgraphId;

/// What a type is in each of the subgraphs that have it, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeJoins(Vec<(SubgraphId, TypeJoin)>);

impl TypeJoins {
    /// The same plain join in each of `subgraphs` subgraphs.
    pub fn everywhere(subgraphs: usize) -> Self {
        Self((0..subgraphs).map(|index| (SubgraphId::new(index), TypeJoin::default())).collect())
    }

    /// What the type is in `subgraph`, if it is there.
    pub fn get(&self, subgraph: SubgraphId) -> Option<&TypeJoin> {
        let at = self.position(subgraph).ok()?;
        Some(&self.0[at].1)
    }

    /// What the type is in `subgraph`; made when it was not there so far.
    pub fn get_or_insert_with(&mut self, subgraph: SubgraphId, make: impl FnOnce() -> TypeJoin) -> &mut TypeJoin {
        let at = match self.position(subgraph) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (subgraph, make()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// The subgraphs that have the type, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SubgraphId, &TypeJoin)> {
        self.0.iter().map(|(subgraph, join)| (*subgraph, join))
    }

    /// What it is in each of them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut TypeJoin> {
        self.0.iter_mut().map(|(_, join)| join)
    }

    fn position(&self, subgraph: SubgraphId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&subgraph, |(other, _)| *other)
    }
}
