//! Processes that are killed at any moment of ingest, run and publish: nothing that was acknowledged is lost or there twice,
//! no reader sees a part of a version, and the next run publishes.
//!
//! `TERRANE_KILLS` is how often the product's process is killed (25 by default).

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "killed/disk.rs"]
mod disk;
#[path = "killed/ledger.rs"]
mod ledger;

use disk::SmallDisk;
use ledger::{Dice, Ledger, Load, until};
use std::time::{Duration, Instant};
use terrane_testkit::state_directory;

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_killed_many_times_loses_nothing_and_shows_no_partial_version() {
    let kills: usize = std::env::var("TERRANE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let mut dice = Dice::new();
    let mut ledger = Ledger::start(state_directory()).await;
    let load = Load::start(&ledger);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(dice.roll(20, 900))).await;
        ledger.product.end("KILL");
        ledger.start_product().await;
    }
    let seen = load.stop().await;
    assert!(seen.reads > kills, "readers were answered {} times", seen.reads);
    ledger.check(&seen).await;
    let runs = ledger.runs().await;
    let interrupted = runs.iter().filter(|run| run["errorCode"] == "RUN_INTERRUPTED").count();
    eprintln!(
        "{kills} kills, {} batches acknowledged, {} reads, {interrupted} runs of {} interrupted",
        seen.acknowledged.len(),
        seen.reads,
        runs.len()
    );
    assert!(interrupted > 0, "no kill met a run: {runs:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_closes_the_run_of_a_killed_one_within_seconds_and_runs_the_next() {
    let mut dice = Dice::new();
    let mut ledger = Ledger::start(state_directory()).await;
    let mut replica = ledger.replica().await;
    let there = ledger.steward_of(&replica);
    let load = Load::start(&ledger);
    let interrupted = |runs: &[serde_json::Value]| runs.iter().filter(|r| r["errorCode"] == "RUN_INTERRUPTED").count();
    for _ in 0..60 {
        let before = interrupted(&Ledger::runs_of(&there).await);
        tokio::time::sleep(Duration::from_millis(dice.roll(20, 300))).await;
        ledger.product.end("KILL");
        let killed = Instant::now();
        until("no run is under way, or one has begun since", Duration::from_secs(10), async || {
            let runs = Ledger::runs_of(&there).await;
            interrupted(&runs) > before || runs.iter().all(|run| run["state"] != "running")
        })
        .await;
        eprintln!("settled after {:?}", killed.elapsed());
        let closed = interrupted(&Ledger::runs_of(&there).await) > before;
        ledger.start_product().await;
        if closed {
            let run = Ledger::run_of(&there).await;
            assert_eq!(run["state"], "succeeded", "{run}");
            let seen = load.stop().await;
            replica.end("TERM");
            ledger.check(&seen).await;
            return;
        }
    }
    panic!("no kill met a run of the killed process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_and_comes_back_has_all_that_was_acknowledged() {
    let mut dice = Dice::new();
    let mut ledger = Ledger::start(state_directory()).await;
    let load = Load::start(&ledger);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(dice.roll(200, 1500))).await;
        ledger.kill_database();
        tokio::time::sleep(Duration::from_millis(dice.roll(0, 500))).await;
        ledger.restart_database().await;
        // the same process goes on with the database that came back
        until("a run publishes again", Duration::from_secs(60), async || ledger.try_run().await).await;
    }
    let seen = load.stop().await;
    assert!(seen.reads > 5, "readers were answered {} times", seen.reads);
    ledger.check(&seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_it_cannot_hold_and_nothing_else() {
    let state = state_directory();
    let disk = SmallDisk::new(state.path());
    eprintln!("the disk: {disk:?}");
    let mut ledger = Ledger::start_on(state, |database| disk.limit(database)).await;
    assert!(ledger.try_run().await, "it publishes while there is room");
    let load = Load::start(&ledger);
    let refused = ledger.fill(Duration::from_secs(240)).await;
    assert!(refused >= 500, "the disk is full: that is not the sender's fault, but {refused}");
    // what was published is still answered, whole, and a run fails or publishes, but does not hang
    tokio::time::sleep(Duration::from_secs(2)).await;
    disk.free(&ledger.database_pid());
    ledger.revive_database().await;
    ledger.product.end("KILL");
    ledger.start_product().await;
    until("a run publishes when there is room again", Duration::from_secs(300), async || ledger.try_run().await).await;
    let seen = load.stop().await;
    ledger.check(&seen).await;
    drop(ledger);
    drop(disk);
}
