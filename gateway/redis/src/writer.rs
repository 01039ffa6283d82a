//! The writer: turns what is to be kept into `SET`s with an expiry, behind the requests' backs, and as many as there is room for.

use crate::form;
use crate::link::Link;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terrane_execute::cache::{Kept, now};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes of one pipeline, as a rule: lookups on the same connection wait behind it.
const PIPELINE: usize = 128 * 1024;
/// Until the answer to one is given up.
const PATIENCE: Duration = Duration::from_secs(1);
/// What an entry takes beside its text while it waits.
const OVERHEAD: usize = 128;

/// What waits to be written.
struct Waiting {
    entries: Vec<([u8; 32], Kept)>,
    /// Its share of the queue's bytes.
    room: OwnedSemaphorePermit,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.room.num_permits()
    }
}

/// How many entries were not written, since the start.
#[derive(Debug, Default)]
pub(crate) struct Dropped(AtomicU64);

impl Dropped {
    fn add(&self, entries: usize, why: &'static str) {
        self.0.fetch_add(entries as u64, Ordering::Relaxed);
        metrics::counter!("terrane_cache_redis_dropped_total", "why" => why).increment(entries as u64);
    }

    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The queue's near end.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::UnboundedSender<Waiting>,
    bytes: u32,
    room: Arc<Semaphore>,
    pub dropped: Arc<Dropped>,
}

/// Its far end.
pub(crate) struct Writer {
    receiver: mpsc::UnboundedReceiver<Waiting>,
    dropped: Arc<Dropped>,
}

/// A queue for so many bytes.
pub(crate) fn queue(bytes: u32) -> (Queue, Writer) {
    let dropped = Arc::<Dropped>::default();
    // bounded by the room: every message has its share of it
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(bytes as usize));
    (Queue { sender, bytes, room, dropped: Arc::clone(&dropped) }, Writer { receiver, dropped })
}

impl Queue {
    /// Write these some time; drop them where the queue is full, or nobody is there to write to.
    pub fn offer(&self, entries: Vec<([u8; 32], Kept)>, link: &Link) {
        if entries.is_empty() {
            return;
        }
        if link.connection().is_none() {
            return self.dropped.add(entries.len(), "down");
        }
        let bytes = entries.iter().map(|(_, kept)| kept.text.len() + OVERHEAD).sum::<usize>();
        let room = u32::try_from(bytes).ok().and_then(|n| Arc::clone(&self.room).try_acquire_many_owned(n).ok());
        let Some(room) = room else {
            return self.dropped.add(entries.len(), "full");
        };
        let waiting = Waiting { entries, room };
        if let Err(mpsc::error::SendError(waiting)) = self.sender.send(waiting) {
            self.dropped.add(waiting.entries.len(), "down");
        }
    }

    /// Wait until nothing is left to write.
    pub async fn is_empty(&self) {
        let all = self.room.acquire_many(self.bytes).await;
        drop(all.expect("nobody closes it"));
    }
}

impl Writer {
    /// Write what comes, until the queue's near end is gone.
    pub async fn run(mut self, link: Link, prefix: Arc<[u8]>) {
        while let Some(first) = self.receiver.recv().await {
            let mut bytes = first.bytes();
            let mut waiting = vec![first];
            while bytes < PIPELINE
                && let Ok(more) = self.receiver.try_recv()
            {
                bytes += more.bytes();
                waiting.push(more);
            }
            let mut batch = Batch::new();
            for (key, kept) in waiting.iter().flat_map(|waiting| &waiting.entries) {
                batch.add(&prefix, key, kept);
                if batch.bytes >= PIPELINE {
                    self.write(std::mem::replace(&mut batch, Batch::new()), &link).await;
                }
            }
            self.write(batch, &link).await;
        }
    }

    async fn write(&self, batch: Batch, link: &Link) {
        if batch.entries == 0 {
            return;
        }
        let Some(connection) = link.connection() else {
            return self.dropped.add(batch.entries, "down");
        };
        let mut commands = connection.commands.clone();
        let written = link.run(&connection, PATIENCE, batch.commands.query_async::<()>(&mut commands)).await;
        if let Err(trouble) = written {
            tracing::debug!(%trouble, "writing to the Redis of the cache failed");
            self.dropped.add(batch.entries, "failed");
        }
    }
}

/// Commands that are sent together.
struct Batch {
    commands: redis::Pipeline,
    entries: usize,
    bytes: usize,
}

impl Batch {
    fn new() -> Self {
        Self { commands: redis::pipe(), entries: 0, bytes: 0 }
    }

    fn add(&mut self, prefix: &[u8], key: &[u8; 32], kept: &Kept) {
        let Some(fresh) = kept.freshness(now()) else { return };
        let value = form::encode(key, kept);
        self.entries += 1;
        self.bytes += value.len() + OVERHEAD;
        let name = [prefix, key].concat();
        self.commands.cmd("SET").arg(name).arg(value).arg("EX").arg(fresh.seconds).ignore();
    }
}
