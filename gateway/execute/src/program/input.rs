//! Inputs: turns what representations and contexts hold into tables by which they are written.

use super::{condition_number, quoted};
use crate::copy::Piece;
use terrane_plan::{Condition, ContextInput, Input, Part, Supergraph, TypeSet};

/// The representations of objects of one type.
#[derive(Debug)]
pub(crate) struct InputCode {
    /// The object type; an interface where nobody told.
    pub atom: u32,
    /// The interface, where it stands for objects of any type that implements it.
    pub stands_for: Option<TypeSet>,
    /// `{"__typename":"Entity"`
    pub head: Piece,
    pub parts: Vec<PartCode>,
}

/// A field of a representation.
#[derive(Debug)]
pub(crate) struct PartCode {
    /// `"name":`
    pub prefix: Piece,
    pub slot: u32,
    /// The object types that have it.
    pub types: TypeSet,
    pub below: Vec<PartCode>,
    /// An object without it has no representation.
    pub key: bool,
    /// When it is there.
    pub condition: usize,
    /// The slots that have no value where it has none.
    pub guards: Vec<u32>,
    /// Its objects name their type.
    pub typename: bool,
}

/// A value that a fetch takes from an object above.
#[derive(Debug)]
pub(crate) struct ContextCode {
    pub sources: Vec<ContextSourceCode>,
    pub non_null: bool,
}

/// Where it is from.
#[derive(Debug)]
pub(crate) struct ContextSourceCode {
    pub up: usize,
    pub types: TypeSet,
    pub parts: Vec<PartCode>,
}

pub(super) fn input(graph: &Supergraph, input: &Input, conditions: &mut Vec<Condition>) -> InputCode {
    let mut head = b"{\"__typename\":".to_vec();
    head.extend_from_slice(&quoted(graph.type_name(input.entity)));
    let stands = input.atom == input.entity && graph.has_interface_object(input.atom);
    InputCode {
        atom: input.atom.0,
        stands_for: stands.then(|| graph.possible_types(input.atom).clone()),
        head: head.into(),
        parts: parts(&input.parts, conditions),
    }
}

pub(super) fn context(context: &ContextInput, conditions: &mut Vec<Condition>) -> ContextCode {
    let sources = context.sources.iter().map(|source| ContextSourceCode {
        up: source.up,
        types: source.types.clone(),
        parts: parts(&source.parts, conditions),
    });
    ContextCode { sources: sources.collect(), non_null: context.ty.is_non_null() }
}

fn parts(list: &[Part], conditions: &mut Vec<Condition>) -> Vec<PartCode> {
    let mut codes = Vec::with_capacity(list.len());
    for part in list {
        let mut prefix = quoted(&part.name).into_vec();
        prefix.push(b':');
        codes.push(PartCode {
            prefix: prefix.into(),
            slot: part.slot.0,
            types: part.types.clone(),
            below: parts(part.below.as_deref().unwrap_or_default(), conditions),
            key: part.key,
            condition: condition_number(conditions, &part.condition),
            guards: part.guards.iter().map(|slot| slot.0).collect(),
            typename: part.typename,
        });
    }
    codes
}
