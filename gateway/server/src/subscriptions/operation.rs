//! Operations: turns a request over a long connection into the responses to it, as they come.

use super::logged::Line;
use super::{Place, Session, stopped};
use crate::demand::Refused;
use crate::gateway::Gateway;
use crate::graph::{Graph, Parts, RunError};
use crate::rates::Who;
use crate::traffic::mask;
use apollo_compiler::executable::OperationType;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;
use terrane_execute::ExecuteError;
use terrane_execute::subscribe::{Consumer, Event, SourceClient, SourceError, SourceRequest, Subscription};
use terrane_graphql::{GraphqlError, Request};
use terrane_telemetry::{along, trace};
use terrane_websocket::{Output, Outputs};
use tokio::sync::watch;

/// Run an operation. Dropping the outputs ends it.
///
/// # Errors
/// The errors of an operation that does not run.
pub(crate) async fn start(
    gateway: Gateway,
    session: Arc<Session>,
    mut request: Request,
    allow_mutations: bool,
) -> Result<Outputs, Vec<GraphqlError>> {
    let gateway = gateway.latest();
    let front = &gateway.inner.settings.front;
    if !front.access_log {
        return run(gateway, session, request, allow_mutations).await;
    }
    // what was only named is logged by what it is; where it can't be found, running it says so
    if request.query.is_none() {
        let _ = front.documents.resolve(&mut request);
    }
    let line = Line::begin(&request, session.address);
    line.end(run(gateway, session, request, allow_mutations).await)
}

async fn run(
    gateway: Gateway,
    session: Arc<Session>,
    mut request: Request,
    allow_mutations: bool,
) -> Result<Outputs, Vec<GraphqlError>> {
    session.check(&gateway).map_err(|error| vec![error])?;
    let graph = graph(&gateway)?;
    let documents = &gateway.inner.settings.front.documents;
    let digest = documents.resolve(&mut request).map_err(|error| vec![error])?;
    let kind = graph.kind(&request, &session.caller).map_err(refused)?;
    admit(&gateway, &graph, &session, &request)?;
    if let (Some(digest), Some(document)) = (digest, &request.query) {
        documents.register(digest, document.clone());
    }
    match kind {
        OperationType::Subscription => {
            let running = Running::open(gateway, session, request)?;
            Ok(stream::unfold(Some(running), Running::output).boxed())
        }
        OperationType::Mutation if !allow_mutations => Err(refused(RunError::NotAQuery)),
        OperationType::Query | OperationType::Mutation => {
            let parts = graph.run_in_parts(&request, &session.caller, session.forwarded.clone()).await;
            if let Some(Parts { first, parts }) = parts.map_err(refused)? {
                return Ok(in_parts(first, parts));
            }
            let once = async move {
                match graph.run(&request, &session.caller, &session.forwarded, allow_mutations).await {
                    Ok(response) => vec![Output::Next(response.body), Output::Complete],
                    Err(error) => vec![Output::Failed(refused(error))],
                }
            };
            Ok(stream::once(once).flat_map(stream::iter).boxed())
        }
    }
}

/// Whether the caller may ask once more, and for so much: an operation counts when it starts, whatever it is sent over.
fn admit(gateway: &Gateway, graph: &Graph, session: &Session, request: &Request) -> Result<(), Vec<GraphqlError>> {
    let (rates, demand, caller) = (&gateway.inner.rates, &gateway.inner.demand, &session.caller);
    rates.admit_caller(caller, session.address).map_err(|wait| vec![wait.error()])?;
    if !demand.is_on() {
        return Ok(());
    }
    let cost = graph.cost(request, caller).map_err(refused)?;
    let charged = demand.charge(cost, request, &Who::of(caller, session.address));
    charged.map(drop).map_err(|refused| match refused {
        Refused::TooExpensive(error) | Refused::Spent(error, _) => vec![error],
    })
}

fn in_parts(first: Vec<u8>, parts: tokio::sync::mpsc::Receiver<Vec<u8>>) -> Outputs {
    let following = stream::unfold(Some(parts), |parts| async move {
        let mut parts = parts?;
        match parts.recv().await {
            Some(part) => Some((Output::Next(part.into()), Some(parts))),
            None => Some((Output::Complete, None)),
        }
    });
    stream::iter([Output::Next(first.into())]).chain(following).boxed()
}

fn graph(gateway: &Gateway) -> Result<Arc<Graph>, Vec<GraphqlError>> {
    let none = || vec![GraphqlError::new("NO_GRAPH", "there is no graph yet; the catalog says what is wrong")];
    gateway.graph().ok_or_else(none)
}

fn refused(error: RunError) -> Vec<GraphqlError> {
    match error {
        RunError::Request(errors) => errors,
        RunError::NotAQuery => {
            vec![GraphqlError::new("METHOD_NOT_ALLOWED", "GET takes no mutations; send this one with POST")]
        }
    }
}

fn failed(error: &ExecuteError) -> Vec<GraphqlError> {
    vec![GraphqlError::new(error.code(), error.to_string())]
}

/// Wait for another list of API keys; for ever without keys.
async fn listed(keys: Option<&mut watch::Receiver<u64>>) {
    if let Some(keys) = keys
        && keys.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A subscription of a client.
struct Running {
    gateway: Gateway,
    session: Arc<Session>,
    request: Request,
    planned: Planned,
    /// None where nobody is asked.
    consumer: Option<Consumer>,
    /// The one response without anybody asked is sent.
    refused: bool,
    graphs: watch::Receiver<u64>,
    /// None where who asks has no API key.
    keys: Option<watch::Receiver<u64>>,
    stopping: watch::Receiver<bool>,
    _place: Place,
}

/// What a subscription is in one graph.
struct Planned {
    graph: Arc<Graph>,
    /// The decisions about the caller that it was planned by.
    access: u64,
    subscription: Subscription,
    source: Option<(SourceRequest, SourceClient)>,
}

impl Planned {
    fn new(graph: Arc<Graph>, session: &Session, request: &Request) -> Result<Self, Vec<GraphqlError>> {
        // before it is planned: no change of the rules goes unseen
        let access = graph.access(&session.caller);
        let program = graph.program_of(request, &session.caller).map_err(refused)?;
        let (executor, variables) = (Arc::clone(graph.executor()), request.variables.as_ref());
        let subscription = Subscription::new(executor, program, variables, session.forwarded.clone());
        let subscription = subscription.map_err(|error| failed(&error))?;
        let source = subscription.source().map(|source| {
            let client = graph.event_source(source.subgraph).clone();
            (source, client)
        });
        Ok(Self { graph, access, subscription, source })
    }

    fn consume(&self, gateway: &Gateway, session: &Session) -> Option<Consumer> {
        let (request, client) = self.source.as_ref()?;
        let headers = gateway.inner.settings.headers.sent(&client.name, &session.forwarded);
        Some(gateway.inner.subscriptions.hub.subscribe(client, &request.body, &headers))
    }

    /// Whether the events of one are those of the other.
    fn has_events_of(&self, other: &Self) -> bool {
        let key = |planned: &Self| {
            let (request, client) = planned.source.as_ref()?;
            Some((request.body.clone(), client.name.clone(), client.uri.clone(), client.protocol))
        };
        key(self) == key(other)
    }
}

impl Running {
    fn open(gateway: Gateway, session: Arc<Session>, request: Request) -> Result<Self, Vec<GraphqlError>> {
        let subscriptions = &gateway.inner.subscriptions;
        let place = subscriptions.place().map_err(|error| vec![error])?;
        // Before the graph is looked at: no change of it goes unseen.
        let graphs = subscriptions.graphs.subscribe();
        let stopping = subscriptions.stopping.subscribe();
        let planned = Planned::new(graph(&gateway)?, &session, &request)?;
        let consumer = planned.consume(&gateway, &session);
        let keys = session.key_lists(&gateway);
        Ok(Self { gateway, session, request, planned, consumer, refused: false, graphs, keys, stopping, _place: place })
    }

    /// The next output, and what is left.
    async fn output(running: Option<Self>) -> Option<(Output, Option<Self>)> {
        let mut running = running?;
        match running.next().await {
            output @ Output::Next(_) => Some((output, Some(running))),
            last => Some((last, None)),
        }
    }

    async fn next(&mut self) -> Output {
        loop {
            let Some(consumer) = &self.consumer else { return self.refusal() };
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => {
                    let message = "the gateway is stopping; subscribe again";
                    return Output::Failed(vec![GraphqlError::new("SHUTTING_DOWN", message)]);
                }
                () = self.session.expired() => {
                    let message = "the token has expired; subscribe again with a new one";
                    return Output::Failed(vec![GraphqlError::new("UNAUTHENTICATED", message)]);
                }
                () = listed(self.keys.as_mut()) => {
                    if let Err(error) = self.session.check(&self.gateway) {
                        return Output::Failed(vec![error]);
                    }
                }
                Ok(()) = self.graphs.changed() => {
                    if let Err(errors) = self.replan() {
                        return Output::Failed(errors);
                    }
                }
                event = consumer.next() => return match event {
                    Some(Ok(event)) => match self.respond(&event).await {
                        Ok(body) => Output::Next(body),
                        Err(errors) => Output::Failed(errors),
                    },
                    Some(Err(error)) => Output::Failed(vec![self.interrupted(&error)]),
                    None => Output::Complete,
                },
            }
        }
    }

    /// The response to an event, by what the caller may see now.
    async fn respond(&mut self, event: &Event) -> Result<Bytes, Vec<GraphqlError>> {
        if self.planned.graph.access(&self.session.caller) != self.planned.access {
            self.replan()?;
        }
        let masked = self.masked(event);
        let span = trace::span("event");
        let responding = self.planned.subscription.respond_to(masked.as_ref().unwrap_or(event));
        let responded = match span.trace() {
            Some(trace) => along::with(Some(along::under(trace)), responding).await,
            None => responding.await,
        };
        responded.map_err(|error| failed(&error))
    }

    /// The event with errors that say no more than clients may read; none where it is so already.
    fn masked(&self, event: &Event) -> Option<Event> {
        let name = &self.planned.source.as_ref()?.1.name;
        let body = mask(name, self.gateway.inner.settings.errors.of(name), &event.body)?;
        Some(Event { number: event.number, body })
    }

    /// Nobody is asked, since the caller may not see the field: there is one response.
    fn refusal(&mut self) -> Output {
        if std::mem::replace(&mut self.refused, true) {
            return Output::Complete;
        }
        match self.planned.subscription.refused() {
            Ok(body) => Output::Next(body),
            Err(error) => Output::Failed(failed(&error)),
        }
    }

    fn interrupted(&self, error: &SourceError) -> GraphqlError {
        let subgraph = self.planned.source.as_ref().map_or("?", |(_, client)| client.name.as_str());
        let mut shown = GraphqlError::new(error.code(), error.public_message(subgraph));
        if !matches!(error, SourceError::TooSlow(_)) {
            shown.extensions.insert("serviceName".to_owned(), subgraph.into());
        }
        shown
    }

    /// The graph changed: go on with the new one, with the same events where they are the same there.
    fn replan(&mut self) -> Result<(), Vec<GraphqlError>> {
        let changed = |mut errors: Vec<GraphqlError>| {
            let message = "the graph changed, and this subscription is no longer valid in it; see the other errors";
            errors.insert(0, GraphqlError::new("SUBSCRIPTION_GRAPH_CHANGED", message));
            errors
        };
        self.gateway = self.gateway.latest();
        self.session.check(&self.gateway).map_err(|error| vec![error])?;
        self.keys = self.session.key_lists(&self.gateway);
        let graph = graph(&self.gateway)?;
        let planned = Planned::new(graph, &self.session, &self.request).map_err(changed)?;
        if !planned.has_events_of(&self.planned) {
            self.consumer = planned.consume(&self.gateway, &self.session);
        }
        self.planned = planned;
        Ok(())
    }
}
