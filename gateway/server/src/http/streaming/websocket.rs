//! WebSockets: turns the operations of a client's socket into operations of the gateway (`terrane_websocket` speaks the protocol).

use crate::gateway::Gateway;
use crate::subscriptions::{Output, Outputs, Session, start, stopped, with_payload};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::transport::along;
use terrane_graphql::Request;
use terrane_websocket::{Host, Limits};

/// A client's socket at a gateway.
#[derive(Clone)]
struct Client {
    gateway: Gateway,
    /// From where, as far as that counts.
    address: Option<IpAddr>,
}

impl Host for Client {
    type Session = Session;

    async fn open(&self, headers: &HeaderMap, payload: Option<&Map<String, Value>>) -> Result<Session, String> {
        let headers = with_payload(headers, payload);
        Session::open(&self.gateway, &headers, self.address).await.map_err(|error| error.message)
    }

    async fn expired(&self, session: &Session) {
        session.expired().await;
    }

    async fn stopped(&self) {
        stopped(&mut self.gateway.inner.subscriptions.stopping.subscribe()).await;
    }

    fn is_complete(&self, request: &Request) -> bool {
        request.query.is_some() || request.document_id.is_some() || request.extensions.is_some()
    }

    fn start(&self, session: &Arc<Session>, request: Request) -> Outputs {
        let starting = start(self.gateway.clone(), Arc::clone(session), request, true);
        let outputs = stream::once(async move {
            let failed = |errors| -> Outputs { stream::iter([Output::Failed(errors)]).boxed() };
            starting.await.unwrap_or_else(failed)
        });
        outputs.flatten().boxed()
    }

    fn stuck(&self) {
        metrics::counter!("terrane_sockets_stuck_total").increment(1);
    }
}

/// Answer an upgrade.
pub(crate) async fn upgrade(gateway: Gateway, head: &mut Parts) -> Response<Body> {
    let config = &gateway.inner.subscriptions.config;
    let place = config.enabled.then(|| gateway.inner.subscriptions.socket("websocket")).flatten();
    let Some(place) = place else {
        let mut response = Response::new(Body::from("no further socket is taken now\n"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let limits = Limits {
        message_bytes: config.message_bytes,
        operations: config.operations_per_socket,
        too_many: "TOO_MANY_SUBSCRIPTIONS",
        init: Duration::from_secs(config.init_timeout_seconds),
        heartbeat: config.heartbeat(),
        send: Duration::from_secs(config.send_timeout_seconds.max(1)),
    };
    let address = gateway.inner.rates.address(&head.headers, &head.extensions);
    let along = along::current();
    let client = Client { gateway, address };
    terrane_websocket::upgrade(client, place, limits, head, |serving| along::with(along, serving)).await
}
