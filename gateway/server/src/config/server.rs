//! Settings of the server: turns the `server` section into how connections are taken, kept and ended.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// How connections are taken, kept and ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// TLS; without it, the address speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Connections at the same time; more wait until one ends.
    pub max_connections: u32,
    /// Seconds that a new connection has for its handshake and the head of its first request.
    pub header_timeout_seconds: u64,
    /// Seconds that the body of a request has to arrive.
    pub body_timeout_seconds: u64,
    /// Seconds that a connection without requests is kept, and that a client may leave a response unread.
    pub keep_alive_seconds: u64,
    /// Requests at the same time over one HTTP/2 connection.
    pub http2_max_streams: u32,
    /// Seconds after SIGTERM in which requests are still taken, while `/health/ready` says that no more should come.
    pub shutdown_delay_seconds: u64,
    /// Seconds after that for the requests under way.
    pub drain_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: 20_000,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
            keep_alive_seconds: 75,
            http2_max_streams: 200,
            shutdown_delay_seconds: 0,
            drain_seconds: 10,
        }
    }
}

/// Certificate and key, as PEM; read again when the files change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}
