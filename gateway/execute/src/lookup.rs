//! Lookups: turns a request whose answers may be kept into those that are, and the request for the others.

use crate::cache::{AnswerCache, Cached, Freshness, Keys, Prefix};
use crate::program::RequestCode;
use crate::read::Target;
use crate::subgraph::Subgraph;
use crate::targets::Collected;
use crate::transport::{Answered, Headers, Identity, Received, Shares};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub number: usize,
    pub subgraph: Arc<Subgraph>,
    pub requests: Arc<Shares<Identity, Answered>>,
    pub shareable: bool,
}

impl Sender {
    /// Send a body to the subgraph; equal queries under way are one.
    pub fn send(self, body: Bytes, headers: &Headers) -> BoxFuture<'static, Answered> {
        let Self { number, subgraph, requests, shareable } = self;
        if !shareable {
            return subgraph.post(body, Arc::clone(headers), true).boxed();
        }
        let identity = Identity::new(number, body.clone(), Arc::clone(headers));
        let mut joined = true;
        let asked = requests.join(identity, || {
            joined = false;
            Arc::clone(&subgraph).post(body, Arc::clone(headers), false)
        });
        if joined {
            subgraph.meters.joined();
        }
        asked.boxed()
    }
}

/// A request in the pieces that its answers are kept by.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// `{"query":"…","variables":{`
    head: Vec<u8>,
    /// By fetch of entities: `"name":`, and the representations. Nothing for the one fetch of a root.
    entities: Vec<(Vec<u8>, Collected)>,
    /// The root's target.
    root: Vec<Target>,
    /// The other variables, and what closes the body.
    tail: Vec<u8>,
}

/// What was found, and the keys of what was not.
#[derive(Debug)]
pub(crate) struct Found {
    /// Entities.
    pub kept: Vec<(Target, Bytes)>,
    /// For how long all of them are fresh; none where there are none.
    pub freshness: Option<Freshness>,
    /// By fetch: the keys of the targets that were asked for.
    pub keys: Vec<Vec<Keys>>,
}

/// What became of a request: its targets by fetch, and the answer where somebody was asked.
pub(crate) struct LookedUp {
    pub targets: Vec<Vec<Target>>,
    pub answered: Option<Answered>,
    pub found: Found,
}

impl Pieces {
    pub fn new(request: &RequestCode, capacity: usize) -> Self {
        Self { head: request.head.to_vec(), entities: Vec::with_capacity(capacity), root: Vec::new(), tail: Vec::new() }
    }

    /// A fetch of the root.
    pub fn root(&mut self, target: Target) {
        self.root.push(target);
    }

    /// A fetch of entities, maybe of none.
    pub fn entities(&mut self, name: &[u8], collected: Collected) {
        self.entities.push((name.to_vec(), collected));
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty() && self.entities.iter().all(|(_, collected)| collected.targets.is_empty())
    }

    /// The other variables: `"name":value`, separated by commas, the first after one where there are entities.
    pub fn variables(&mut self, write: impl FnOnce(&mut Vec<u8>, bool)) {
        write(&mut self.tail, self.entities.is_empty());
        self.tail.extend_from_slice(b"}}");
    }

    fn keys(&self, prefix: &Prefix) -> Vec<Vec<Keys>> {
        if !self.root.is_empty() {
            return vec![vec![prefix.keys(b"", b"")]];
        }
        let keys = |(name, collected): &(Vec<u8>, Collected)| {
            let texts = collected.ranges.iter().map(|&(from, to)| &collected.bytes[from..to]);
            texts.map(|text| prefix.keys(name, text)).collect()
        };
        self.entities.iter().map(keys).collect()
    }

    /// Find what is kept, and ask for the rest.
    pub async fn look_up(
        self,
        cache: Arc<AnswerCache>,
        cached: Arc<Cached>,
        sender: Sender,
        headers: Headers,
    ) -> LookedUp {
        let subgraph = sender.subgraph.client.name.as_str();
        let prefix = Prefix::new(subgraph, cached.version(), &self.head, &self.tail, &headers);
        let keys = self.keys(&prefix);
        let flat: Vec<Keys> = keys.iter().flatten().copied().collect();
        let mut entries = cache.get(&flat).await.into_iter();
        let hits = entries.as_slice().iter().flatten().count();
        cached.hits.fetch_add(hits as u64, Ordering::Relaxed);
        cached.misses.fetch_add((flat.len() - hits) as u64, Ordering::Relaxed);
        let mut found = Found { kept: Vec::new(), freshness: None, keys };
        if !self.root.is_empty() {
            let whole = entries.next().flatten();
            let answered = match whole {
                Some((kept, freshness)) => {
                    found.keys.clear();
                    Ok(Received { status: http::StatusCode::OK, body: kept.text, freshness: Some(freshness) })
                }
                None => sender.send([self.head, self.tail].concat().into(), &headers).await,
            };
            return LookedUp { targets: vec![self.root], answered: Some(answered), found };
        }
        let mut body = self.head;
        let mut targets = Vec::with_capacity(self.entities.len());
        for (i, (name, collected)) in self.entities.into_iter().enumerate() {
            if i > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&name);
            body.push(b'[');
            let mut missing = Vec::new();
            let mut wanted = Vec::new();
            let each = collected.targets.into_iter().zip(&collected.ranges).zip(&found.keys[i]);
            for (((target, &(from, to)), keys), entry) in each.zip(&mut entries) {
                if let Some((kept, freshness)) = entry {
                    found.freshness = Some(found.freshness.map_or(freshness, |least| least.and(freshness)));
                    found.kept.push((target, kept.text));
                    continue;
                }
                if !missing.is_empty() {
                    body.push(b',');
                }
                body.extend_from_slice(&collected.bytes[from..to]);
                missing.push(target);
                wanted.push(*keys);
            }
            body.push(b']');
            targets.push(missing);
            found.keys[i] = wanted;
        }
        body.extend_from_slice(&self.tail);
        let asks = targets.iter().any(|missing| !missing.is_empty());
        let answered = if asks { Some(sender.send(body.into(), &headers).await) } else { None };
        LookedUp { targets, answered, found }
    }
}
