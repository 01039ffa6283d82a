//! Replicas: turns a primary and its streaming replicas into the servers that may be read from now.
//!
//! A replica may be read while it is at most the declared lag behind. Its lag is how long ago the primary was first seen
//! further in its write-ahead log than the replica is now: that needs no clocks to agree, and an idle primary makes no
//! replica look late.

use crate::connection::Connection;
use crate::{DriverError, Target};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::{backend::Message, frontend};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The number of the primary among the targets.
pub(crate) const PRIMARY: usize = 0;
/// Replicas are told by bits.
const MOST: usize = 63;

/// Streaming replicas that reads may go to.
#[derive(Debug, Clone)]
pub struct Replicas {
    /// Their servers.
    pub targets: Vec<Target>,
    /// How far behind the primary one may be.
    pub lag: Duration,
}

/// The servers of a product's database.
pub(crate) struct Targets {
    all: Arc<[Target]>,
    lag: Duration,
    usable: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

impl Targets {
    pub(crate) fn new(primary: Target, replicas: Option<&Replicas>) -> Self {
        let replica_targets = replicas.map(|r| r.targets.iter().take(MOST).cloned()).into_iter().flatten();
        Self {
            all: std::iter::once(primary).chain(replica_targets).collect(),
            lag: replicas.map_or(Duration::ZERO, |r| r.lag),
            usable: Arc::default(),
            closed: Arc::default(),
            wake: Arc::default(),
        }
    }

    pub(crate) fn target(&self, number: usize) -> &Target {
        &self.all[number]
    }

    /// The server for a lane: lanes are spread over the replicas that may be read, else they go to the primary.
    pub(crate) fn choose(&self, lane: usize) -> usize {
        let usable = self.usable.load(Ordering::Relaxed);
        let count = usable.count_ones() as usize;
        if count == 0 {
            return PRIMARY;
        }
        let usable = (0..MOST).filter(|bit| usable & (1 << bit) != 0);
        usable.cycle().nth(lane % count).map_or(PRIMARY, |bit| bit + 1)
    }

    /// A server did not answer: a replica is left out until it was seen well again.
    pub(crate) fn failed(&self, number: usize) {
        if number != PRIMARY {
            self.usable.fetch_and(!(1 << (number - 1)), Ordering::Relaxed);
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Start to measure lags.
    pub(crate) fn watch(&self) {
        if self.all.len() > 1 {
            let watch = Watch {
                all: Arc::clone(&self.all),
                lag: self.lag,
                usable: Arc::clone(&self.usable),
                closed: Arc::clone(&self.closed),
                wake: Arc::clone(&self.wake),
                connections: self.all.iter().map(|_| None).collect(),
                seen: VecDeque::new(),
            };
            tokio::spawn(watch.run());
        }
    }
}

/// Where in the write-ahead log a primary writes, and where a replica replays: bytes since its beginning.
const WRITTEN: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
const REPLAYED: &str =
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END";

struct Watch {
    all: Arc<[Target]>,
    lag: Duration,
    usable: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
    wake: Arc<Notify>,
    connections: Vec<Option<Connection>>,
    /// When the primary was first seen at a position.
    seen: VecDeque<(Instant, i64)>,
}

impl Watch {
    async fn run(mut self) {
        let every = (self.lag / 4).clamp(Duration::from_millis(50), Duration::from_secs(1));
        while !self.closed.load(Ordering::Relaxed) {
            self.look().await;
            // an error means that the time is over, which is what is waited for
            let _ = timeout(every, self.wake.notified()).await;
        }
    }

    async fn look(&mut self) {
        let now = Instant::now();
        // while the primary does not answer nothing new can be published, and the replicas go on with what they have
        if let Some(written) = self.position(PRIMARY, WRITTEN).await
            && self.seen.back().is_none_or(|(_, last)| *last != written)
        {
            self.seen.push_back((now, written));
        }
        let mut replayed = Vec::new();
        for number in 1..self.all.len() {
            let position = self.position(number, REPLAYED).await;
            replayed.push(position);
            let behind = position.and_then(|position| behind(&self.seen, position, now));
            let bit = 1 << (number - 1);
            let was = match behind {
                Some(behind) if behind <= self.lag => self.usable.fetch_or(bit, Ordering::Relaxed),
                _ => self.usable.fetch_and(!bit, Ordering::Relaxed),
            };
            let is = self.usable.load(Ordering::Relaxed);
            if was & bit != is & bit {
                tracing::info!(replica = number, usable = is & bit != 0, "a replica changed");
            }
        }
        // positions that every replica has passed tell nothing any more
        let slowest = replayed.into_iter().map(|p| p.unwrap_or(0)).min().unwrap_or(0);
        while self.seen.len() > 1 && (self.seen[0].1 <= slowest || self.seen.len() > 10_000) {
            self.seen.pop_front();
        }
    }

    async fn position(&mut self, number: usize, sql: &str) -> Option<i64> {
        let wait = self.lag.clamp(Duration::from_secs(1), Duration::from_secs(5));
        let mut connection = match self.connections[number].take() {
            Some(connection) => connection,
            None => timeout(wait, Connection::open(&self.all[number])).await.ok()?.ok()?,
        };
        let position = timeout(wait, ask(&mut connection, sql)).await.ok()?.ok()?;
        self.connections[number] = Some(connection);
        position
    }
}

/// How far behind a replica at `position` is: none where the primary was never seen.
fn behind(seen: &VecDeque<(Instant, i64)>, position: i64, now: Instant) -> Option<Duration> {
    seen.back()?;
    let ahead = seen.iter().find(|(_, written)| *written > position);
    Some(ahead.map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since)))
}

async fn ask(connection: &mut Connection, sql: &str) -> Result<Option<i64>, DriverError> {
    let mut out = BytesMut::new();
    frontend::query(sql, &mut out)?;
    connection.write(&out).await?;
    let mut value = None;
    loop {
        match connection.message().await? {
            Message::DataRow(row) => {
                let range = row.ranges().next()?.flatten();
                let text = range.and_then(|range| row.buffer().get(range));
                value = text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            }
            Message::ErrorResponse(body) => return Err(DriverError::of(&body)),
            Message::ReadyForQuery(_) => return Ok(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_what_is_missing() {
        let now = Instant::now();
        let at = |seconds| now - Duration::from_secs(seconds);
        let seen = VecDeque::from([(at(60), 100), (at(9), 200), (at(3), 300)]);
        let behind = |position| behind(&seen, position, now);
        assert_eq!(behind(300), Some(Duration::ZERO));
        assert_eq!(behind(250), Some(Duration::from_secs(3)));
        assert_eq!(behind(150), Some(Duration::from_secs(9)));
        assert_eq!(super::behind(&VecDeque::new(), 1, now), None);
    }

    #[test]
    fn lanes_are_spread_over_what_is_usable() {
        let target = Target::from_url("postgres://a@h/d", &[]).unwrap();
        let replicas = Replicas { targets: vec![target.clone(); 3], lag: Duration::from_secs(1) };
        let targets = Targets::new(target, Some(&replicas));
        assert_eq!(targets.choose(5), PRIMARY);
        targets.usable.store(0b101, Ordering::Relaxed);
        assert_eq!([0, 1, 2, 3].map(|lane| targets.choose(lane)), [1, 3, 1, 3]);
        targets.failed(1);
        assert_eq!([0, 1].map(|lane| targets.choose(lane)), [3, 3]);
    }
}
