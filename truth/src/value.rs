//! Values: turns a field of an object into what its resolver gives, the same for the monolith and every subgraph.

use crate::random::{hash, mix};
use crate::world::{Base, Field, FieldSet, Source, Ty, TypeId, World};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// An object as a resolver knows it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its number; 0 of a root.
    pub number: u32,
    /// Its object type, or the interface whose interface object it is.
    pub ty: TypeId,
    /// What the field that it came from provides.
    pub provided: Rc<FieldSet>,
    /// What it was asked by, as an entity.
    pub representation: Option<Rc<Value>>,
}

/// What a resolver gives.
#[derive(Debug, Clone)]
pub enum Raw {
    /// `null`
    Null,
    /// A scalar or enum value.
    Leaf(Value),
    /// An object.
    Object(Object),
    /// A list.
    List(Vec<Raw>),
}

impl Object {
    /// An object that nothing more is known of.
    pub fn of(ty: TypeId, number: u32) -> Self {
        Self { number, ty, provided: Rc::default(), representation: None }
    }
}

impl World {
    /// The value of a field.
    ///
    /// `required` is the canonical form ([`canonical`]) of what it requires; `types` the object types it may give.
    ///
    /// # Errors
    /// The message of the error that the resolver raises.
    pub fn value(
        &self,
        field: &Field,
        number: u32,
        args: &Map<String, Value>,
        required: &[Value],
        types: &[TypeId],
    ) -> Result<Raw, String> {
        if field.source == Source::Key {
            return Ok(self.key_value(&field.name, number));
        }
        let mut args: Vec<(&String, &Value)> = args.iter().collect();
        args.sort_by_key(|(name, _)| *name);
        let place = format!("{number} {} {args:?} {}", field.name, Value::from(required));
        let seed = mix(hash(self.seed, &place));
        if field.fails && seed % 6 == 0 {
            return Err(format!("{} of {number} fails", field.name));
        }
        Ok(self.make(field, &field.ty, 0, seed, types))
    }

    fn key_value(&self, name: &str, number: u32) -> Raw {
        Raw::Leaf(match name {
            "id" => json!(number.to_string()),
            "code" => json!(format!("c{number}")),
            "row" => json!(number / 5),
            "column" => json!(number % 5),
            _ => return Raw::Object(Object::of(self.named("Ref").expect("every world has it"), number)),
        })
    }

    fn make(&self, field: &Field, ty: &Ty, level: usize, seed: u64, types: &[TypeId]) -> Raw {
        let seed = mix(seed);
        let non_null = ty.lists.get(level).copied().unwrap_or(ty.non_null);
        let null = if non_null { field.fails && seed % 9 == 0 } else { seed % 7 == 0 };
        if null {
            return Raw::Null;
        }
        if level < ty.lists.len() {
            let length = (seed >> 8) % 4;
            return Raw::List((0..length).map(|i| self.make(field, ty, level + 1, seed ^ (i + 1), types)).collect());
        }
        let small = u32::try_from((seed >> 16) % 2000).expect("it is small");
        Raw::Leaf(match ty.base {
            Base::Int => json!(i64::from(small) - 1000),
            Base::Float => json!(f64::from(small) / 8.0),
            Base::String if small % 8 == 0 => json!(format!("s{small} é \"\\\n")),
            Base::String => json!(format!("s{small}")),
            Base::Boolean => json!(small % 2 == 0),
            Base::Id => json!(format!("i{small}")),
            Base::Color | Base::Range => json!(["RED", "GREEN", "BLUE"][small as usize % 3]),
            Base::Type(_) => {
                // Only shrinking makes worlds where a type stands for none.
                let Some(&of) = types.get(small as usize % types.len().max(1)) else { return Raw::Null };
                return Raw::Object(Object::of(of, self.number(of, small / 50)));
            }
        })
    }

    /// The number that a representation stands for by the given key field values; `None` when they are none of a key.
    pub fn number_by(&self, key: &str, representation: &Value) -> Option<u32> {
        let pair = |value: &Value| {
            let part = |name: &str| value.get(name).and_then(Value::as_u64).and_then(|part| u32::try_from(part).ok());
            Some(part("row")? * 5 + part("column")?)
        };
        match key {
            "id" => representation.get("id")?.as_str()?.parse().ok(),
            "code" => representation.get("code")?.as_str()?.strip_prefix('c')?.parse().ok(),
            "row column" => pair(representation),
            _ => pair(representation.get("ref")?),
        }
    }
}

/// A required value in the one form that it has, however it was selected.
pub fn canonical(value: &Value, below: &[String]) -> Option<Value> {
    match value {
        Value::Array(items) => items.iter().map(|item| canonical(item, below)).collect(),
        Value::Object(fields) => below.iter().map(|name| fields.get(name).cloned()).collect(),
        leaf => Some(leaf.clone()),
    }
}
