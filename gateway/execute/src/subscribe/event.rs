//! Events: turns a subscription's program into the question to its event source, and each event into a response.

use super::Event;
use crate::error::ExecuteError;
use crate::program::Program;
use crate::read::Target;
use crate::respond::respond;
use crate::run::{Executor, Run, Sent};
use crate::transport::Received;
use crate::variables::Variables;
use apollo_compiler::ast::OperationType;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value as Json};
use smallvec::smallvec;
use std::sync::Arc;

/// What is asked of an event source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRequest {
    /// The subgraph, by the number that it has in the supergraph.
    pub subgraph: usize,
    /// `{"query":"subscription…","variables":{…}}`
    pub body: Bytes,
}

/// A subscription of one client: a program, its variables, and the headers that go along.
#[derive(Debug)]
pub struct Subscription {
    executor: Arc<Executor>,
    program: Arc<Program>,
    variables: Variables,
    headers: HeaderMap,
}

impl Subscription {
    /// A subscription that an executor of the program's supergraph runs.
    ///
    /// # Errors
    /// [`ExecuteError`] when the variables don't fit, or the program is of another kind of operation.
    pub fn new(
        executor: Arc<Executor>,
        program: Arc<Program>,
        variables: Option<&Map<String, Json>>,
        headers: HeaderMap,
    ) -> Result<Self, ExecuteError> {
        if program.plan.kind != OperationType::Subscription {
            return Err(ExecuteError::Unsupported("the operation is no subscription".to_owned()));
        }
        let variables = Variables::coerce(program.supergraph.api_schema(), &program.operation, variables)?;
        Ok(Self { executor, program, variables, headers })
    }

    /// What to ask of whom. None where nothing is to be asked, since the caller may not see the field: the one response
    /// is that of [`Self::refused`].
    pub fn source(&self) -> Option<SourceRequest> {
        let request = self.program.requests.first()?;
        let mut body = request.head.to_vec();
        self.variables.write(&mut body, &request.variables, true);
        body.extend_from_slice(b"}}");
        Some(SourceRequest { subgraph: request.subgraph, body: body.into() })
    }

    /// The response where there is no source.
    ///
    /// # Errors
    /// As [`Self::respond_to`].
    pub fn refused(&self) -> Result<Bytes, ExecuteError> {
        let run = Run::new(&self.executor, &self.program, &self.variables, &self.headers)?;
        Ok(respond(run.source()).0.into())
    }

    /// The response to an event: its data, with what the other requests of the plan add.
    ///
    /// # Errors
    /// [`ExecuteError`] when the operation can't run at all. What goes wrong for one event is in its response.
    pub async fn respond_to(&self, event: &Event) -> Result<Bytes, ExecuteError> {
        self.executor.not_before(event.number);
        let mut run = Run::new(&self.executor, &self.program, &self.variables, &self.headers)?;
        let Some(request) = self.program.requests.first() else { return self.refused() };
        let read = self.program.fetches[request.fetches[0]].branches[0];
        let target = Target { read, objects: smallvec![run.root] };
        run.started[0] = true;
        run.finish(Sent {
            request: 0,
            targets: vec![vec![target]],
            keys: None,
            guards: Vec::new(),
            found: None,
            answered: Some(Ok(Received { status: StatusCode::OK, body: event.body.clone(), freshness: None })),
        });
        run.all().await;
        Ok(respond(run.source()).0.into())
    }
}
