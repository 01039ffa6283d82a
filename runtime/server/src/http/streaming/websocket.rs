//! WebSockets: turns the operations of a client's socket into operations of the product (`terrane_websocket` speaks the protocol).

use super::too_many;
use crate::as_of;
use crate::audit::{self, Account, GRAPHQL, Origin, UNAVAILABLE, UNRECORDED};
use crate::service::ProductService;
use crate::streams::{HEARTBEAT, Output, Outputs, Session, bounded, start, with_payload};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use terrane_graphql::{GraphqlError, Request};
use terrane_websocket::{Host, Limits};

const LIMITS: Limits = Limits {
    message_bytes: 1024 * 1024,
    operations: 100,
    too_many: "TOO_MANY_STREAMS",
    init: Duration::from_secs(10),
    heartbeat: HEARTBEAT,
    send: Duration::from_secs(30),
};

/// A client's socket at a product.
#[derive(Clone)]
struct Client(ProductService, Origin);

impl Host for Client {
    type Session = Session;

    async fn open(&self, headers: &HeaderMap, payload: Option<&Map<String, Value>>) -> Result<Session, String> {
        if let Some(message) = as_of::refuse_stream(headers) {
            return Err(message);
        }
        Session::open(&self.0, &with_payload(headers, payload)).await.map_err(|error| error.to_string())
    }

    async fn expired(&self, session: &Session) {
        session.expired().await;
    }

    async fn stopped(&self) {
        self.0.streams().stopped().await;
    }

    fn start(&self, session: &Arc<Session>, request: Request) -> terrane_websocket::Outputs {
        let (service, session) = (self.0.clone(), Arc::clone(session));
        let account = Account::new(self.1.clone(), GRAPHQL);
        account.note(|draft| draft.caller(&session.caller, session.authorization.as_deref()));
        let outputs = stream::once(async move {
            if service.audit().is_closed() {
                return unrecorded();
            }
            let started = start(&service, &session.caller, &request, true, None);
            let started = audit::scope(Some(Arc::clone(&account)), started).await;
            if let Err(errors) = &started {
                account.note(|draft| draft.errors(errors));
            }
            if !service.audit().begin(&account) {
                return unrecorded();
            }
            match started {
                // the socket itself watches over the token and the end of the product
                Ok(started) => bounded(started.outputs, &session, std::future::pending()),
                Err(errors) => stream::iter([Output::Failed(errors)]).boxed(),
            }
        });
        outputs.flatten().map(without_position).boxed()
    }
}

/// What is not put on record is not answered.
fn unrecorded() -> Outputs {
    stream::iter([Output::Failed(vec![GraphqlError::new(UNAVAILABLE, UNRECORDED)])]).boxed()
}

/// This protocol has no place for positions: who wants to go on where it was asks for `after`.
fn without_position(output: Output) -> terrane_websocket::Output {
    match output {
        Output::Next(body, _) => terrane_websocket::Output::Next(body),
        Output::Failed(errors) => terrane_websocket::Output::Failed(errors),
        Output::Complete => terrane_websocket::Output::Complete,
    }
}

/// Answer an upgrade.
pub async fn upgrade(service: ProductService, head: &mut Parts) -> Response<Body> {
    let Some(place) = service.streams().place() else {
        let mut response = Response::new(Body::from(format!("{}\n", too_many().message)));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let origin = Account::current().map(|account| account.origin().clone()).unwrap_or_default();
    audit::note(|draft| draft.connects());
    terrane_websocket::upgrade(Client(service, origin), place, LIMITS, head, |serving| serving).await
}
