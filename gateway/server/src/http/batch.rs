//! Batches: turns a JSON array of requests into an array of their responses, in the same order.

use super::graphql::{Asked, answer};
use crate::config::BatchingConfig;
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::value::RawValue;
use terrane_graphql::exchange::{Reply, refuse, respond};
use terrane_graphql::{GraphqlError, Request};

/// Whether a body is a batch: its first character is that of an array.
pub fn is_batch(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Run the requests of `body` at the same time. Each is answered as it would be alone, but whole: never in parts.
pub async fn run(config: &BatchingConfig, asked: &Asked<'_>, body: &Bytes) -> Reply {
    let bad =
        |code: &str, message: String| refuse(StatusCode::BAD_REQUEST, asked.media, &[GraphqlError::new(code, message)]);
    if !config.enabled {
        let message = "the body is an array, and batches are not taken; send each operation in a request of its own";
        return bad("BATCHING_NOT_SUPPORTED", message.to_owned());
    }
    let entries: Vec<&RawValue> = match serde_json::from_slice(body) {
        Ok(entries) => entries,
        Err(error) => return bad("BAD_REQUEST", format!("the body is not a JSON array of requests: {error}")),
    };
    let most = config.max_operations;
    if entries.is_empty() || entries.len() > most {
        let message = format!("the batch has {} operations; send between 1 and {most} in one", entries.len());
        return bad("BATCH_SIZE", message);
    }
    let replies = join_all(entries.into_iter().map(|entry| one(asked, entry))).await;
    join(asked, &replies)
}

async fn one(asked: &Asked<'_>, entry: &RawValue) -> Reply {
    match Request::from_json(entry.get().as_bytes()) {
        Ok(mut request) => answer(asked, &mut request).await,
        Err(error) => {
            let error = GraphqlError::new(error.code(), error.to_string());
            refuse(StatusCode::BAD_REQUEST, asked.media, &[error])
        }
    }
}

/// One response of several. Its status is theirs where it is the same for all, as for a caller who is not let in.
fn join(asked: &Asked<'_>, replies: &[Reply]) -> Reply {
    let length = replies.iter().map(|reply| reply.body().len() + 1).sum::<usize>() + 1;
    let mut body = Vec::with_capacity(length);
    body.push(b'[');
    for (index, reply) in replies.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(reply.body());
    }
    body.push(b']');
    let mut joined = respond(asked.media, body);
    let first = replies.first().map_or(StatusCode::OK, Reply::status);
    if replies.iter().all(|reply| reply.status() == first) {
        *joined.status_mut() = first;
    }
    joined
}
