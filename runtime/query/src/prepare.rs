//! Preparing: turns an operation's text into plans, one for each shape of its variables.

use crate::access::Access;
use crate::coerce::{Values, bad, coerce_variables};
use crate::collect::{Budget, Collected, collect};
use crate::compile::{Compiler, DataKind, DataRoot};
use crate::given::{Given, ValueSource};
use crate::ports::{PortsOperation, ports_operation};
use crate::schema::{DataSchema, RootField};
use crate::shape::shape;
use crate::statement::Statement;
use apollo_compiler::ast::{DirectiveList, OperationType, Value as AstValue};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Node, introspection};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use terrane_graphql::GraphqlError;

/// Tokens of an operation's text.
pub const MAX_TOKENS: usize = 15_000;
/// Nesting of an operation's text.
pub const MAX_NESTING: usize = 64;
/// Root fields of an operation.
pub const MAX_ROOTS: usize = 50;
/// Selections of an operation, with every fragment counted where it is spread.
const MAX_SELECTIONS: u32 = 5_000;
/// Plans kept for one operation. A client that needs more shapes than this compiles again.
const MAX_PLANS: usize = 64;

/// What kind of operation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// A query.
    Query,
    /// A mutation: the standard ports answer all of it.
    Mutation,
    /// A subscription: to the changes of a dataset, or to what the standard ports tell.
    Subscription,
}

/// A parsed and validated operation for one role set. Cache it by operation text, operation name and role set.
pub struct Prepared {
    schema: Arc<DataSchema>,
    access: Arc<Access>,
    document: Valid<ExecutableDocument>,
    operation: Node<Operation>,
    kind: OperationKind,
    conditions: FxHashSet<String>,
    plans: Mutex<FxHashMap<String, Arc<Plan>>>,
}

/// How one shape of an operation is answered.
pub struct Plan {
    /// Root fields in response order, and who answers each.
    pub slots: Vec<Slot>,
    /// The data fields' statement.
    pub statement: Option<Statement>,
    /// What the standard ports are asked.
    pub ports: Option<PortsOperation>,
    /// The changes that the statement is asked about, where it is a subscription to some.
    pub changes: Option<Followed>,
    /// What whoever answers it says of it in its records; made once, and kept here.
    pub described: OnceLock<Arc<str>>,
}

/// The changes that a subscription follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// ODCS name of the dataset.
    pub dataset: String,
    after: Option<ValueSource>,
}

impl Followed {
    /// The position after which they are told; none is from now on.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what is no position.
    pub fn after(&self, values: &Values) -> Result<Option<i64>, GraphqlError> {
        let Some(value) = self.after.as_ref().map(|source| source.resolve(values)) else { return Ok(None) };
        match value.as_ref() {
            Value::Null => Ok(None),
            Value::String(text) => position(text).map(Some),
            _ => Err(bad("`after` must be a position: a text")),
        }
    }
}

/// The position that a client says it has seen everything up to.
///
/// # Errors
/// `BAD_USER_INPUT` for what is no position.
pub fn position(text: &str) -> Result<i64, GraphqlError> {
    let number = text.trim().parse().ok().filter(|n: &i64| *n >= 0);
    number.ok_or_else(|| bad("a position is what an earlier change or batch of changes had as `position`"))
}

/// A root field of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The response key.
    pub key: String,
    /// Who answers it.
    pub source: Source,
}

/// Who answers a root field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The plan's statement.
    Data,
    /// The standard ports.
    Ports,
    /// [`Prepared::introspect`].
    Introspection,
    /// This JSON: a type name, or `_service` with the SDL.
    Constant(Vec<u8>),
}

/// Parse and validate `text` against `schema`, and choose the operation `operation_name`.
///
/// # Errors
/// Request errors, all that were found: syntax, validation, limits.
pub fn prepare(
    schema: &Arc<DataSchema>,
    text: &str,
    operation_name: Option<&str>,
    access: &Arc<Access>,
) -> Result<Prepared, Vec<GraphqlError>> {
    let document = Parser::new()
        .token_limit(MAX_TOKENS)
        .recursion_limit(MAX_NESTING)
        .parse_ast(text, "operation.graphql")
        .map_err(|e| request_errors(&e.errors, "GRAPHQL_PARSE_FAILED"))?;
    let document = document
        .to_executable(&schema.full)
        .map_err(|e| request_errors(&e.errors, "GRAPHQL_VALIDATION_FAILED"))?
        .validate(&schema.full)
        .map_err(|e| request_errors(&e.errors, "GRAPHQL_VALIDATION_FAILED"))?;
    let operation = document.operations.get(operation_name).map_err(|e| {
        vec![GraphqlError::new("BAD_REQUEST", format!("{}; name an operation in `operationName`", e.message()))]
    })?;
    introspection::check_max_depth(&document, operation)
        .map_err(|e| vec![GraphqlError::new("OPERATION_TOO_DEEP", e.message().to_string())])?;
    let kind = match operation.operation_type {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    };
    let mut conditions = FxHashSet::default();
    condition_variables(&operation.selection_set, &mut conditions);
    for fragment in document.fragments.values() {
        condition_variables(&fragment.selection_set, &mut conditions);
    }
    Ok(Prepared {
        schema: Arc::clone(schema),
        access: Arc::clone(access),
        operation: operation.clone(),
        document,
        kind,
        conditions,
        plans: Mutex::new(FxHashMap::default()),
    })
}

impl Prepared {
    /// The operation's name in its document.
    pub fn name(&self) -> Option<&str> {
        self.operation.name.as_ref().map(|name| name.as_str())
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// Coerce `variables` (GraphQL spec, section 6.1.2), and get the plan for their shape: compiled when a shape is
    /// first met, then kept.
    ///
    /// # Errors
    /// Request errors: variables of wrong types, forbidden fields in filters and orders, operations too large.
    pub fn plan(&self, variables: Option<&Map<String, Value>>) -> Result<(Arc<Plan>, Values), Vec<GraphqlError>> {
        let values = coerce_variables(&self.schema.full, &self.operation, variables)?;
        let key = shape(&self.schema, &self.operation, &self.conditions, &values);
        let kept = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(plan) = kept {
            return Ok((plan, values));
        }
        let plan = Arc::new(self.compile(&values).map_err(|error| vec![error])?);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert(key, Arc::clone(&plan));
        Ok((plan, values))
    }

    fn compile(&self, values: &Values) -> Result<Plan, GraphqlError> {
        let operation = &*self.operation;
        let root_type = operation.object_type().as_str();
        let mut budget = Budget(MAX_SELECTIONS);
        let roots = collect(&self.document, values, root_type, &[&operation.selection_set], &mut budget)?;
        if roots.len() > MAX_ROOTS {
            return Err(GraphqlError::new(
                "OPERATION_TOO_LARGE",
                format!("{} root fields; ask for at most {MAX_ROOTS} at once", roots.len()),
            ));
        }
        let mut slots = Vec::with_capacity(roots.len());
        let (mut data, mut ports, mut followed) = (Vec::new(), Vec::new(), None);
        for collected in roots {
            let source = self.source(&collected, root_type, values)?;
            slots.push(Slot { key: collected.key.to_owned(), source: source.clone() });
            match source {
                Source::Data => {
                    followed = self.followed(&collected, values);
                    data.push(self.data_root(collected));
                }
                Source::Ports => ports.push(collected),
                Source::Introspection | Source::Constant(_) => {}
            }
        }
        let statement = match data.is_empty() {
            true => None,
            false => {
                let compiler = Compiler::new(&self.schema.catalog, &self.access, &self.document, values, budget);
                let compiled = compiler.compile(&data)?;
                self.schema.check_kept(&compiled.sql)?;
                Some(Statement::new(Arc::clone(&self.schema), compiled))
            }
        };
        let ports = (!ports.is_empty()).then(|| ports_operation(&self.document, operation, &ports));
        Ok(Plan { slots, statement, ports, changes: followed, described: OnceLock::new() })
    }

    /// What is followed by a root field of a subscription.
    fn followed(&self, collected: &Collected<'_>, values: &Values) -> Option<Followed> {
        let RootField::Changes(id) = self.root(&collected.field().name) else { return None };
        let dataset = self.schema.catalog.entity(id).table.as_ref()?.dataset.clone();
        let after = collected.field().specified_argument_by_name("after");
        Some(Followed { dataset, after: after.and_then(|a| Given::of(a, values)).map(|given| given.source()) })
    }

    fn root(&self, name: &str) -> RootField {
        match self.kind {
            OperationKind::Query => self.schema.root_field(name),
            OperationKind::Subscription => self.schema.subscription_field(name),
            OperationKind::Mutation if name == "__typename" => RootField::Typename,
            OperationKind::Mutation => RootField::Ports,
        }
    }

    fn data_root<'d>(&self, collected: Collected<'d>) -> DataRoot<'d> {
        let kind = match self.root(&collected.field().name) {
            RootField::Data(root) => DataKind::Root(root),
            RootField::Changes(id) => DataKind::Changes(id),
            _ => DataKind::Entities,
        };
        DataRoot { collected, kind }
    }

    fn source(&self, collected: &Collected<'_>, root_type: &str, values: &Values) -> Result<Source, GraphqlError> {
        let name = collected.field().name.as_str();
        Ok(match self.root(name) {
            RootField::Data(_) | RootField::Entities | RootField::Changes(_) => Source::Data,
            RootField::Ports => Source::Ports,
            RootField::Introspection => Source::Introspection,
            RootField::Typename => Source::Constant(json_text(root_type)),
            RootField::Service => Source::Constant(self.service(collected, values)?),
        })
    }

    /// `_service` as JSON.
    fn service(&self, collected: &Collected<'_>, values: &Values) -> Result<Vec<u8>, GraphqlError> {
        let mut budget = Budget(MAX_SELECTIONS);
        let fields = collect(&self.document, values, "_Service", &collected.selections(), &mut budget)?;
        let mut object = Map::new();
        for field in fields {
            let text = if field.field().name == "sdl" { self.schema.sdl() } else { "_Service" };
            object.insert(field.key.to_owned(), Value::String(text.to_owned()));
        }
        Ok(Value::Object(object).to_string().into_bytes())
    }

    /// The introspection fields of the operation (`__schema`, `__type`), by response key.
    ///
    /// # Errors
    /// Request errors: introspection nested too deep.
    pub fn introspect(&self, values: &Values) -> Result<Map<String, Value>, Vec<GraphqlError>> {
        let failed = |message: String| vec![GraphqlError::new("BAD_REQUEST", message)];
        let text = Value::Object(values.clone()).to_string();
        let variables = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
        let response = introspection::partial_execute(
            &self.schema.full,
            &self.schema.implementers,
            &self.document,
            &self.operation,
            &Valid::assume_valid(variables),
        )
        .map_err(|e| failed(e.message().to_string()))?;
        let data = response.data.map(|data| serde_json::to_value(data).unwrap_or_default());
        match data {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }
}

fn json_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    terrane_graphql::json::write_str(&mut out, text);
    out
}

fn request_errors(errors: &DiagnosticList, code: &str) -> Vec<GraphqlError> {
    errors
        .iter()
        .take(50)
        .map(|problem| {
            let error = GraphqlError::new(code, problem.error.to_string());
            match problem.line_column_range() {
                Some(range) => error.at(range.start.line, range.start.column),
                None => error,
            }
        })
        .collect()
}

/// Variables that decide `@skip` or `@include`.
fn condition_variables(set: &SelectionSet, found: &mut FxHashSet<String>) {
    let mut note = |directives: &DirectiveList| {
        for directive in directives.iter().filter(|d| d.name == "skip" || d.name == "include") {
            if let Some(argument) = directive.specified_argument_by_name("if")
                && let AstValue::Variable(name) = &**argument
            {
                found.insert(name.to_string());
            }
        }
    };
    for selection in &set.selections {
        note(selection.directives());
    }
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => condition_variables(&field.selection_set, found),
            Selection::InlineFragment(fragment) => condition_variables(&fragment.selection_set, found),
            Selection::FragmentSpread(_) => {}
        }
    }
}
