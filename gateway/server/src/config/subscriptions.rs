//! Subscriptions: the settings of streams to clients and from subgraphs.

use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use terrane_execute::subscribe::{HubOptions, Overflow, Protocol};

/// Streams to clients, and those of subgraphs that feed them.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriptionsConfig {
    /// Whether subscriptions are served; WebSockets and streams of other operations go with them.
    pub enabled: bool,
    /// Seconds between two signs of life on each stream and socket.
    pub heartbeat_seconds: u64,
    /// Seconds that a WebSocket has until its `connection_init`, and a reserved stream until it is opened.
    pub init_timeout_seconds: u64,
    /// Seconds after which a socket whose client takes nothing is closed.
    pub send_timeout_seconds: u64,
    /// WebSockets and reserved streams at most.
    pub sockets: usize,
    /// Subscriptions at most, of all clients.
    pub subscriptions: usize,
    /// Operations under way on one socket or reserved stream at most.
    pub operations_per_socket: usize,
    /// Bytes of a client's message on a WebSocket at most.
    pub message_bytes: usize,
    /// Events that may wait for one subscription.
    pub queue_events: usize,
    /// What becomes of a subscription for which more would wait.
    pub slow_consumer: SlowConsumer,
    /// Bytes of one event of a subgraph at most.
    pub event_bytes: usize,
    /// Equal subscriptions with equal forwarded headers share one stream of the subgraph.
    pub share: bool,
    /// What is done when a subgraph's stream breaks.
    pub reconnect: ReconnectConfig,
}

/// What becomes of a subscription whose client is slower than its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlowConsumer {
    /// It ends with `SUBSCRIPTION_TOO_SLOW`, after the events that wait.
    #[default]
    End,
    /// The oldest events that wait are left out.
    Skip,
}

/// How a subgraph's stream is opened again.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReconnectConfig {
    /// How often in a row; 0 never.
    pub attempts: u32,
    /// Milliseconds before the first time; twice as many before each further one.
    pub delay_ms: u64,
    /// The longest wait in milliseconds.
    pub most_delay_ms: u64,
}

/// How one subgraph sends events.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubgraphSubscriptions {
    /// Over what.
    pub protocol: SourceProtocol,
    /// Where, if not at the subgraph's own address: a URL (`http`, `https`, `ws`, `wss`), or a path on the same host.
    pub url: Option<String>,
}

/// The protocol of a subgraph's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceProtocol {
    /// A POST request; SSE or multipart, as the subgraph answers.
    #[default]
    Http,
    /// A POST request answered with `text/event-stream`.
    Sse,
    /// A POST request answered with `multipart/mixed; subscriptionSpec=1.0`.
    Multipart,
    /// A WebSocket with the sub-protocol `graphql-transport-ws`.
    Websocket,
}

impl Default for SubscriptionsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            heartbeat_seconds: 15,
            init_timeout_seconds: 10,
            send_timeout_seconds: 30,
            sockets: 20_000,
            subscriptions: 50_000,
            operations_per_socket: 100,
            message_bytes: 1024 * 1024,
            queue_events: 64,
            slow_consumer: SlowConsumer::default(),
            event_bytes: 1024 * 1024,
            share: true,
            reconnect: ReconnectConfig::default(),
        }
    }
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self { attempts: 5, delay_ms: 200, most_delay_ms: 10_000 }
    }
}

impl SubscriptionsConfig {
    pub(crate) fn hub_options(&self) -> HubOptions {
        HubOptions {
            queue_events: self.queue_events,
            overflow: match self.slow_consumer {
                SlowConsumer::End => Overflow::End,
                SlowConsumer::Skip => Overflow::Skip,
            },
            share: self.share,
            reconnects: self.reconnect.attempts,
            reconnect_delay: Duration::from_millis(self.reconnect.delay_ms),
            reconnect_delay_most: Duration::from_millis(self.reconnect.most_delay_ms),
        }
    }

    /// Between two signs of life; no less than a second.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds.max(1))
    }
}

impl From<SourceProtocol> for Protocol {
    fn from(protocol: SourceProtocol) -> Self {
        match protocol {
            SourceProtocol::Http => Self::Http,
            SourceProtocol::Sse => Self::Sse,
            SourceProtocol::Multipart => Self::Multipart,
            SourceProtocol::Websocket => Self::WebSocket,
        }
    }
}
