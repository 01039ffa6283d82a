//! Estimates: turns an operation into terms whose sum, with a request's variables, is at most about what it costs.
//!
//! By IBM's GraphQL Cost Directives specification, as Apollo's routers do it: an object, interface, union or input object
//! weighs 1, a scalar or enum 0, a mutation 10, unless `@cost` says otherwise; what is in a list weighs as often as the list is
//! long by `@listSize`. What does not depend on variables is summed up once.

use super::weights::Weights;
use apollo_compiler::ast::{DirectiveList, Type, Value};
use apollo_compiler::executable::{Field, Operation, OperationType, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use terrane_plan::ListSize;

/// What a mutation weighs besides what it selects.
const MUTATION: f64 = 10.0;

/// An operation's cost, as far as it is known without variables.
#[derive(Debug, Default)]
pub struct Estimate {
    fixed: f64,
    terms: Vec<Term>,
    defaults: FxHashMap<Name, Node<Value>>,
}

/// A part of an operation whose cost depends on variables.
#[derive(Debug)]
struct Term {
    /// Variables of `@skip` and `@include`, and the value with which it is there.
    when: Vec<(Name, bool)>,
    times: Times,
    /// Once for each item.
    each: f64,
    terms: Vec<Term>,
    /// Once.
    once: f64,
    arguments: Vec<Given>,
}

#[derive(Debug, Clone)]
enum Times {
    Fixed(f64),
    Sliced(Arc<Slice>),
}

/// How long a list is that arguments cut.
#[derive(Debug)]
struct Slice {
    sources: Vec<Source>,
    otherwise: f64,
    /// The field that wants exactly one of them.
    strict: Option<String>,
}

#[derive(Debug)]
enum Source {
    Literal(f64),
    Variable(Name, Vec<String>),
}

/// The value of an argument with variables in it.
#[derive(Debug)]
struct Given {
    ty: Name,
    weight: Option<f64>,
    value: Node<Value>,
}

/// A list that must be cut by exactly one argument, and is not.
#[derive(Debug, PartialEq, Eq)]
pub struct NotSliced {
    pub field: String,
    pub found: usize,
}

struct Compile<'a> {
    schema: &'a Schema,
    weights: &'a Weights,
    document: &'a ExecutableDocument,
}

/// Where the cost of selections is summed up.
#[derive(Default)]
struct Sum {
    fixed: f64,
    terms: Vec<Term>,
}

type Sized<'l> = Option<(&'l ListSize, Arc<Slice>)>;

impl Estimate {
    /// Compile an operation, whose fragments are known not to multiply beyond a bound.
    pub fn compile(
        schema: &Schema,
        weights: &Weights,
        document: &Valid<ExecutableDocument>,
        operation: &Operation,
    ) -> Self {
        let mut sum = Sum::default();
        Compile { schema, weights, document }.selections(&operation.selection_set, &None, &mut sum);
        let base = if operation.operation_type == OperationType::Mutation { MUTATION } else { 0.0 };
        let defaults = operation.variables.iter();
        let defaults = defaults.filter_map(|variable| Some((variable.name.clone(), variable.default_value.clone()?)));
        Self { fixed: base + sum.fixed, terms: sum.terms, defaults: defaults.collect() }
    }

    /// The cost with a request's variables.
    ///
    /// # Errors
    /// [`NotSliced`].
    pub fn cost(
        &self,
        schema: &Schema,
        weights: &Weights,
        variables: Option<&Map<String, Json>>,
    ) -> Result<f64, NotSliced> {
        let with = With { schema, weights, variables, defaults: &self.defaults };
        Ok((self.fixed + with.terms(&self.terms)?).max(0.0))
    }
}

impl Compile<'_> {
    fn selections(&self, set: &SelectionSet, sized: &Sized<'_>, sum: &mut Sum) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let Some(when) = conditions(&field.directives) else { continue };
                    self.field(&set.ty, field, sized, when, sum);
                }
                Selection::InlineFragment(fragment) => {
                    self.fragment(&fragment.directives, &fragment.selection_set, sized, sum);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name) {
                        self.fragment(&spread.directives, &fragment.selection_set, sized, sum);
                    }
                }
            }
        }
    }

    fn fragment(&self, directives: &DirectiveList, set: &SelectionSet, sized: &Sized<'_>, sum: &mut Sum) {
        let Some(when) = conditions(directives) else { return };
        if when.is_empty() {
            return self.selections(set, sized, sum);
        }
        let mut inner = Sum::default();
        self.selections(set, sized, &mut inner);
        let (each, terms) = (inner.fixed, inner.terms);
        sum.add(Term { when, times: Times::Fixed(1.0), each, terms, once: 0.0, arguments: Vec::new() });
    }

    fn field(&self, of: &Name, field: &Field, sized: &Sized<'_>, when: Vec<(Name, bool)>, sum: &mut Sum) {
        if field.name.starts_with("__") {
            return;
        }
        let size = self.weights.size(of, &field.name);
        let slice = size.map(|size| Arc::new(self.slice(of, field, size)));
        let cut_above = sized.as_ref().filter(|(size, _)| size.sized.iter().any(|name| field.name == name.as_str()));
        let times = match (is_list(&field.definition.ty), cut_above, &slice, size) {
            (false, ..) => Times::Fixed(1.0),
            (true, Some((_, slice)), ..) => Times::Sliced(Arc::clone(slice)),
            (true, None, Some(slice), Some(size)) if size.sized.is_empty() => Times::Sliced(Arc::clone(slice)),
            _ => Times::Fixed(self.weights.list_size),
        };
        let base = field.definition.ty.inner_named_type();
        let usual = if field.selection_set.is_empty() { 0.0 } else { 1.0 };
        let own = self.weights.member(of, &field.name).unwrap_or_else(|| self.weights.ty(base, usual));
        let mut inner = Sum { fixed: own, terms: Vec::new() };
        let below: Sized<'_> = size.filter(|size| !size.sized.is_empty()).zip(slice);
        self.selections(&field.selection_set, &below, &mut inner);
        let (mut once, mut arguments) = (0.0, Vec::new());
        for argument in &field.arguments {
            let definition = field.definition.arguments.iter().find(|known| known.name == argument.name);
            let Some(definition) = definition else { continue };
            let weight = self.weights.argument(of, &field.name, &argument.name);
            let ty = definition.ty.inner_named_type();
            if has_variable(&argument.value) {
                arguments.push(Given { ty: ty.clone(), weight, value: argument.value.clone() });
            } else {
                let (variables, defaults) = (None, &FxHashMap::default());
                let with = With { schema: self.schema, weights: self.weights, variables, defaults };
                once += with.literal(ty, weight, &argument.value);
            }
        }
        sum.add(Term { when, times: times.simple(), each: inner.fixed, terms: inner.terms, once, arguments });
    }

    fn slice(&self, of: &Name, field: &Field, size: &ListSize) -> Slice {
        let mut sources = Vec::new();
        for path in &size.slicing {
            let mut steps = path.split('.');
            let Some(name) = steps.next() else { continue };
            let given = field.arguments.iter().find(|argument| argument.name == name).map(|argument| &argument.value);
            let usual = || field.definition.arguments.iter().find(|known| known.name == name)?.default_value.as_ref();
            let Some(mut value) = given.or_else(usual) else { continue };
            let mut steps: Vec<String> = steps.map(str::to_owned).collect();
            while let (Value::Object(fields), Some(step)) = (&**value, steps.first()) {
                let Some((_, inner)) = fields.iter().find(|(name, _)| name == step.as_str()) else { break };
                value = inner;
                steps.remove(0);
            }
            match &**value {
                Value::Variable(name) => sources.push(Source::Variable(name.clone(), steps)),
                value if steps.is_empty() => sources.extend(value.to_f64().map(Source::Literal)),
                _ => {}
            }
        }
        let strict = (size.require_one && !size.slicing.is_empty()).then(|| format!("{of}.{}", field.name));
        Slice { sources, otherwise: size.assumed.unwrap_or(self.weights.list_size), strict }
    }
}

impl Sum {
    /// Add a term, at once where nothing in it depends on variables.
    fn add(&mut self, term: Term) {
        match term.times {
            Times::Fixed(times) if term.when.is_empty() && term.terms.is_empty() && term.arguments.is_empty() => {
                self.fixed += times * term.each + term.once;
            }
            _ => self.terms.push(term),
        }
    }
}

impl Times {
    /// A number, where no variable is asked and nothing can be wrong.
    fn simple(self) -> Self {
        let Self::Sliced(slice) = &self else { return self };
        let literals: Option<Vec<f64>> = slice
            .sources
            .iter()
            .map(|source| match source {
                Source::Literal(number) => Some(*number),
                Source::Variable(..) => None,
            })
            .collect();
        match literals {
            Some(found) if slice.strict.is_none() || found.len() == 1 => Self::Fixed(longest(&found, slice.otherwise)),
            _ => self,
        }
    }
}

/// What a request gives to terms.
struct With<'a> {
    schema: &'a Schema,
    weights: &'a Weights,
    variables: Option<&'a Map<String, Json>>,
    defaults: &'a FxHashMap<Name, Node<Value>>,
}

impl With<'_> {
    fn terms(&self, terms: &[Term]) -> Result<f64, NotSliced> {
        let mut sum = 0.0;
        for term in terms {
            if term.when.iter().any(|(name, wanted)| self.is_true(name) != *wanted) {
                continue;
            }
            let times = match &term.times {
                Times::Fixed(times) => *times,
                Times::Sliced(slice) => self.slice(slice)?,
            };
            sum += times * (term.each + self.terms(&term.terms)?) + term.once;
            sum += term.arguments.iter().map(|given| self.literal(&given.ty, given.weight, &given.value)).sum::<f64>();
        }
        Ok(sum)
    }

    fn given(&self, name: &str) -> Option<&Json> {
        self.variables?.get(name)
    }

    fn is_true(&self, name: &Name) -> bool {
        match self.given(name) {
            Some(value) => value.as_bool().unwrap_or(false),
            None => self.defaults.get(name).and_then(|value| value.to_bool()).unwrap_or(false),
        }
    }

    fn slice(&self, slice: &Slice) -> Result<f64, NotSliced> {
        let found: Vec<f64> = slice
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Literal(number) => Some(*number),
                Source::Variable(name, path) => match self.given(name) {
                    Some(value) => path.iter().try_fold(value, |value, step| value.get(step)).and_then(Json::as_f64),
                    None if path.is_empty() => self.defaults.get(name).and_then(|value| value.to_f64()),
                    None => None,
                },
            })
            .collect();
        match &slice.strict {
            Some(field) if found.len() != 1 => Err(NotSliced { field: field.clone(), found: found.len() }),
            _ => Ok(longest(&found, slice.otherwise)),
        }
    }

    fn literal(&self, ty: &Name, weight: Option<f64>, value: &Value) -> f64 {
        match value {
            Value::Null => 0.0,
            Value::Variable(name) => match (self.given(name), self.defaults.get(name)) {
                (Some(value), _) => self.json(ty, weight, value),
                (None, Some(default)) if !has_variable(default) => self.literal(ty, weight, default),
                (None, _) => 0.0,
            },
            Value::List(items) => items.iter().map(|item| self.literal(ty, weight, item)).sum(),
            Value::Object(fields) => {
                let inner = fields.iter().map(|(name, inner)| {
                    let field = self.input_field(ty, name);
                    field.map_or(0.0, |field| self.literal(field, self.weights.member(ty, name), inner))
                });
                self.own(ty, weight) + inner.sum::<f64>()
            }
            _ => self.own(ty, weight),
        }
    }

    fn json(&self, ty: &Name, weight: Option<f64>, value: &Json) -> f64 {
        match value {
            Json::Null => 0.0,
            Json::Array(items) => items.iter().map(|item| self.json(ty, weight, item)).sum(),
            Json::Object(fields) => {
                let inner = fields.iter().filter_map(|(name, inner)| {
                    let ExtendedType::InputObject(input) = self.schema.types.get(ty)? else { return None };
                    let (name, field) = input.fields.get_key_value(name.as_str())?;
                    Some(self.json(field.ty.inner_named_type(), self.weights.member(ty, name), inner))
                });
                self.own(ty, weight) + inner.sum::<f64>()
            }
            _ => self.own(ty, weight),
        }
    }

    fn own(&self, ty: &Name, weight: Option<f64>) -> f64 {
        let is_object = matches!(self.schema.types.get(ty), Some(ExtendedType::InputObject(_)));
        weight.unwrap_or_else(|| self.weights.ty(ty, if is_object { 1.0 } else { 0.0 }))
    }

    fn input_field(&self, ty: &Name, name: &Name) -> Option<&Name> {
        match self.schema.types.get(ty)? {
            ExtendedType::InputObject(input) => input.fields.get(name).map(|field| field.ty.inner_named_type()),
            _ => None,
        }
    }
}

fn longest(found: &[f64], otherwise: f64) -> f64 {
    found.iter().copied().reduce(f64::max).unwrap_or(otherwise).max(0.0)
}

fn is_list(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::NonNullList(_))
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(items) => items.iter().any(|item| has_variable(item)),
        Value::Object(fields) => fields.iter().any(|(_, inner)| has_variable(inner)),
        _ => false,
    }
}

/// The variables of `@skip` and `@include`; `None` where a literal says that it is never there.
fn conditions(directives: &DirectiveList) -> Option<Vec<(Name, bool)>> {
    let mut when = Vec::new();
    for (name, wanted) in [("skip", false), ("include", true)] {
        match directives.get(name).and_then(|one| one.specified_argument_by_name("if")).map(|value| &**value) {
            Some(Value::Boolean(value)) if *value != wanted => return None,
            Some(Value::Variable(variable)) => when.push((variable.clone(), wanted)),
            _ => {}
        }
    }
    Some(when)
}

#[cfg(test)]
mod tests;
