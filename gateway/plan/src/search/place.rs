//! Places: turns "in this subgraph, at this type" into what can be selected there.

use super::Search;
use crate::ids::{NodeId, SubgraphId, TypeId, TypeSet};
use crate::supergraph::FieldJoin;
use smallvec::SmallVec;

/// Field sets that `@provides` made available.
pub(crate) type Provided = SmallVec<[NodeId; 1]>;

/// Where a fetch stands: a subgraph, the type that the subgraph promises there, and what it provides beyond its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// None before the first fetch.
    pub subgraph: Option<SubgraphId>,
    pub local: TypeId,
    pub provided: Provided,
    /// The object types that may be there, where that is known better than by `local`.
    pub types: Option<TypeSet>,
}

/// A field that can be selected at a place.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub base: TypeId,
    pub provided: Provided,
}

impl Place {
    pub fn new(subgraph: SubgraphId, local: TypeId, provided: Provided) -> Self {
        Self { subgraph: Some(subgraph), local, provided, types: None }
    }
}

impl Search<'_> {
    /// Whether the subgraph can't tell the object types there: it sees an interface object.
    pub fn is_unknown(&self, place: &Place) -> bool {
        place.types.is_none() && place.subgraph.is_some_and(|s| self.graph.is_interface_object(place.local, s))
    }

    /// The object types that may be at a place; where they are unknown, the interface stands for them.
    pub fn atoms(&self, place: &Place) -> TypeSet {
        if self.is_unknown(place) {
            return TypeSet::one(place.local);
        }
        let possible = match place.subgraph {
            Some(s) => self.graph.join(place.local, s).map_or_else(TypeSet::default, |join| join.possible.clone()),
            None => self.graph.ty(place.local).possible.clone(),
        };
        match &place.types {
            Some(types) => types.and(&possible),
            None => possible,
        }
    }

    /// The atoms of a place that a want for `types` is about.
    pub fn wanted_atoms(&self, place: &Place, types: &TypeSet) -> TypeSet {
        let atoms = self.atoms(place);
        if self.is_unknown(place) { atoms } else { atoms.and(types) }
    }

    /// Whether a join counts under the active override labels.
    pub fn is_active(&self, join: &FieldJoin) -> bool {
        join.label.as_ref().is_none_or(|(label, wanted)| self.options.labels.contains(label) == *wanted)
    }

    /// How a field of `atom` can be selected at a place, if it can.
    pub fn local(&self, field: &str, atom: TypeId, place: &Place) -> Option<Local> {
        let subgraph = place.subgraph?;
        let id = self.graph.field_of(atom, field)?;
        let definition = self.graph.field(id);
        let via = (atom != place.local && self.graph.is_interface_object(place.local, subgraph)).then_some(place.local);
        let mut provided = self.provided_children(field, atom, &place.provided);
        let own = definition.joins.iter().find(|j| j.subgraph == subgraph && j.via == via && self.is_active(j));
        if let Some(join) = own.filter(|j| !j.external && j.requires.is_none() && j.contexts.is_empty()) {
            let mut below = provided.unwrap_or_default();
            below.extend(join.provides);
            return Some(Local { base: join.base, provided: below });
        }
        let below = provided.take()?;
        Some(Local { base: own.map_or(definition.base, |join| join.base), provided: below })
    }

    /// What is provided below a field, when the field itself is provided.
    fn provided_children(&self, field: &str, atom: TypeId, provided: &Provided) -> Option<Provided> {
        let mut below: Option<Provided> = None;
        for &set in provided {
            for slot in &self.graph.sets.node(set).slots {
                if slot.key == field && slot.types.contains(atom) {
                    below.get_or_insert_with(Provided::new).extend(slot.child);
                }
            }
        }
        below
    }
}
