//! Operations: turns a GraphQL request into its response: one statement for the data fields, the standard ports for the
//! others, put together in the order of the operation.

use crate::audit::{self, describe_operation};
use crate::ports::{PortsContext, Uploads};
use crate::service::ProductService;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;
use terrane_driver::{Ask, DriverError, Rows};
use terrane_graphql::json::write_str;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;
use terrane_query::{Access, OperationKind, Plan, PortsOperation, Prepared, Source, Statement, Values};
use terrane_telemetry::trace::{self, Span};

/// SQLSTATE `undefined_table`: the tables of the output layer come with the first publish.
const UNDEFINED_TABLE: &str = "42P01";
/// SQLSTATE `numeric_value_out_of_range`: a sum of floats can be too large for one.
const OUT_OF_RANGE: &str = "22003";

/// The field of the standard ports that describes the product.
const DESCRIPTION: &str = "product";

/// Why an operation did not run.
#[derive(Debug)]
pub enum OperationError {
    /// Errors of the request.
    Request(Vec<GraphqlError>),
    /// A mutation where only queries are taken.
    NotAQuery,
    /// The database failed; for the log.
    Internal(String),
}

/// What an operation may do, and how it reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// Whether mutations are taken.
    pub mutations: bool,
    /// Whether rows must be those of the current version, and not those of a replica a little behind.
    pub primary: bool,
    /// The kept version to read; none is the current one. Its schema is kept by the service.
    pub version: Option<i64>,
}

/// What an operation is answered with.
#[derive(Debug)]
pub struct Answered {
    /// The body of the response.
    pub body: Vec<u8>,
    /// Whether it is a query of the product's data alone: what its ports tell changes without a publish.
    pub only_data: bool,
}

/// Run `request` as `caller`.
///
/// # Errors
/// [`OperationError`], when there is no `data`.
pub async fn run(
    service: &ProductService,
    caller: &Caller,
    request: &Request,
    mode: Mode,
) -> Result<Answered, OperationError> {
    run_with(service, caller, request, mode, Arc::default()).await
}

/// The same for a request with files.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    service: &ProductService,
    caller: &Caller,
    request: &Request,
    mode: Mode,
    uploads: Uploads,
) -> Result<Answered, OperationError> {
    let one = |error: terrane_graphql::RequestError| {
        OperationError::Request(vec![GraphqlError::new(error.code(), error.to_string())])
    };
    let text = request.text().map_err(one)?;
    let access = service.access(caller);
    let prepared = service
        .prepare(text, request.operation_name.as_deref(), &access, mode.version)
        .map_err(OperationError::Request)?;
    match prepared.kind() {
        OperationKind::Query => {}
        OperationKind::Mutation if mode.mutations => {}
        OperationKind::Mutation => return Err(OperationError::NotAQuery),
        OperationKind::Subscription => {
            let message = "subscriptions are not served over this connection";
            return Err(OperationError::Request(vec![GraphqlError::new("UNSUPPORTED_OPERATION", message)]));
        }
    }
    let (plan, values) = prepared.plan(request.variables.as_ref()).map_err(OperationError::Request)?;
    let only_data = plan.slots.iter().all(|slot| slot.source == Source::Data);
    let entry = put_on_record(service, &access, (text, &prepared), &plan);
    let body = match &plan.statement {
        Some(statement) if only_data => data_only(service, caller, statement, &values, mode, entry).await?,
        _ => {
            let (prepared, plan, values) = (&*prepared, &*plan, &values);
            Mixed { service, caller, mode, entry, access, prepared, plan, values, uploads }.run().await?
        }
    };
    Ok(Answered { body, only_data: only_data && prepared.kind() == OperationKind::Query })
}

/// Note what an operation touches, in the account of the request that it is a part of. Returns its place there.
pub(crate) fn put_on_record(
    service: &ProductService,
    access: &Access,
    (text, prepared): (&str, &Prepared),
    plan: &Plan,
) -> usize {
    // gateways ask again and again whether a product says something else of itself: that is no access to what it holds
    let asks = |ports: &PortsOperation| ports.fields.iter().any(|field| field != DESCRIPTION);
    let touches = plan.statement.is_some() || plan.ports.as_ref().is_some_and(asks);
    let noted = audit::note(|draft| {
        let action = match prepared.kind() {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscribe",
        };
        match touches {
            true => {
                draft.operation(action);
                draft.touches(&describe_operation(service, access, (text, prepared), plan))
            }
            false => {
                draft.silent();
                0
            }
        }
    });
    noted.unwrap_or_default()
}

/// The rows of a statement, and its span.
#[derive(Default)]
struct Fetched {
    rows: Rows,
    span: Span,
}

impl Fetched {
    /// The rows have become a response: now their number is known.
    fn end(mut self, service: &ProductService, entry: usize) {
        let count = self.rows.count();
        audit::note(|draft| draft.rows(entry, count));
        service.meters().rows(count);
        self.span.set("db.response.returned_rows", i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// The hot path: the rows become the response without a step in between.
async fn data_only(
    service: &ProductService,
    caller: &Caller,
    statement: &Statement,
    values: &Values,
    mode: Mode,
    entry: usize,
) -> Result<Vec<u8>, OperationError> {
    let bound = statement.bind(values, &caller.claims).map_err(OperationError::Request)?;
    let mut fetched = fetch(service, statement, &bound, mode).await?;
    let mut out = statement.buffer();
    out.extend_from_slice(b"{\"data\":");
    let written = statement.write(&bound, &mut fetched.rows, &mut out);
    let errors = written.map_err(|e| OperationError::Internal(e.to_string()))?;
    fetched.end(service, entry);
    finish(&mut out, &errors);
    Ok(out)
}

async fn fetch(
    service: &ProductService,
    statement: &Statement,
    bound: &terrane_query::Bound,
    mode: Mode,
) -> Result<Fetched, OperationError> {
    let Some(text) = statement.sql() else { return Ok(Fetched::default()) };
    let ask = Ask { id: statement.id(), text, binds: &bound.binds, pace: statement.pace(), primary: mode.primary };
    let mut span = trace::request("SELECT").1;
    let started = Instant::now();
    let answer = service.reader().fetch(&ask).await;
    let outcome = service.meters().statement(&answer, started);
    if span.is_recording() {
        span.ended();
        span.set("db.system.name", "postgresql");
        span.set("db.operation.name", "SELECT");
        span.set("terrane.product", service.product().id.clone());
        span.set("terrane.statement", ask.name());
        if outcome != "answered" {
            span.fail(outcome);
        }
    }
    answer.map(|rows| Fetched { rows, span }).map_err(|error| {
        let (code, message) = match error {
            DriverError::Timeout => {
                ("STATEMENT_TIMEOUT", "the operation took longer than a statement may take; ask for less at once")
            }
            DriverError::Busy => ("DATABASE_BUSY", "too many operations wait for the database; try again in a moment"),
            DriverError::Database { code, .. } if code == UNDEFINED_TABLE => {
                ("NOT_PUBLISHED", "nothing is published yet; run the pipeline")
            }
            DriverError::Database { code, .. } if code == OUT_OF_RANGE => (
                "VALUE_OUT_OF_RANGE",
                "a figure of this operation is larger than its type can hold; ask for fewer rows",
            ),
            DriverError::TooLarge(_) => ("ANSWER_TOO_LARGE", "the answer is too large; ask for smaller pages"),
            other => return OperationError::Internal(other.to_string()),
        };
        OperationError::Request(vec![GraphqlError::new(code, message)])
    })
}

pub(crate) fn finish(out: &mut Vec<u8>, errors: &[GraphqlError]) {
    if !errors.is_empty() {
        audit::note(|draft| draft.errors(errors));
        out.extend_from_slice(b",\"errors\":");
        out.extend_from_slice(&serde_json::to_vec(errors).expect("errors are plain JSON values"));
    }
    out.push(b'}');
}

/// An operation that more than the database answers.
struct Mixed<'a> {
    service: &'a ProductService,
    caller: &'a Caller,
    mode: Mode,
    /// Its place in the account of the request.
    entry: usize,
    access: Arc<Access>,
    prepared: &'a Prepared,
    plan: &'a Plan,
    values: &'a Values,
    uploads: Uploads,
}

impl Mixed<'_> {
    async fn run(self) -> Result<Vec<u8>, OperationError> {
        let mut errors = Vec::new();
        let data = self.data(&mut errors).await?;
        let ports = match &self.plan.ports {
            Some(operation) => self.ports(operation, &mut errors).await?,
            None => Some(Map::new()),
        };
        let Some(ports) = ports else {
            let mut out = b"{\"data\":null".to_vec();
            finish(&mut out, &errors);
            return Ok(out);
        };
        let introspects = self.plan.slots.iter().any(|slot| slot.source == Source::Introspection);
        let introspection = if introspects {
            self.prepared.introspect(self.values).map_err(OperationError::Request)?
        } else {
            Map::new()
        };
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(b"{\"data\":{");
        for (i, slot) in self.plan.slots.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_str(&mut out, &slot.key);
            out.push(b':');
            let value = match &slot.source {
                Source::Constant(json) => Some(json.clone()),
                Source::Data => data.iter().find(|(key, _)| *key == slot.key).map(|(_, json)| json.clone()),
                Source::Ports => ports.get(&slot.key).map(|v| v.to_string().into_bytes()),
                Source::Introspection => introspection.get(&slot.key).map(|v| v.to_string().into_bytes()),
            };
            out.extend_from_slice(value.as_deref().unwrap_or(b"null"));
        }
        out.push(b'}');
        finish(&mut out, &errors);
        Ok(out)
    }

    async fn data(&self, errors: &mut Vec<GraphqlError>) -> Result<Vec<(String, Vec<u8>)>, OperationError> {
        let Some(statement) = &self.plan.statement else { return Ok(Vec::new()) };
        let bound = statement.bind(self.values, &self.caller.claims).map_err(OperationError::Request)?;
        let mut fetched = fetch(self.service, statement, &bound, self.mode).await?;
        let written = statement.write_fields(&bound, &mut fetched.rows);
        let fields = written.map_err(|e| OperationError::Internal(e.to_string()))?;
        fetched.end(self.service, self.entry);
        errors.extend(fields.errors);
        Ok(fields.fields)
    }

    /// The standard ports' answer; `None` where a null has reached the root, which makes the whole data null.
    async fn ports(
        &self,
        operation: &PortsOperation,
        errors: &mut Vec<GraphqlError>,
    ) -> Result<Option<Map<String, Value>>, OperationError> {
        let mut variables = Map::new();
        for name in &operation.variables {
            if let Some(value) = self.values.get(name) {
                variables.insert(name.clone(), value.clone());
            }
        }
        let request = async_graphql::Request::new(&operation.text)
            .variables(async_graphql::Variables::from_json(Value::Object(variables)));
        let context = PortsContext {
            service: self.service.clone(),
            caller: self.caller.clone(),
            access: self.access.clone(),
            uploads: self.uploads.clone(),
        };
        let response = self.service.run_ports(request, context).await;
        for error in response.errors {
            let json = serde_json::to_value(&error).map_err(|e| OperationError::Internal(e.to_string()))?;
            errors.push(port_error(&json));
        }
        match response.data.into_json() {
            Ok(Value::Object(fields)) => Ok(Some(fields)),
            Ok(_) => Ok(None),
            Err(error) => Err(OperationError::Internal(error.to_string())),
        }
    }
}

/// An error of the standard ports in our form.
fn port_error(json: &Value) -> GraphqlError {
    use terrane_graphql::PathSegment;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let code = text(&json["extensions"]["code"]);
    let code = if code.is_empty() { "BAD_USER_INPUT" } else { &code };
    let path = json["path"].as_array().into_iter().flatten().filter_map(|step| match step {
        Value::String(key) => Some(PathSegment::Key(key.clone())),
        Value::Number(index) => index.as_u64().and_then(|i| usize::try_from(i).ok()).map(PathSegment::Index),
        _ => None,
    });
    GraphqlError::new(code, text(&json["message"])).at_path(path.collect())
}
