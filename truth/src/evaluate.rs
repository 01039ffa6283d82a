//! Evaluation: turns a document and resolvers into a response, as naively as the GraphQL specification describes it
//! (section 6): serially, over plain values.

use crate::value::{Object, Raw};
use apollo_compiler::ast::{self, Type};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputValueDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node, Schema};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// Gives values of fields.
pub trait Resolve {
    /// The value of a field of an object.
    ///
    /// # Errors
    /// The message of the field error.
    fn resolve(&self, object: &Object, field: &str, args: &Map<String, Value>) -> Result<Raw, String>;

    /// The name of an object's type.
    fn type_name(&self, object: &Object) -> &str;
}

/// A response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// `data`
    pub data: Value,
    /// `errors`: message and path.
    pub errors: Vec<(String, Vec<Value>)>,
}

impl Response {
    /// The body that a server answers with.
    pub fn body(&self) -> String {
        let error = |(message, path): &(String, Vec<Value>)| json!({ "message": message, "path": path });
        let errors: Vec<Value> = self.errors.iter().map(error).collect();
        if errors.is_empty() {
            return json!({ "data": self.data }).to_string();
        }
        json!({ "data": self.data, "errors": errors }).to_string()
    }
}

/// A null where the type allows none: the parent becomes null (section 6.4.4).
struct Bubble;

struct Run<'a, R> {
    schema: &'a Valid<Schema>,
    document: &'a ExecutableDocument,
    variables: Map<String, Value>,
    resolver: &'a R,
    errors: Vec<(String, Vec<Value>)>,
    path: Vec<Value>,
}

/// Execute the only operation of a document.
pub fn evaluate<R: Resolve>(
    schema: &Valid<Schema>,
    document: &ExecutableDocument,
    given: &Map<String, Value>,
    resolver: &R,
    root: &Object,
) -> Response {
    let operation = document.operations.iter().next().expect("the document has one operation");
    let variables = variables(schema, operation, given);
    let mut run = Run { schema, document, variables, resolver, errors: Vec::new(), path: Vec::new() };
    let data = run.object(root, &[&operation.selection_set]).unwrap_or(Value::Null);
    Response { data, errors: run.errors }
}

/// Coerce variables (section 6.1.2); the given ones are known to fit.
fn variables(schema: &Schema, operation: &Operation, given: &Map<String, Value>) -> Map<String, Value> {
    let mut coerced = Map::new();
    for definition in &operation.variables {
        let name = definition.name.as_str();
        if let Some(value) = given.get(name) {
            coerced.insert(name.to_owned(), complete_input(schema, &definition.ty, value.clone()));
        } else if let Some(default) = &definition.default_value {
            coerced.extend(literal(schema, &definition.ty, default, &Map::new()).map(|value| (name.to_owned(), value)));
        }
    }
    coerced
}

/// Fill in the defaults of input objects within a value.
fn complete_input(schema: &Schema, ty: &Type, value: Value) -> Value {
    match (value, schema.types.get(ty.inner_named_type())) {
        (Value::Array(items), _) if ty.is_list() => {
            items.into_iter().map(|item| complete_input(schema, ty.item_type(), item)).collect()
        }
        (Value::Object(mut fields), Some(ExtendedType::InputObject(input))) => {
            for (name, definition) in &input.fields {
                let known = fields.remove(name.as_str());
                let value = match (known, &definition.default_value) {
                    (Some(known), _) => Some(complete_input(schema, &definition.ty, known)),
                    (None, Some(default)) => literal(schema, &definition.ty, default, &Map::new()),
                    (None, None) => None,
                };
                fields.extend(value.map(|value| (name.to_string(), value)));
            }
            Value::Object(fields)
        }
        (value, _) => value,
    }
}

/// A value of GraphQL text; `None` for a variable without a value.
fn literal(schema: &Schema, ty: &Type, value: &ast::Value, variables: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        ast::Value::Null => Value::Null,
        ast::Value::Enum(name) => json!(name.as_str()),
        ast::Value::Variable(name) => return variables.get(name.as_str()).cloned(),
        ast::Value::String(text) => json!(text),
        ast::Value::Boolean(flag) => json!(flag),
        ast::Value::Int(number) => json!(number.try_to_i32().expect("the document is valid")),
        ast::Value::Float(number) => json!(number.try_to_f64().expect("the document is valid")),
        ast::Value::List(items) => {
            let item =
                |item: &Node<ast::Value>| literal(schema, ty.item_type(), item, variables).unwrap_or(Value::Null);
            items.iter().map(item).collect()
        }
        ast::Value::Object(fields) => {
            let Some(ExtendedType::InputObject(input)) = schema.types.get(ty.inner_named_type()) else {
                return Some(Value::Null);
            };
            let given = fields.iter().filter_map(|(name, value)| {
                let ty = &input.fields.get(name)?.ty;
                Some((name.to_string(), literal(schema, ty, value, variables)?))
            });
            complete_input(schema, ty, Value::Object(given.collect()))
        }
    })
}

/// Coerce arguments (section 6.4.1).
pub fn arguments(
    schema: &Schema,
    definitions: &[Node<InputValueDefinition>],
    given: &[Node<ast::Argument>],
    variables: &Map<String, Value>,
) -> Map<String, Value> {
    let mut coerced = Map::new();
    for definition in definitions {
        let argument = given.iter().find(|argument| argument.name == definition.name);
        let value = argument.and_then(|argument| literal(schema, &definition.ty, &argument.value, variables));
        let default = || literal(schema, &definition.ty, definition.default_value.as_ref()?, variables);
        coerced.extend(value.or_else(default).map(|value| (definition.name.to_string(), value)));
    }
    coerced
}

impl<'a, R: Resolve> Run<'a, R> {
    fn error(&mut self, message: String) {
        self.errors.push((message, self.path.clone()));
    }

    fn object(&mut self, object: &Object, sets: &[&'a SelectionSet]) -> Result<Value, Bubble> {
        let type_name = self.resolver.type_name(object).to_owned();
        let mut grouped: IndexMap<&'a str, Vec<&'a Field>> = IndexMap::new();
        for set in sets {
            self.collect(&type_name, set, &mut grouped);
        }
        let mut data = Map::new();
        for (key, fields) in grouped {
            self.path.push(json!(key));
            let value = self.field(object, &type_name, &fields);
            self.path.pop();
            data.insert(key.to_owned(), value?);
        }
        Ok(Value::Object(data))
    }

    /// CollectFields (section 6.3.2).
    fn collect(&self, type_name: &str, set: &'a SelectionSet, grouped: &mut IndexMap<&'a str, Vec<&'a Field>>) {
        for selection in &set.selections {
            if !self.is_included(selection.directives()) {
                continue;
            }
            let (condition, inner) = match selection {
                Selection::Field(field) => {
                    grouped.entry(field.response_key().as_str()).or_default().push(field);
                    continue;
                }
                Selection::InlineFragment(fragment) => (fragment.type_condition.as_ref(), &fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name).expect("the document is valid");
                    (Some(fragment.type_condition()), &fragment.selection_set)
                }
            };
            let applies =
                condition.is_none_or(|on| on.as_str() == type_name || self.schema.is_subtype(on.as_str(), type_name));
            if applies {
                self.collect(type_name, inner, grouped);
            }
        }
    }

    fn is_included(&self, directives: &ast::DirectiveList) -> bool {
        let is = |name: &str| {
            let argument = directives.get(name)?.specified_argument_by_name("if")?;
            match &**argument {
                ast::Value::Variable(variable) => self.variables.get(variable.as_str())?.as_bool(),
                other => other.to_bool(),
            }
        };
        !is("skip").unwrap_or(false) && is("include").unwrap_or(true)
    }

    fn field(&mut self, object: &Object, type_name: &str, fields: &[&'a Field]) -> Result<Value, Bubble> {
        let field = fields[0];
        if field.name == "__typename" {
            return Ok(json!(type_name));
        }
        let definition = self.schema.type_field(type_name, &field.name).expect("the document is valid");
        let args = arguments(self.schema, &definition.arguments, &field.arguments, &self.variables);
        let ty = definition.ty.clone();
        match self.resolver.resolve(object, &field.name, &args) {
            Ok(raw) => {
                let sets: Vec<&'a SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
                self.complete(&ty, &raw, &sets)
            }
            Err(message) => {
                self.error(message);
                if ty.is_non_null() { Err(Bubble) } else { Ok(Value::Null) }
            }
        }
    }

    /// CompleteValue (section 6.4.3).
    fn complete(&mut self, ty: &Type, raw: &Raw, sets: &[&'a SelectionSet]) -> Result<Value, Bubble> {
        let completed = match raw {
            Raw::Null => Ok(Value::Null),
            Raw::Leaf(value) => Ok(value.clone()),
            Raw::Object(object) => self.object(object, sets),
            Raw::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                let mut bubbled = false;
                for (i, item) in items.iter().enumerate() {
                    self.path.push(json!(i));
                    let value = self.complete(ty.item_type(), item, sets);
                    self.path.pop();
                    match value {
                        Ok(value) => values.push(value),
                        Err(Bubble) => bubbled = true,
                    }
                }
                if bubbled { Err(Bubble) } else { Ok(Value::Array(values)) }
            }
        };
        match completed {
            Ok(Value::Null) if ty.is_non_null() => {
                self.error("null for a non-null type".to_owned());
                Err(Bubble)
            }
            Err(Bubble) if !ty.is_non_null() => Ok(Value::Null),
            other => other,
        }
    }
}
