//! Operations of streams: turns a GraphQL request into the outputs of a subscription, or the one of a query.

use super::follow::{Follow, Telling, Told, internal};
use super::{Answer, Output, Outputs};
use crate::operation::{self, Mode, OperationError};
use crate::ports::PortsContext;
use crate::service::ProductService;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use terrane_driver::Rows;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;
use terrane_query::{Bind, Bound, OperationKind, Plan, PortsOperation, Statement, Values};

/// A stream that was started.
pub(crate) struct Started {
    pub(crate) outputs: Outputs,
    /// Whether it begins at a position that was asked for, and not now: who asks the same later is not in time for it.
    pub(crate) positioned: bool,
}

impl From<Outputs> for Started {
    fn from(outputs: Outputs) -> Self {
        Self { outputs, positioned: false }
    }
}

/// Start `request` as `caller`. `seen` is the position that a client that comes again has seen, which goes before `after`.
///
/// # Errors
/// The errors of the request.
pub(crate) async fn start(
    service: &ProductService,
    caller: &Caller,
    request: &Request,
    mutations: bool,
    seen: Option<i64>,
) -> Result<Started, Vec<GraphqlError>> {
    let one = |error: GraphqlError| vec![error];
    let text = request.text().map_err(|e| one(GraphqlError::new(e.code(), e.to_string())))?;
    let access = service.access(&caller.roles);
    let prepared = service.prepare(text, request.operation_name.as_deref(), &access, None)?;
    if prepared.kind() != OperationKind::Subscription {
        return single(service, caller, request, mutations).await.map(Started::from);
    }
    let (plan, values) = prepared.plan(request.variables.as_ref())?;
    if let Some(operation) = &plan.ports {
        let context =
            PortsContext { service: service.clone(), caller: caller.clone(), access, uploads: Arc::default() };
        return Ok(ports(operation, &values, context).into());
    }
    let (Some(statement), Some(followed)) = (&plan.statement, &plan.changes) else {
        return Err(one(GraphqlError::new("BAD_REQUEST", "this subscription asks for nothing that is told")));
    };
    let asked = followed.after(&values).map_err(one)?;
    let bound = statement.bind(&values, &caller.claims)?;
    let parameters = format!("{:?}", bound.binds);
    let telling = Arc::new(Events { plan: Arc::clone(&plan), bound });
    let follow =
        Follow::start(service.clone(), &followed.dataset, seen.or(asked), Arc::clone(&telling), parameters).await;
    let follow = follow.map_err(one)?;
    let first = telling.position(follow.position()).map_err(|cause| one(internal(cause)))?;
    let first = Output::Next(first, Some(follow.position()));
    let rest = stream::unfold(Some(follow), move |follow| {
        let telling = Arc::clone(&telling);
        async move {
            let mut follow = follow?;
            let output = match follow.next().await {
                Ok(Told::Changes(answer, through)) => {
                    let body = answer.and_then(|parts| parts.first().map(|(body, _)| body.clone()));
                    Output::Next(body.unwrap_or_default(), Some(through))
                }
                Ok(Told::Position(position)) => match telling.position(position) {
                    Ok(body) => Output::Next(body, Some(position)),
                    Err(cause) => return Some((Output::Failed(vec![internal(cause)]), None)),
                },
                Err(error) => return Some((Output::Failed(vec![error]), None)),
            };
            Some((output, Some(follow)))
        }
    });
    Ok(Started { outputs: stream::once(async { first }).chain(rest).boxed(), positioned: asked.is_some() })
}

/// A query or mutation over a stream: one output.
async fn single(
    service: &ProductService,
    caller: &Caller,
    request: &Request,
    mutations: bool,
) -> Result<Outputs, Vec<GraphqlError>> {
    match operation::run(service, caller, request, Mode { mutations, ..Mode::default() }).await {
        Ok(answered) => Ok(stream::iter([Output::Next(answered.body.into(), None)]).boxed()),
        Err(OperationError::Request(errors)) => Err(errors),
        Err(OperationError::NotAQuery) => {
            Err(vec![GraphqlError::new("METHOD_NOT_ALLOWED", "GET takes queries only; send this one with POST")])
        }
        Err(OperationError::Internal(cause)) => Err(vec![internal(cause)]),
    }
}

/// A subscription to what the standard ports tell.
fn ports(operation: &PortsOperation, values: &Values, context: PortsContext) -> Outputs {
    let variables = operation.variables.iter().filter_map(|name| Some((name.clone(), values.get(name)?.clone())));
    let request = async_graphql::Request::new(&operation.text)
        .variables(async_graphql::Variables::from_json(Value::Object(variables.collect())));
    let service = context.service.clone();
    let body = |response: async_graphql::Response| match serde_json::to_vec(&response) {
        Ok(body) => Output::Next(body.into(), None),
        Err(error) => Output::Failed(vec![internal(error)]),
    };
    service.stream_ports(request, context).map(body).boxed()
}

/// The events of a subscription to changes.
struct Events {
    plan: Arc<Plan>,
    bound: Bound,
}

impl Events {
    fn compiled(&self) -> &Statement {
        self.plan.statement.as_ref().expect("a plan that follows changes has a statement")
    }

    /// An event without changes.
    fn position(&self, position: i64) -> Result<Bytes, String> {
        self.write(Rows::default(), position).map(|(body, _)| body)
    }

    /// The response, and how many changes are in it.
    fn write(&self, mut rows: Rows, through: i64) -> Result<(Bytes, u64), String> {
        let statement = self.compiled();
        let bound = statement.bind_changes(&self.bound, String::new(), through);
        let mut out = statement.buffer();
        out.extend_from_slice(b"{\"data\":");
        let errors = statement.write(&bound, &mut rows, &mut out).map_err(|e| e.to_string())?;
        operation::finish(&mut out, &errors);
        Ok((out.into(), rows.count()))
    }
}

impl Telling for Events {
    fn statement(&self) -> (u64, Option<&Arc<str>>, &AtomicU32) {
        let statement = self.compiled();
        (statement.id(), statement.sql(), statement.pace())
    }

    fn binds(&self, batch: String, through: i64) -> Vec<Bind> {
        self.compiled().bind_changes(&self.bound, batch, through).binds
    }

    fn tell(&self, rows: Rows, through: i64) -> Result<Answer, String> {
        let (body, count) = self.write(rows, through)?;
        Ok((count > 0).then(|| Arc::from([(body, through)])))
    }
}
