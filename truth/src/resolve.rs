//! Resolvers: turns a world into the monolith that knows everything, and into subgraphs that know only their part and
//! report whatever they are asked beyond it.

use crate::evaluate::{Resolve, arguments};
use crate::value::{Object, Raw, canonical};
use crate::world::{Field, FieldSet, GraphId, Kind, TypeId, World};
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use serde_json::{Map, Value};
use std::rc::Rc;
use std::sync::Mutex;

/// What resolvers of one execution share.
#[derive(Debug, Default)]
pub struct Log {
    /// How many mutation fields ran: their values depend on it, so their order shows.
    pub mutations: Mutex<u32>,
    /// What subgraphs were asked wrongly.
    pub faults: Mutex<Vec<String>>,
    /// The requests, for the reader of a failure.
    pub requests: Mutex<Vec<String>>,
}

impl Log {
    fn next_mutation(&self) -> u32 {
        let mut count = self.mutations.lock().expect("nothing panics while it is held");
        *count += 1;
        *count
    }

    /// Forget the execution.
    pub fn clear(&self) {
        *self.mutations.lock().expect("nothing panics while it is held") = 0;
        self.faults.lock().expect("nothing panics while it is held").clear();
        self.requests.lock().expect("nothing panics while it is held").clear();
    }
}

/// The whole graph in one server.
#[derive(Debug)]
pub struct Monolith<'a> {
    /// The world.
    pub world: &'a World,
    /// Its schema.
    pub schema: &'a Valid<Schema>,
    /// The execution.
    pub log: &'a Log,
}

impl Resolve for Monolith<'_> {
    fn resolve(&self, object: &Object, name: &str, args: &Map<String, Value>) -> Result<Raw, String> {
        let world = self.world;
        let own = world.field(object.ty, name).expect("the document is valid");
        let field = own.via.map_or(own, |face| world.field(face, name).expect("the interface has it"));
        let number = if object.ty == TypeId(1) { self.log.next_mutation() } else { object.number };
        let set = field.owners.values().next().map(|owner| &owner.requires);
        let required = set.into_iter().flatten().map(|(name, below)| self.required(object, name, below));
        let required: Vec<Value> = required.collect::<Result<_, _>>()?;
        world.value(field, number, args, &required, &world.runtime_types(field))
    }

    fn type_name(&self, object: &Object) -> &str {
        &self.world.ty(object.ty).name
    }
}

impl Monolith<'_> {
    fn required(&self, object: &Object, name: &str, below: &[String]) -> Result<Value, String> {
        let raw = self.resolve(object, name, &self.default_arguments(object.ty, name))?;
        // It is an answer of a subgraph first, and there a null that its type does not allow is an error.
        let field = self.world.field(object.ty, name).expect("the field set is valid");
        if has_forbidden_null(&raw, &field.ty.lists, field.ty.non_null) {
            return Err(format!("null for non-null {name}"));
        }
        self.required_value(&raw, below)
    }

    fn default_arguments(&self, ty: TypeId, name: &str) -> Map<String, Value> {
        let definition = self.schema.type_field(&self.world.ty(ty).name, name).expect("the schema has every field");
        arguments(self.schema, &definition.arguments, &[], &Map::new())
    }

    fn required_value(&self, raw: &Raw, below: &[String]) -> Result<Value, String> {
        Ok(match raw {
            Raw::Null => Value::Null,
            Raw::Leaf(value) => value.clone(),
            Raw::List(items) => items.iter().map(|item| self.required_value(item, below)).collect::<Result<_, _>>()?,
            Raw::Object(object) => {
                below.iter().map(|name| self.required(object, name, &[])).collect::<Result<Vec<_>, _>>()?.into()
            }
        })
    }
}

fn has_forbidden_null(raw: &Raw, lists: &[bool], non_null: bool) -> bool {
    match (raw, lists.split_first()) {
        (Raw::Null, Some((must, _))) => *must,
        (Raw::Null, None) => non_null,
        (Raw::List(items), Some((_, inner))) => items.iter().any(|item| has_forbidden_null(item, inner, non_null)),
        _ => false,
    }
}

/// One subgraph.
#[derive(Debug)]
pub struct Part<'a> {
    /// The world.
    pub world: &'a World,
    /// Which subgraph.
    pub graph: GraphId,
    /// The execution.
    pub log: &'a Log,
}

impl Resolve for Part<'_> {
    fn resolve(&self, object: &Object, name: &str, args: &Map<String, Value>) -> Result<Raw, String> {
        if object.ty == TypeId(0) && name == "_entities" {
            let representations = args.get("representations").and_then(Value::as_array);
            let entities = representations.into_iter().flatten().map(|one| self.entity(one));
            return Ok(Raw::List(entities.collect::<Result<_, _>>()?));
        }
        let field = self.world.field(object.ty, name).expect("the document is valid");
        let set = self.allowed(object, field)?;
        let required = set.map(|set| self.required(object, field, set)).transpose()?.unwrap_or_default();
        let number = if object.ty == TypeId(1) { self.log.next_mutation() } else { object.number };
        let types = self.world.runtime_types(field);
        let mut raw = self.world.value(field, number, args, &required, &types)?;
        let provides = field.owners.get(&self.graph).map(|owner| Rc::new(owner.provides.clone())).unwrap_or_default();
        let stands_for = field.ty.composite().filter(|ty| self.world.is_interface_object(*ty, Some(self.graph)));
        mark(&mut raw, &provides, stands_for);
        Ok(raw)
    }

    fn type_name(&self, object: &Object) -> &str {
        &self.world.ty(object.ty).name
    }
}

/// Says of the objects of a field what it provides, and as what the subgraph knows them.
fn mark(raw: &mut Raw, provides: &Rc<FieldSet>, stands_for: Option<TypeId>) {
    match raw {
        Raw::Object(object) => {
            object.provided = Rc::clone(provides);
            object.ty = stands_for.unwrap_or(object.ty);
        }
        Raw::List(items) => items.iter_mut().for_each(|item| mark(item, provides, stands_for)),
        Raw::Null | Raw::Leaf(_) => {}
    }
}

impl Part<'_> {
    fn fault<T>(&self, what: &str) -> Result<T, String> {
        let text = format!("subgraph g{}: {what}", self.graph.0);
        self.log.faults.lock().expect("nothing panics while it is held").push(text.clone());
        Err(text)
    }

    /// Whether the subgraph answers the field of this object, and if so what it requires for that.
    fn allowed<'f>(&self, object: &Object, field: &'f Field) -> Result<Option<&'f FieldSet>, String> {
        let moved = field.overridden.is_none_or(|(_, by_label)| !by_label || self.world.label);
        let owner = field.owners.get(&self.graph).filter(|_| moved);
        if let Some(owner) = owner {
            return Ok((!owner.requires.is_empty()).then_some(&owner.requires));
        }
        let kept = !moved && field.overridden.is_some_and(|(from, _)| from == self.graph);
        if kept || object.provided.iter().any(|(name, _)| *name == field.name) {
            return Ok(None);
        }
        self.fault(&format!("is asked for {}.{}, which it can't answer", self.world.ty(object.ty).name, field.name))
    }

    fn required(&self, object: &Object, field: &Field, set: &FieldSet) -> Result<Vec<Value>, String> {
        let values = set.iter().map(|(name, below)| {
            let value = object.representation.as_ref().and_then(|representation| representation.get(name));
            value.and_then(|value| canonical(value, below))
        });
        match values.collect::<Option<Vec<Value>>>() {
            Some(values) => Ok(values),
            None => self.fault(&format!("is asked for {} without what it requires", field.name)),
        }
    }

    fn entity(&self, representation: &Value) -> Result<Raw, String> {
        let name = representation.get("__typename").and_then(Value::as_str).unwrap_or_default();
        let Some(id) = self.world.named(name) else { return self.fault(&format!("knows no entity {representation}")) };
        let ty = self.world.ty(id);
        let Some(presence) = ty.graphs.get(&self.graph).filter(|presence| !presence.unresolvable) else {
            return self.fault(&format!("does not resolve {representation}"));
        };
        let mut numbers =
            presence.keys.iter().filter_map(|key| self.world.number_by(ty.keys[*key].text(), representation));
        let Some(number) = numbers.next() else { return self.fault(&format!("finds no key in {representation}")) };
        let concrete = self.world.type_of(number);
        let fits = concrete.is_some_and(|concrete| concrete == id || ty.members.contains(&concrete));
        if !fits || numbers.any(|other| other != number) {
            return self.fault(&format!("finds nothing for {representation}"));
        }
        let known_as = if ty.kind == Kind::Interface && !presence.interface_object { concrete } else { Some(id) };
        let mut object = Object::of(known_as.unwrap_or(id), number);
        object.representation = Some(Rc::new(representation.clone()));
        Ok(Raw::Object(object))
    }
}
