//! The shared store: turns answers that one gateway keeps into answers that all gateways with the same Redis have.
//!
//! What is wrong with the Redis never changes an answer: one that is gone, slow, or full of something else has nothing.

mod form;
mod link;
mod numbers;
mod writer;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use link::{Connection, Link, Trouble};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;
use terrane_execute::cache::{Kept, MemoryStore, Store, now};
use tokio::task::JoinSet;

/// How a Redis is used.
#[derive(Clone)]
pub struct Options {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `unix:///PATH`.
    pub url: String,
    /// What all keys begin with.
    pub prefix: String,
    /// Until a lookup is given up.
    pub timeout: Duration,
    /// Bytes of what waits to be written; more is dropped.
    pub queue_bytes: u32,
    /// Bytes of what is kept in memory in front of it; 0 is nothing.
    pub near_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            prefix: "terrane:".to_owned(),
            timeout: Duration::from_millis(50),
            queue_bytes: 16 * 1024 * 1024,
            near_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none of a Redis.
    #[error("not the URL of a Redis (`redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`): {0}")]
    Url(#[source] redis::RedisError),
}

/// A store in a Redis, with a memory of its own in front of it.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    queue: writer::Queue,
    near: Option<Arc<MemoryStore>>,
    prefix: Arc<[u8]>,
    timeout: Duration,
    /// What connects and writes; ends with the store.
    _tasks: JoinSet<()>,
}

impl RedisStore {
    /// Whether a URL is one of a Redis.
    ///
    /// # Errors
    /// It is none.
    pub fn check(url: &str) -> Result<(), OpenError> {
        redis::Client::open(url).map(drop).map_err(OpenError::Url)
    }

    /// A store in the Redis of a URL. It is connected to in the background: nobody waits for it, now or later.
    ///
    /// Has to be called inside of a Tokio runtime.
    ///
    /// # Errors
    /// The URL is none of a Redis.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let client = redis::Client::open(options.url.as_str()).map_err(OpenError::Url)?;
        let prefix: Arc<[u8]> = options.prefix.as_bytes().into();
        let link = Link::new();
        let (queue, writer) = writer::queue(options.queue_bytes);
        let mut tasks = JoinSet::new();
        tasks.spawn(link.clone().keep(client, options.timeout));
        tasks.spawn(writer.run(link.clone(), Arc::clone(&prefix)));
        let near = (options.near_bytes > 0).then(|| Arc::new(MemoryStore::new(options.near_bytes)));
        Ok(Self { link, queue, near, prefix, timeout: options.timeout, _tasks: tasks })
    }

    /// Wait until there is a connection to the Redis, or is none.
    pub async fn becomes(&self, connected: bool) {
        self.link.becomes(connected).await;
    }

    /// Whether there is a connection to the Redis now.
    pub fn is_connected(&self) -> bool {
        self.link.connection().is_some()
    }

    /// Wait until all that was put is written, or dropped.
    pub async fn written(&self) {
        self.queue.is_empty().await;
    }

    /// How many answers and entities were not written: the queue was full, or the Redis did not take them.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.count()
    }
}

impl Store for RedisStore {
    fn get(&self, answers: Vec<[[u8; 32]; 2]>) -> BoxFuture<'static, Vec<Option<Kept>>> {
        let mut found = match &self.near {
            Some(near) => near.find(&answers),
            None => vec![None; answers.len()],
        };
        if found.iter().all(Option::is_some) {
            return ready(found).boxed();
        }
        let Some(connection) = self.link.connection() else {
            count("down");
            return ready(found).boxed();
        };
        let missing: Vec<usize> = (0..found.len()).filter(|&at| found[at].is_none()).collect();
        let mut command = redis::cmd("MGET");
        for key in missing.iter().flat_map(|&at| &answers[at]) {
            command.arg([&self.prefix[..], key].concat());
        }
        let (link, near, most) = (self.link.clone(), self.near.clone(), self.timeout);
        async move {
            let values = ask(&link, connection, most, &command).await.unwrap_or_default();
            let mut values = values.into_iter();
            let mut entries = Vec::new();
            for at in missing {
                let pair = answers[at].map(|key| (key, values.next()));
                if let Some((key, kept)) = pair.into_iter().filter_map(|(key, value)| read(key, value?)).next() {
                    entries.push((key, kept.clone()));
                    found[at] = Some(kept);
                }
            }
            if let Some(near) = near {
                near.put(entries);
            }
            found
        }
        .boxed()
    }

    fn put(&self, entries: Vec<([u8; 32], Kept)>) {
        if let Some(near) = &self.near {
            near.put(entries.clone());
        }
        self.queue.offer(entries, &self.link);
    }

    fn numbers(&self, names: Vec<(String, bool)>) -> BoxFuture<'static, Vec<Option<u64>>> {
        let nothing = vec![None; names.len()];
        let Some(connection) = self.link.connection().filter(|_| !names.is_empty()) else {
            return ready(nothing).boxed();
        };
        let (link, prefix) = (self.link.clone(), Arc::clone(&self.prefix));
        async move { numbers::ask(&link, &connection, &prefix, &names).await.unwrap_or(nothing) }.boxed()
    }
}

/// The values of an `MGET`; `None` where there was no answer in time, or another one.
async fn ask(link: &Link, connection: Connection, most: Duration, command: &redis::Cmd) -> Option<Vec<Value>> {
    let mut commands = connection.commands.clone();
    match link.run(&connection, most, command.query_async::<Vec<Value>>(&mut commands)).await {
        Ok(values) => {
            connection.answered();
            count("answered");
            Some(values)
        }
        Err(trouble) => {
            tracing::debug!(%trouble, "a lookup in the Redis of the cache failed");
            count(match trouble {
                Trouble::Late => "late",
                Trouble::Failed(_) => "failed",
                Trouble::Refused(_) => "refused",
            });
            None
        }
    }
}

/// What a value is, where it is something that is fresh.
fn read(key: [u8; 32], value: Value) -> Option<([u8; 32], Kept)> {
    let Value::BulkString(bytes) = value else { return None };
    let Some(kept) = form::decode(&key, bytes) else {
        metrics::counter!("terrane_cache_redis_unreadable_total").increment(1);
        return None;
    };
    (kept.until > now()).then_some((key, kept))
}

fn count(outcome: &'static str) {
    metrics::counter!("terrane_cache_redis_lookups_total", "outcome" => outcome).increment(1);
}
