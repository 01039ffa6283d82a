//! Following: turns the feeds of all products into one stream of events, which goes on while a product is away.
//!
//! Each product is read by a task of its own, which waits where the reader does not take what it has: what is held in memory is
//! some events of each product, whatever happens.

use super::feed::{Feed, Silence};
use super::lost;
use crate::gateway::Gateway;
use crate::subgraph::SubgraphSource;
use crate::subscriptions::Session;
use http::HeaderMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// A product that is away, or has ended its stream, is asked again after this long, and then after twice as long each time, up
/// to the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);
/// Who may not know of a product may by and by.
const CLOSED: Duration = Duration::from_secs(30);

/// What comes of following.
#[derive(Debug)]
pub enum Told {
    /// Something happened to a product.
    Event {
        /// The product.
        product: String,
        /// Its place in the product's feed.
        position: i64,
        /// What it is about.
        kind: String,
        /// The CloudEvent.
        text: String,
    },
    /// Events of a product are not kept any more, and it is read from its oldest again; the CloudEvent says so.
    Lost {
        /// The product.
        product: String,
        /// The CloudEvent.
        text: String,
    },
    /// Who asked is not let in any more.
    Unauthenticated(String),
}

/// Tell `out` what happens to a product after `position`, until nobody listens.
pub async fn follow(
    gateway: Gateway,
    headers: HeaderMap,
    source: SubgraphSource,
    mut position: Option<i64>,
    out: mpsc::Sender<Told>,
) {
    let mut pause = FIRST;
    loop {
        // anew each time: what stands for a session at products does not last as long as it
        let session = match Session::open(&gateway, &headers, None).await {
            Ok(session) => session,
            Err(error) => {
                // where nobody listens any more, nobody need be told
                let _ = out.send(Told::Unauthenticated(error.message)).await;
                return;
            }
        };
        let feed = Feed { gateway: &gateway, source: &source, forwarded: &session.forwarded };
        let silence = match feed.stream(position).await {
            Ok(mut events) => {
                let begun = position;
                while let Some(event) = events.next().await {
                    position = Some(event.position);
                    let (product, position) = (source.name.clone(), event.position);
                    let told = Told::Event { product, position, kind: event.kind, text: event.text };
                    if out.send(told).await.is_err() {
                        return;
                    }
                }
                if begun != position {
                    pause = FIRST;
                }
                Silence::Away
            }
            Err(silence) => silence,
        };
        match silence {
            Silence::Expired => {
                let told = Told::Lost { product: source.name.clone(), text: lost(&source, position).to_string() };
                position = None;
                if out.send(told).await.is_err() {
                    return;
                }
            }
            Silence::Closed => wait(&out, CLOSED).await,
            // its token may have expired on the way: the next round tells
            Silence::Away | Silence::Unauthenticated => {
                wait(&out, pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
        if out.is_closed() {
            return;
        }
    }
}

/// Wait, but no longer than anybody listens.
async fn wait(out: &mpsc::Sender<Told>, time: Duration) {
    tokio::select! {
        () = sleep(time) => {}
        () = out.closed() => {}
    }
}
