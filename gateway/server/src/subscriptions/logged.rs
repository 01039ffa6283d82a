//! Logging: turns an operation over a long connection into one line of the access log, when it is over.

use super::{Output, Outputs};
use crate::documents::{digest, hex};
use futures_util::stream::{self, StreamExt as _};
use std::net::IpAddr;
use std::time::Instant;
use terrane_graphql::{GraphqlError, Request};
use terrane_telemetry::along::{self, Along};

/// Characters of an operation's name that a line has at most.
const LONGEST_NAME: usize = 100;

/// A line to be. Like that of a plain request, it has no header's value, no variable and no text of a document.
pub(crate) struct Line {
    started: Instant,
    client: Option<IpAddr>,
    operation: Option<String>,
    document: Option<String>,
    outcome: &'static str,
    responses: u64,
    bytes: u64,
    along: Option<Along>,
}

impl Line {
    /// Begin when the operation comes.
    pub fn begin(request: &Request, client: Option<IpAddr>) -> Self {
        let operation = request.operation_name.as_deref().map(|name| name.chars().take(LONGEST_NAME).collect());
        let document = request.query.as_ref().map(|document| hex(&digest(document)));
        Self {
            started: Instant::now(),
            client,
            operation,
            document,
            // until something else becomes of it
            outcome: "left",
            responses: 0,
            bytes: 0,
            along: along::current(),
        }
    }

    /// The line is written when the outputs end, or nobody takes them any more.
    pub fn end(mut self, outputs: Result<Outputs, Vec<GraphqlError>>) -> Result<Outputs, Vec<GraphqlError>> {
        let outputs = outputs.inspect_err(|_| self.outcome = "refused")?;
        let logged = stream::unfold((outputs, self), |(mut outputs, mut line)| async move {
            let output = outputs.next().await?;
            match &output {
                Output::Next(body) => {
                    line.responses += 1;
                    line.bytes += body.len() as u64;
                }
                Output::Failed(_) => line.outcome = "failed",
                Output::Complete => line.outcome = "complete",
            }
            Some((output, (outputs, line)))
        });
        Ok(logged.boxed())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(
            target: "terrane::access",
            request_id = self.along.as_ref().and_then(|along| along.id()),
            trace_id = self.along.as_ref().and_then(|along| along.trace.id()),
            client = self.client.map(|client| client.to_string()),
            operation = self.operation,
            document = self.document,
            outcome = self.outcome,
            responses = self.responses,
            bytes = self.bytes,
            duration_ms = self.started.elapsed().as_secs_f64() * 1000.0,
            "operation over a stream"
        );
    }
}
