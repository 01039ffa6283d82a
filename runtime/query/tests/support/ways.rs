//! Ways: turns a schema into every way in which an operation can use a field of it: each leaf selected, each key looked up,
//! each part of each argument given. They are read from the schema, so that a new way of use is not forgotten.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses a part of it; a test may panic

use apollo_compiler::Schema;
use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An operation, and what it tries.
#[derive(Debug, Clone)]
pub struct Way {
    pub label: String,
    pub text: String,
    pub variables: Map<String, Value>,
}

/// Values to try for a scalar: the first is of a row that is there.
pub trait Guesses {
    fn of(&self, scalar: &str) -> Vec<Value>;

    /// Values to try for an enum that has `values`.
    fn of_enum(&self, values: Vec<Value>) -> Vec<Value> {
        values
    }
}

/// Root fields that are no data.
const OTHERS: &[&str] = &["product", "_service", "_entities"];
/// Fields on a path below the root.
const MAX_PATH: usize = 6;

/// Every way of use of `sdl` (the full schema).
pub fn ways(sdl: &str, guesses: &dyn Guesses) -> Vec<Way> {
    let schema = Schema::parse(sdl, "full.graphql").unwrap();
    let mut walk = Walk { schema: &schema, guesses, ways: Vec::new(), given: BTreeSet::new() };
    let query = schema.get_object("Query").unwrap();
    for field in query.fields.values().filter(|f| !OTHERS.contains(&f.name.as_str())) {
        walk.field(&mut vec!["Query".to_owned()], &Path::default(), field);
    }
    walk.entities();
    walk.ways
}

/// The fields that lead to a selection, with arguments and the variables in them.
#[derive(Debug, Clone, Default)]
struct Path {
    fields: Vec<String>,
    definitions: Vec<String>,
    variables: Map<String, Value>,
    /// How many fields on it take optional arguments: lists in lists.
    lists: usize,
}

impl Path {
    fn label(&self) -> String {
        self.fields.iter().map(|f| f.split('(').next().unwrap()).collect::<Vec<_>>().join(".")
    }

    /// One more field, with these arguments.
    fn then(&self, name: &str, arguments: &[(&InputValueDefinition, Value)]) -> Self {
        let mut path = self.clone();
        let mut texts = Vec::new();
        for (argument, value) in arguments {
            let variable = format!("v{}", path.definitions.len());
            path.definitions.push(format!("${variable}: {}", argument.ty));
            texts.push(format!("{}: ${variable}", argument.name));
            path.variables.insert(variable, value.clone());
        }
        path.fields.push(if texts.is_empty() { name.to_owned() } else { format!("{name}({})", texts.join(", ")) });
        path
    }

    fn way(&self, label: String, selection: &str) -> Way {
        let head = if self.definitions.is_empty() {
            String::new()
        } else {
            format!("query({}) ", self.definitions.join(", "))
        };
        let open: String = self.fields.iter().map(|f| format!("{{ {f} ")).collect();
        let text = format!("{head}{open}{selection}{}", "}".repeat(self.fields.len()));
        Way { label, text, variables: self.variables.clone() }
    }
}

struct Walk<'s> {
    schema: &'s Schema,
    guesses: &'s dyn Guesses,
    ways: Vec<Way>,
    /// Type, field and depth in lists whose arguments were given: once is enough, whatever leads there.
    given: BTreeSet<(String, String, usize)>,
}

impl Walk<'_> {
    fn field(&mut self, types: &mut Vec<String>, before: &Path, field: &FieldDefinition) {
        let required: Vec<(&InputValueDefinition, Value)> = field
            .arguments
            .iter()
            .filter(|a| a.is_required())
            .map(|a| (&**a, self.inputs(&a.ty, &mut Vec::new()).swap_remove(0)))
            .collect();
        let kind = field.ty.inner_named_type().as_str();
        // each value of each argument, with everything selected
        let place = (types.last().cloned().unwrap_or_default(), field.name.to_string(), before.lists);
        if before.lists < 2 && self.given.insert(place) {
            let selection = self.everything(kind, 2);
            for argument in &field.arguments {
                let mut values = self.inputs(&argument.ty, &mut Vec::new());
                // in a list of lists, a part of the values is enough
                let step = if before.lists > 0 { 3 } else { 1 };
                values = values.into_iter().enumerate().filter(|(i, _)| i % step == step / 2).map(|(_, v)| v).collect();
                for value in values {
                    let mut given: Vec<_> = required.iter().filter(|(a, _)| a.name != argument.name).cloned().collect();
                    let label = format!("{}.{}({}: {value})", before.label(), field.name, argument.name);
                    given.push((argument, value));
                    self.ways.push(before.then(&field.name, &given).way(label, &selection));
                }
            }
        }
        let mut path = before.then(&field.name, &required);
        path.lists += usize::from(field.arguments.len() > required.len());
        let Some(object) = self.schema.get_object(kind) else {
            self.ways.push(path.way(path.label(), ""));
            return;
        };
        if path.fields.len() >= MAX_PATH || types.iter().filter(|t| *t == kind).count() > 1 {
            return;
        }
        types.push(kind.to_owned());
        for field in object.fields.values() {
            self.field(types, &path, field);
        }
        types.pop();
    }

    /// Every leaf of a type, and of objects in it: but not those of cursors, whose refusal would hide the rest.
    fn everything(&self, kind: &str, depth: usize) -> String {
        let Some(object) = self.schema.get_object(kind) else { return String::new() };
        let mut parts = vec!["__typename".to_owned()];
        for field in object.fields.values().filter(|f| f.arguments.is_empty()) {
            let inner = field.ty.inner_named_type().as_str();
            let name = field.name.as_str();
            if self.schema.get_object(inner).is_none() {
                if !["cursor", "startCursor", "endCursor"].contains(&name) {
                    parts.push(name.to_owned());
                }
            } else if depth > 0 {
                parts.push(format!("{name} {}", self.everything(inner, depth - 1)));
            }
        }
        format!("{{ {} }}", parts.join(" "))
    }

    /// Values of an input type in which each part is given once. `within` are the input objects around it.
    fn inputs(&self, ty: &Type, within: &mut Vec<String>) -> Vec<Value> {
        let name = ty.inner_named_type().as_str();
        let values = match self.schema.types.get(name).unwrap() {
            ExtendedType::Enum(kind) => self.guesses.of_enum(kind.values.keys().map(|v| json!(v.as_str())).collect()),
            ExtendedType::InputObject(kind) => {
                let depth = within.iter().filter(|w| *w == name).count();
                if depth > 1 {
                    return vec![json!({})];
                }
                within.push(name.to_owned());
                let mut values = Vec::new();
                for field in kind.fields.values() {
                    let mut parts = self.inputs(&field.ty, within);
                    // below a type that contains itself each field once is enough
                    parts.truncate(if depth > 0 { 1 } else { usize::MAX });
                    for part in parts {
                        let mut object = Map::new();
                        for other in kind.fields.values().filter(|f| f.is_required() && f.name != field.name) {
                            object.insert(other.name.to_string(), self.inputs(&other.ty, within).swap_remove(0));
                        }
                        object.insert(field.name.to_string(), part);
                        values.push(Value::Object(object));
                    }
                }
                // each operator of each scalar is tried where a filter has its fields; further in, as in the `having` of
                // groups for each function and field, the first, the last and one between them are enough
                if within.len() > 2 && values.len() > 3 {
                    let last = values.len() - 1;
                    values = [0, last / 2, last].map(|i| values[i].clone()).to_vec();
                }
                within.pop();
                values
            }
            _ => self.guesses.of(name),
        };
        if ty.is_list() { values.into_iter().map(|v| json!([v])).collect() } else { values }
    }

    /// `_entities` by each key of each type, for each of its fields and for all.
    fn entities(&mut self) {
        let Some(union) = self.schema.get_union("_Entity") else { return };
        for member in &union.members {
            let kind = member.name.as_str();
            let object = self.schema.get_object(kind).unwrap();
            for key in object.directives.get_all("key") {
                let fields = key.specified_argument_by_name("fields").unwrap().as_str().unwrap();
                let representations = self.representations(kind, fields);
                let leaves = object.fields.values().filter(|f| f.arguments.is_empty()).map(|f| {
                    let inner = f.ty.inner_named_type().as_str();
                    format!("{{ {} {} }}", f.name, self.everything(inner, 0))
                });
                let selections: Vec<String> = leaves.chain([self.everything(kind, 1)]).collect();
                for (index, selection) in selections.into_iter().enumerate() {
                    self.ways.push(Way {
                        label: format!("_entities {kind} by {fields} #{index}"),
                        text: format!(
                            "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {selection} }} }}"
                        ),
                        variables: Map::from_iter([("r".to_owned(), Value::Array(representations.clone()))]),
                    });
                }
            }
        }
    }

    /// One representation for each combination in which all key fields have their n-th guess.
    fn representations(&self, kind: &str, key: &str) -> Vec<Value> {
        let object = self.schema.get_object(kind).unwrap();
        let guesses: BTreeMap<&str, Vec<Value>> = key
            .split_whitespace()
            .map(|f| (f, self.guesses.of(object.fields.get(f).unwrap().ty.inner_named_type())))
            .collect();
        let most = guesses.values().map(Vec::len).max().unwrap_or(0);
        (0..most)
            .map(|n| {
                let mut fields = Map::from_iter([("__typename".to_owned(), json!(kind))]);
                fields.extend(
                    guesses.iter().map(|(f, values)| ((*f).to_owned(), values[n.min(values.len() - 1)].clone())),
                );
                Value::Object(fields)
            })
            .collect()
    }
}
