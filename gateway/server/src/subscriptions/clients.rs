//! Clients: turns what is known of subgraphs into how their events are asked for.

use super::Subscriptions;
use crate::config::Limits;
use crate::subgraph::SubgraphSource;
use std::time::Duration;
use terrane_execute::subscribe::{Gate, SourceClient};
use terrane_plan::Supergraph;
use url::Url;

/// By subgraph of the supergraph: how its events are asked for. `gates` are in the same order.
///
/// # Errors
/// An address that is none.
pub(crate) fn source_clients(
    supergraph: &Supergraph,
    sources: &[SubgraphSource],
    limits: &Limits,
    subscriptions: &Subscriptions,
    gates: Vec<Option<Gate>>,
) -> Result<Vec<SourceClient>, String> {
    let client = |(subgraph, gate): (&terrane_plan::Subgraph, Option<Gate>)| {
        let source = sources.iter().find(|source| source.name == subgraph.name);
        let own = source.map_or(subgraph.url.as_str(), |source| source.url.as_str());
        let events = source.map(|source| source.events.clone()).unwrap_or_default();
        let url = match &events.url {
            Some(url) => join(own, url),
            None => Some(own.to_owned()),
        };
        let uri = url.and_then(|url| url.parse().ok());
        let shown = || format!("the address of events of subgraph `{}` is neither a URL nor a path", subgraph.name);
        Ok(SourceClient {
            name: subgraph.name.clone(),
            uri: uri.ok_or_else(shown)?,
            protocol: events.protocol,
            transport: events.transport.unwrap_or_else(|| subscriptions.streams.transport()),
            timeout: Duration::from_secs(limits.subgraph_timeout_seconds),
            heartbeat: subscriptions.config.heartbeat(),
            event_bytes: subscriptions.config.event_bytes,
            gate,
        })
    };
    supergraph.subgraphs().iter().zip(gates).map(client).collect()
}

/// A URL, or a path on the host of another URL.
fn join(own: &str, given: &str) -> Option<String> {
    match Url::parse(given) {
        Ok(url) => Some(url.to_string()),
        Err(_) => Some(Url::parse(own).ok()?.join(given).ok()?.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn a_path_is_on_the_subgraphs_own_host() {
        assert_eq!(join("http://a:4001/graphql?x=1", "/events").unwrap(), "http://a:4001/events");
        assert_eq!(join("http://a:4001/graphql", "wss://b/ws").unwrap(), "wss://b/ws");
        assert_eq!(join("nowhere", "/events"), None);
    }
}
