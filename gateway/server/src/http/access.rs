//! The access log: turns each request for an operation, and what became of it, into one line.

use super::graphql::Noted;
use crate::documents::{digest, hex};
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::request;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use terrane_telemetry::along::{self, Along};

/// Characters of an operation's name that a line has at most.
pub const LONGEST_NAME: usize = 100;

/// A line to be. It has no header's value, no variable and no text of a document: nothing that may be secret.
pub struct Line {
    started: Instant,
    method: http::Method,
    client: Option<SocketAddr>,
}

impl Line {
    /// Begin when the head of the request is there.
    pub fn begin(head: &request::Parts) -> Self {
        let client = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        Self { started: Instant::now(), method: head.method.clone(), client }
    }

    /// The response, which writes the line when it has been sent, or given up.
    pub fn end(self, mut response: Response) -> Response {
        let noted = response.extensions_mut().remove::<Noted>();
        let status = response.status().as_u16();
        let along = along::current();
        response.map(|body| Body::new(Logged { body, bytes: 0, complete: false, status, along, noted, line: self }))
    }
}

struct Logged {
    body: Body,
    bytes: u64,
    complete: bool,
    status: u16,
    along: Option<Along>,
    noted: Option<Noted>,
    line: Line,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.complete = self.body.is_end_stream();
            }
            Poll::Ready(None) => self.complete = true,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let noted = self.noted.take();
        let named = noted.as_ref().and_then(|noted| noted.operation.as_deref());
        let operation: Option<String> = named.map(|name| name.chars().take(LONGEST_NAME).collect());
        let document = noted.as_ref().and_then(|noted| noted.document.as_ref()).map(|document| hex(&digest(document)));
        tracing::info!(
            target: "terrane::access",
            request_id = self.along.as_ref().and_then(|along| along.id()),
            trace_id = self.along.as_ref().and_then(|along| along.trace.id()),
            client = self.line.client.map(|client| client.ip().to_string()),
            method = self.line.method.as_str(),
            operation,
            document,
            outcome = noted.map(|noted| noted.outcome),
            status = self.status,
            bytes = self.bytes,
            duration_ms = self.line.started.elapsed().as_secs_f64() * 1000.0,
            complete = self.complete,
            "request"
        );
    }
}
