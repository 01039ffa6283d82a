//! Replicas: a real primary and a real standby; reads go to the standby only while it keeps up.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};
use terrane_driver::{Ask, Reader, ReaderOptions, Replicas, Target};
use terrane_query::RowSource as _;
use terrane_testkit::Replicated;

/// The first column of the first row, a boolean or a number, as its last byte.
async fn byte(reader: &Reader, id: u64, text: &str, primary: bool) -> u8 {
    let (text, pace) = (Arc::from(text), AtomicU32::new(0));
    let mut rows = reader.fetch(&Ask { id, text: &text, binds: &[], pace: &pace, primary }).await.unwrap();
    rows.advance();
    rows.column(0).and_then(|c| c.last().copied()).unwrap_or_default()
}

/// Ask until the answer is `wanted`.
async fn until(reader: &Reader, id: u64, text: &str, wanted: u8) {
    let started = Instant::now();
    while byte(reader, id, text, false).await != wanted {
        assert!(started.elapsed() < Duration::from_secs(60), "`{text}` does not become {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn reads_follow_a_standby_that_keeps_up_and_leave_one_that_does_not() {
    let servers = Replicated::start().await;
    let target = |url: String| Target::from_url(&url, &[]).unwrap();
    let primary = target(servers.primary.url("test"));
    let writer = Reader::start(ReaderOptions::new(primary.clone(), Duration::from_secs(10)));
    byte(&writer, 100, "CREATE TABLE versions AS SELECT 1 AS version", true).await;
    let lag = Duration::from_millis(1500);
    let replicas = Replicas { targets: vec![target(servers.standby.url("test"))], lag };
    let options = ReaderOptions { replicas: Some(replicas), ..ReaderOptions::new(primary, Duration::from_secs(10)) };
    let reader = Reader::start(options);
    let standby = "SELECT pg_is_in_recovery()";

    // it keeps up: reads go there, but not those that must not be late
    until(&reader, 1, standby, 1).await;
    assert_eq!(byte(&reader, 1, standby, true).await, 0);
    until(&reader, 2, "SELECT version FROM versions", 1).await;

    // it stops replaying while the primary goes on: after the lag that may be, reads see the new version again
    let admin = Reader::start(ReaderOptions::new(target(servers.standby.url("test")), Duration::from_secs(10)));
    byte(&admin, 101, "SELECT pg_wal_replay_pause()", true).await;
    until(&admin, 102, "SELECT pg_get_wal_replay_pause_state() = 'paused'", 1).await;
    byte(&writer, 103, "UPDATE versions SET version = 2", true).await;
    until(&reader, 2, "SELECT version FROM versions", 2).await;
    assert_eq!(byte(&reader, 1, standby, false).await, 0, "the standby is behind");

    // it catches up: reads go there again
    byte(&admin, 104, "SELECT pg_wal_replay_resume()", true).await;
    until(&reader, 1, standby, 1).await;
    assert_eq!(byte(&reader, 2, "SELECT version FROM versions", false).await, 2);

    // it is gone: nobody notices
    let Replicated { primary: _primary, standby: gone, .. } = servers;
    tokio::task::spawn_blocking(move || gone.stop()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(byte(&reader, 2, "SELECT version FROM versions", false).await, 2);
    }
}
