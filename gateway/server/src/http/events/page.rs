//! Pages: turns what products tell after a reader's positions into one page of events, in each product's order.

use super::feed::{Feed, Silence};
use super::positions::Positions;
use super::{lost, products};
use crate::gateway::Gateway;
use futures_util::future::join_all;
use http::HeaderMap;
use serde_json::Value;
use std::collections::VecDeque;

/// Events of all products.
#[derive(Debug, Default)]
pub struct Page {
    /// CloudEvents, by time; those of one product in its order.
    pub events: Vec<Value>,
    /// Where to go on.
    pub positions: Positions,
    /// Products that did not answer: what they have to tell comes with a later page.
    pub away: Vec<String>,
}

/// What one product has for a page.
struct Told {
    product: String,
    events: VecDeque<Value>,
    /// Up to where was looked, where all of them are taken.
    seen: i64,
}

/// The next `first` events after `positions`.
///
/// # Errors
/// [`Silence::Unauthenticated`].
pub async fn page(
    gateway: &Gateway,
    forwarded: &HeaderMap,
    positions: Positions,
    first: usize,
) -> Result<Page, Silence> {
    let mut page = Page { positions, ..Page::default() };
    let asked = products(gateway).map(|source| {
        let (feed, position) = (Feed { gateway, source, forwarded }, page.positions.of(&source.name));
        async move {
            match feed.page(position, first).await {
                Err(Silence::Expired) => (source, true, feed.page(None, first).await),
                told => (source, false, told),
            }
        }
    });
    let mut told = Vec::new();
    for (source, expired, answer) in join_all(asked.collect::<Vec<_>>()).await {
        let product = source.name.clone();
        if expired {
            page.events.push(lost(source, page.positions.of(&product)));
            page.positions.forget(&product);
        }
        match answer {
            Ok((events, seen)) => told.push(Told { product, events: events.into(), seen }),
            Err(Silence::Unauthenticated) => return Err(Silence::Unauthenticated),
            Err(Silence::Closed) => {}
            Err(Silence::Away | Silence::Expired) => page.away.push(product),
        }
    }
    while page.events.len() < first {
        let open = told.iter_mut().filter(|of| !of.events.is_empty());
        let Some(next) = open.min_by(|one, other| time(&one.events).cmp(time(&other.events))) else { break };
        let Some(event) = next.events.pop_front() else { break };
        if let Some(position) = event["sequence"].as_str().and_then(|text| text.parse().ok()) {
            page.positions.reach(&next.product, position);
        }
        page.events.push(event);
    }
    for of in told.iter().filter(|of| of.events.is_empty()) {
        page.positions.reach(&of.product, of.seen);
    }
    Ok(page)
}

/// When the next of them happened. All products write moments in UTC.
fn time(events: &VecDeque<Value>) -> &str {
    events.front().and_then(|event| event["time"].as_str()).unwrap_or_default()
}
