//! Selections: the form in which the planner sees selection sets, of operations and of field sets alike.

use crate::condition::Condition;
use crate::ids::{FieldId, GroupId, NodeId, TypeId, TypeSet};
use apollo_compiler::ast::{Argument, Type, Value};
use apollo_compiler::{Name, Node as Shared};

/// An arena of selection sets.
#[derive(Debug, Clone, Default)]
pub struct Selections {
    pub(crate) nodes: Vec<Node>,
}

/// The selection set at one response position. Its fields are the slots of the objects there.
#[derive(Debug, Clone)]
pub struct Node {
    /// The static type of the position in the supergraph.
    pub ty: TypeId,
    /// The object types that may be there.
    pub possible: TypeSet,
    /// The object types whose fields may be fetched: of a union, only those that every subgraph which could resolve the
    /// position knows as members, since which subgraph does is nobody's promise.
    pub fetchable: TypeSet,
    /// What is selected, and what the planner added (`internal`).
    pub slots: Vec<Slot>,
}

/// One value that objects at a selection set have: a field with its arguments, for some of the object types.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The response key of the client; for internal slots the field's name.
    pub key: Name,
    /// What it is.
    pub source: Source,
    /// The type on which it is selected.
    pub on: TypeId,
    /// The object types for which it is selected.
    pub types: TypeSet,
    /// When it is part of the response.
    pub condition: Condition,
    /// The field's arguments.
    pub arguments: Arguments,
    /// The selection set of its objects.
    pub child: Option<NodeId>,
    /// Added by the planner: fetched as input of another fetch, never part of the response.
    pub internal: bool,
    /// With what it is delivered.
    pub group: GroupId,
    /// The caller may not see it: it is not fetched, and its position gets an error.
    pub denied: bool,
    /// Position of its first occurrence: response keys are written in this order.
    pub order: u32,
    /// Object types for which it first occurs later than that, and where.
    pub later: Vec<(TypeSet, u32)>,
}

/// What fills a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// `__typename`.
    Typename,
    /// `__schema` or `__type`: the gateway answers.
    Introspection,
    /// A field.
    Field(FieldId),
}

/// The arguments of a field, sorted by name, with their text for comparison.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    pub(crate) text: String,
    pub(crate) values: Vec<Shared<Argument>>,
}

impl Arguments {
    /// Take over the arguments of a field.
    pub fn new(arguments: &[Shared<Argument>]) -> Self {
        if arguments.is_empty() {
            return Self::default();
        }
        let mut values = arguments.to_vec();
        values.sort_by(|a, b| a.name.cmp(&b.name));
        let texts: Vec<String> =
            values.iter().map(|a| format!("{}: {}", a.name, a.value.serialize().no_indent())).collect();
        Self { text: texts.join(", "), values }
    }

    /// The same, and further arguments that are variables.
    #[must_use]
    pub(crate) fn with_variables(&self, more: &[(Name, Name)]) -> Self {
        if more.is_empty() {
            return self.clone();
        }
        let mut values = self.values.clone();
        values.extend(more.iter().map(|(name, variable)| {
            Shared::new(Argument { name: name.clone(), value: Shared::new(Value::Variable(variable.clone())) })
        }));
        Self::new(&values)
    }

    /// The same with other variables for some arguments: by the argument's name, its variable and the new one.
    #[must_use]
    pub(crate) fn renamed(&self, names: &[(Name, Name, Name)]) -> Self {
        let mut values = self.values.clone();
        for argument in &mut values {
            let Value::Variable(old) = &*argument.value else { continue };
            let renamed = names.iter().find(|(name, from, _)| *name == argument.name && from == old);
            if let Some((_, _, new)) = renamed {
                let value = Shared::new(Value::Variable(new.clone()));
                *argument = Shared::new(Argument { name: argument.name.clone(), value });
            }
        }
        Self::new(&values)
    }

    /// `name: value, name: value`, or nothing.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Arguments {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Selections {
    /// One selection set.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// All selection sets, in the order of their ids.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId::new(self.nodes.len() - 1)
    }
}

impl Slot {
    /// The position of its first occurrence for objects of a type.
    pub fn order_for(&self, ty: TypeId) -> u32 {
        self.later.iter().find(|(types, _)| types.contains(ty)).map_or(self.order, |(_, order)| *order)
    }

    /// The field, unless it is a meta field.
    pub fn field(&self) -> Option<FieldId> {
        match self.source {
            Source::Field(field) => Some(field),
            Source::Typename | Source::Introspection => None,
        }
    }
}

/// How many lists are around the named type.
pub fn list_depth(ty: &Type) -> usize {
    match ty {
        Type::Named(_) | Type::NonNullNamed(_) => 0,
        Type::List(inner) | Type::NonNullList(inner) => 1 + list_depth(inner),
    }
}
