//! Origins: turns the connection and the headers of a request into where it comes from.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::SocketAddr;

/// What clients call themselves, the first that is there.
const NAMES: [HeaderName; 3] = [
    HeaderName::from_static("x-client-name"),
    HeaderName::from_static("apollographql-client-name"),
    http::header::USER_AGENT,
];
/// For whom a gateway or proxy says that it asks, the first that is there.
const FORWARDED: [HeaderName; 2] = [HeaderName::from_static("x-forwarded-for"), http::header::FORWARDED];

/// Where a request comes from. Headers are what somebody says, and are on record as that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The id of the request.
    pub(super) request: Option<HeaderValue>,
    /// The other end of the connection; none within a process.
    pub(super) client: Option<SocketAddr>,
    /// Who asks, as a gateway or proxy says.
    pub(super) forwarded: Option<HeaderValue>,
    /// What the client calls itself.
    pub(super) name: Option<HeaderValue>,
}

impl Origin {
    /// Of a request with these headers, under this id, from this address.
    pub(crate) fn of(headers: &HeaderMap, request: Option<HeaderValue>, client: Option<SocketAddr>) -> Self {
        let first = |names: &[HeaderName]| names.iter().find_map(|name| headers.get(name)).cloned();
        Self { request, client, forwarded: first(&FORWARDED), name: first(&NAMES) }
    }
}
