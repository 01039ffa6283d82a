//! Operations of streams: turns a GraphQL request into the outputs of a subscription, or the one of a query.

use super::follow::{Follow, Telling, Told, internal};
use super::{ACCESS_CHANGED, Answer, Output, Outputs, recorded, through_last};
use crate::audit::Ending;
use crate::operation::{self, Mode, OperationError};
use crate::ports::PortsContext;
use crate::service::ProductService;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use terrane_driver::Rows;
use terrane_graphql::{GraphqlError, Request};
use terrane_policy::Caller;
use terrane_query::{Access, Bind, Bound, OperationKind, Plan, PortsOperation, Statement, Values};

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
    let access = service.access(caller);
    let prepared = service.prepare(text, request.operation_name.as_deref(), &access, None)?;
    if prepared.kind() != OperationKind::Subscription {
        return single(service, caller, request, mutations).await.map(Started::from);
    }
    let (plan, values) = prepared.plan(request.variables.as_ref())?;
    operation::put_on_record(service, &access, (text, &prepared), &plan);
    let ending = || Ending::of_current(service.audit(), Arc::default());
    if let Some(operation) = &plan.ports {
        let context =
            PortsContext { service: service.clone(), caller: caller.clone(), access, uploads: Arc::default() };
        return Ok(recorded(ports(operation, &values, context), ending()).into());
    }
    let following = Following::start(Arc::new((service.clone(), caller.clone(), request.clone())), seen).await?;
    let positioned = following.positioned;
    let position = following.position;
    let first = following.telling.position(position).map_err(|cause| one(internal(cause)))?;
    let first = Output::Next(first, Some(position));
    let rest = stream::unfold(Some(following), |following| async move { Some(following?.next().await) });
    let outputs = recorded(stream::once(async { first }).chain(rest).boxed(), ending());
    Ok(Started { outputs, positioned })
}

/// A subscription to changes, by what its caller may see now.
struct Following {
    asked: Arc<(ProductService, Caller, Request)>,
    follow: Follow<Events>,
    telling: Arc<Events>,
    /// Up to where the caller was told.
    position: i64,
    positioned: bool,
    /// What it is planned for, and the end of that.
    access: Arc<Access>,
    changed: BoxFuture<'static, ()>,
}

impl Following {
    /// Plan the subscription and follow the changes after `seen`, or after what it names itself.
    async fn start(
        asked: Arc<(ProductService, Caller, Request)>,
        seen: Option<i64>,
    ) -> Result<Self, Vec<GraphqlError>> {
        let one = |error: GraphqlError| vec![error];
        let (service, caller, request) = &*asked;
        let text = request.text().map_err(|e| one(GraphqlError::new(e.code(), e.to_string())))?;
        let access = service.access(caller);
        let prepared = service.prepare(text, request.operation_name.as_deref(), &access, None)?;
        let (plan, values) = prepared.plan(request.variables.as_ref())?;
        let (Some(statement), Some(followed)) = (&plan.statement, &plan.changes) else {
            return Err(one(GraphqlError::new("BAD_REQUEST", "this subscription asks for nothing that is told")));
        };
        let named = followed.after(&values).map_err(one)?;
        let bound = statement.bind(&values, &caller.claims)?;
        let parameters = format!("{:?}", bound.binds);
        let telling = Arc::new(Events { plan: Arc::clone(&plan), bound });
        let follow =
            Follow::start(service.clone(), &followed.dataset, seen.or(named), Arc::clone(&telling), parameters).await;
        let follow = follow.map_err(one)?;
        let position = follow.position();
        let changed = service.access_changed(caller, &access).boxed();
        Ok(Self { asked, follow, telling, position, positioned: named.is_some(), access, changed })
    }

    /// The next output, and what follows on it. Where the caller's access changes, it goes on with what it may see then.
    async fn next(mut self) -> (Output, Option<Self>) {
        loop {
            let told = tokio::select! {
                biased;
                () = &mut self.changed => None,
                told = self.follow.next() => Some(told),
            };
            let (service, caller, _) = &*self.asked;
            // what was asked for before the change is not told after it
            let Some(told) = told.filter(|_| service.is_current(caller, &self.access)) else {
                match Self::start(Arc::clone(&self.asked), Some(self.position)).await {
                    Ok(again) => self = again,
                    Err(errors) => return (Output::Failed(errors), None),
                }
                continue;
            };
            let (body, position) = match told {
                Ok(Told::Changes(answer, through)) => {
                    let body = answer.and_then(|parts| parts.first().map(|(body, _)| body.clone()));
                    (body.unwrap_or_default(), through)
                }
                Ok(Told::Position(position)) => match self.telling.position(position) {
                    Ok(body) => (body, position),
                    Err(cause) => return (Output::Failed(vec![internal(cause)]), None),
                },
                Err(error) => return (Output::Failed(vec![error]), None),
            };
            self.position = position;
            return (Output::Next(body, Some(position)), Some(self));
        }
    }
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
    let changed = service.access_changed(&context.caller, &context.access);
    let body = |response: async_graphql::Response| match serde_json::to_vec(&response) {
        Ok(body) => Output::Next(body.into(), None),
        Err(error) => Output::Failed(vec![internal(error)]),
    };
    let outputs = service.stream_ports(request, context).map(body).chain(stream::once(async { Output::Complete }));
    let ended = stream::once(async move {
        changed.await;
        Output::Failed(vec![GraphqlError::new("ACCESS_CHANGED", ACCESS_CHANGED)])
    });
    through_last(stream::select(outputs, ended).boxed(), |output| !matches!(output, Output::Next(..))).boxed()
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
