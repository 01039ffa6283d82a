//! Who runs a pipeline, and until when: the queue, cancelling, trying again, and processes that end or hang.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use sqlx::{Connection as _, Executor as _, Postgres, Transaction};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use support::{open, open_at, request};
use tempfile::TempDir;
use terrane_pipeline::{Pipeline, RunRequest};
use terrane_store::{InputStates, Lineage, Publish, Run, RunTrigger, Stamps, Store, WantedRun};
use terrane_testkit::{copy_folder, fresh_database, product_folder, state_directory};

/// `continents`, with `more` as its descriptor's custom properties.
fn continents(more: &str) -> TempDir {
    let scratch = state_directory();
    copy_folder(&product_folder("continents"), scratch.path()).unwrap();
    let descriptor = scratch.path().join("dataproduct.odps.yaml");
    let text = std::fs::read_to_string(&descriptor).unwrap();
    assert!(!text.contains("\ncustomProperties:"), "the test adds them");
    std::fs::write(&descriptor, format!("{text}\ncustomProperties:\n{more}")).unwrap();
    scratch
}

const RETRY: &str = "  - {property: retry, value: {attempts: 3, backoff: 1s}, vendor: terrane}\n";

async fn until(store: &Store, what: &str, mut is: impl AsyncFnMut(&Store) -> bool) {
    let started = Instant::now();
    while !is(store).await {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether Postgres is at work on a run's model; it waits for the table of [`hold_output`]. Only the user of the URL sees what
/// its sessions do.
async fn is_building(url: &str) -> bool {
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = \
                   'Lock' AND application_name LIKE 'terrane run %' AND query LIKE '%output_next%continents%')";
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let waits = sqlx::query_scalar(waiting).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    waits
}

/// Let nobody make the output's next table, until this is dropped.
async fn hold_output(store: &Store) -> Transaction<'static, Postgres> {
    let mut transaction = store.owner().begin().await.unwrap();
    transaction.execute("CREATE TABLE output_next.continents (held integer)").await.unwrap();
    transaction
}

/// A run that has published, and one that builds its model and does not get on.
async fn stuck(
    url: &str,
    store: &Store,
    pipeline: &Pipeline,
) -> (Transaction<'static, Postgres>, tokio::task::JoinHandle<Run>) {
    assert_eq!(pipeline.run(&request()).await.unwrap().version, Some(1));
    let held = hold_output(store).await;
    let again = pipeline.clone();
    let running = tokio::spawn(async move { again.run(&RunRequest { pull: false, ..request() }).await.unwrap() });
    until(store, "the model is built", async |_| is_building(url).await).await;
    (held, running)
}

#[tokio::test]
async fn queued_runs_are_carried_out_one_after_the_other_and_equal_ones_once() {
    let (folder, url) = (product_folder("continents"), fresh_database().await);
    let (store, here, _) = open_at(&folder, &url).await;
    let (_, there, _) = open_at(&folder, &url).await;
    let first = here.queue(&request()).await.unwrap();
    let same = there.queue(&request()).await.unwrap();
    assert_eq!((first.id, first.state.as_str()), (same.id, "queued"));
    let record = here.next().await.unwrap().expect("it is due");
    // a run that has begun may have missed what came since: another request is another run
    let second = there.queue(&request()).await.unwrap();
    assert_ne!(second.id, first.id);
    assert!(there.next().await.unwrap().is_none(), "one at a time, whatever process");
    let run = here.carry_out(record).await.unwrap();
    assert_eq!((run.state.as_str(), run.version), ("succeeded", Some(1)));
    let record = there.next().await.unwrap().expect("now it is its turn");
    assert_eq!(there.carry_out(record).await.unwrap().version, Some(2));
    assert!(here.next().await.unwrap().is_none(), "the queue is empty");
    let log = store.run_log(first.id, None, 100).await.unwrap();
    assert!(log.iter().any(|line| line.message.starts_with("model abstraction.continents: 7 rows")), "{log:#?}");
    let rest = store.run_log(first.id, Some(log[1].position), 100).await.unwrap();
    assert_eq!(rest, log[2..], "reading goes on after a place");
    let steps = store.steps(&[first.id]).await.unwrap();
    assert!(steps.iter().filter(|s| s.kind == "model").all(|s| s.bytes.is_some_and(|b| b > 0)), "{steps:#?}");
}

#[tokio::test]
async fn a_queued_run_is_cancelled_before_it_begins_and_one_under_way_while_postgres_works() {
    let (folder, url) = (product_folder("continents"), fresh_database().await);
    let (store, pipeline, _) = open_at(&folder, &url).await;
    let queued = pipeline.queue(&request()).await.unwrap();
    let cancelled = store.cancel_run(queued.id, Some("ada")).await.unwrap();
    assert_eq!((cancelled.state.as_str(), cancelled.cancelled_by.as_deref()), ("cancelled", Some("ada")));
    assert!(pipeline.next().await.unwrap().is_none());
    assert_eq!(store.cancel_run(queued.id, None).await.unwrap_err().code(), "RUN_ENDED");
    assert_eq!(store.cancel_run(uuid::Uuid::nil(), None).await.unwrap_err().code(), "NO_SUCH_RUN");

    let (_held, running) = stuck(&url, &store, &pipeline).await;
    let id = store.runs(1).await.unwrap()[0].id;
    let asked = Instant::now();
    store.cancel_run(id, Some("ada")).await.unwrap();
    let run = running.await.unwrap();
    assert_eq!((run.state.as_str(), run.error_code.as_deref()), ("cancelled", Some("RUN_CANCELLED")), "{run:?}");
    assert!(asked.elapsed() < Duration::from_secs(8), "after {:?}", asked.elapsed());
    assert!(!is_building(&url).await, "its statement has ended, too");
    assert_eq!(store.current_version().await.unwrap().map(|v| v.version), Some(1));
    let steps = store.steps(&[id]).await.unwrap();
    assert_eq!(steps.last().map(|s| s.state.as_str()), Some("cancelled"), "{steps:#?}");
}

#[tokio::test]
async fn a_run_whose_process_hangs_is_closed_within_seconds_and_cannot_publish_any_more() {
    let (folder, url) = (product_folder("continents"), fresh_database().await);
    let (store, pipeline, product) = open_at(&folder, &url).await;
    // a process that has stopped in the middle: its lock and connections are there, but it says nothing
    let record = store.start_run(RunTrigger::Manual, None, true).await.unwrap();
    let id = record.id;
    let (other, there, _) = open_at(&folder, &url).await;
    let started = Instant::now();
    until(&other, "the silent run is closed", async |_| {
        there.next().await.unwrap();
        other.run(id).await.unwrap().unwrap().state == "failed"
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(12), "after {:?}", started.elapsed());
    let lineage = Lineage::default();
    let publish = Publish {
        product: &product,
        abstraction: &[],
        run: id,
        content: "content",
        inputs: &InputStates::new(),
        models: &Stamps::new(),
        lineage: &lineage,
    };
    let published = store.publish(&publish).await;
    assert_eq!(published.unwrap_err().code(), "LEASE_LOST");
    let run = record.succeed().await;
    // its connection was ended; where it still had one, it would see how its run was closed
    assert!(run.is_err() || run.is_ok_and(|run| run.state == "failed"));
    assert_eq!(pipeline.run(&request()).await.unwrap().state, "succeeded");
}

#[tokio::test]
async fn a_run_that_loses_its_connections_fails_and_another_attempt_waits_its_time() {
    let scratch = continents(RETRY);
    let url = fresh_database().await;
    let (store, pipeline, _) = open_at(scratch.path(), &url).await;
    let (_held, running) = stuck(&url, &store, &pipeline).await;
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND \
                 wait_event_type = 'Lock'";
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::query(ended).execute(&mut admin).await.unwrap();
    let run = running.await.unwrap();
    assert_eq!((run.state.as_str(), run.error_code.as_deref()), ("failed", Some("DATABASE_ERROR")), "{run:?}");
    let retry = store.runs(1).await.unwrap().remove(0);
    assert_eq!((retry.state.as_str(), retry.attempt, retry.retry_of), ("queued", 2, Some(run.id)));
    let wait = retry.due_at.unwrap() - run.ended_at.unwrap();
    assert!((900..2500).contains(&wait.num_milliseconds()), "{wait}");
    assert!(pipeline.next().await.unwrap().is_none(), "not before its time");
    until(&store, "it is due", async |_| match pipeline.next().await.unwrap() {
        Some(record) => {
            assert_eq!(record.id, retry.id);
            record.abandon().await;
            true
        }
        None => false,
    })
    .await;
    // the process ends in the second attempt: whoever looks next closes it, and queues the third with twice the wait
    until(&store, "it is closed, as soon as the server has let go of its lock", async |store| {
        assert!(pipeline.next().await.unwrap().is_none());
        store.run(retry.id).await.unwrap().unwrap().error_code.as_deref() == Some("RUN_INTERRUPTED")
    })
    .await;
    let third = store.runs(1).await.unwrap().remove(0);
    assert_eq!((third.state.as_str(), third.attempt), ("queued", 3));
    assert!((third.due_at.unwrap() - third.queued_at.unwrap()).num_milliseconds() >= 1900);
}

#[tokio::test]
async fn what_fails_for_a_reason_that_stays_is_not_tried_again() {
    let scratch = continents(RETRY);
    let model = scratch.path().join("models/abstraction/continents.sql");
    let sql = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, format!("{sql}\nWHERE 1 / (length(code) - length(code)) = 1")).unwrap();
    let (store, pipeline, _) = open(scratch.path()).await;
    let run = pipeline.run(&request()).await.unwrap();
    assert_eq!((run.state.as_str(), run.error_code.as_deref()), ("failed", Some("MODEL_FAILED")), "{run:?}");
    assert_eq!(store.runs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_process_that_serves_earlier_contracts_leaves_queued_runs_to_one_that_serves_those_in_force() {
    let (scratch, url) = (continents(RETRY), fresh_database().await);
    let (store, old, _) = open_at(scratch.path(), &url).await;
    let contract = scratch.path().join("contracts/continents.odcs.yaml");
    let text = std::fs::read_to_string(&contract).unwrap();
    std::fs::write(&contract, format!("{text}\n# as it is now\n")).unwrap();
    let (_, new, _) = open_at(scratch.path(), &url).await;
    let (_, replica, _) = open_at(scratch.path(), &url).await;
    let queued = old.queue(&request()).await.unwrap();
    assert!(old.next().await.unwrap().is_none());
    let record = new.next().await.unwrap().expect("it is due");
    assert_eq!(record.id, queued.id);
    assert_eq!(new.carry_out(record).await.unwrap().state, "succeeded");
    new.queue(&request()).await.unwrap();
    let record = replica.next().await.unwrap().expect("a replica with the same contracts takes it as well");
    assert_eq!(replica.carry_out(record).await.unwrap().version, Some(2));
    // the contracts of before come back, as when a deployment is undone
    std::fs::write(&contract, text).unwrap();
    let (_, undone, _) = open_at(scratch.path(), &url).await;
    store.queue_run(&WantedRun { trigger: RunTrigger::Manual, by: None, pull: true, only_port: None }).await.unwrap();
    assert!(new.next().await.unwrap().is_none());
    assert!(undone.next().await.unwrap().is_some());
}

#[tokio::test]
async fn who_is_dropped_while_taking_the_lock_leaves_it_free() {
    let url = fresh_database().await;
    let (store, ..) = open_at(&product_folder("continents"), &url).await;
    // a session that has the lock may take it again: another process may not
    let (other, ..) = open_at(&product_folder("continents"), &url).await;
    // whether it was done before it was dropped
    let dropped = async |polls: usize, run: bool| {
        let mut taking: Pin<Box<dyn Future<Output = bool>>> = match run {
            true => Box::pin(async { store.start_run(RunTrigger::Manual, None, false).await.is_ok() }),
            false => Box::pin(async { store.lock_for_changes().await.is_ok() }),
        };
        for _ in 0..polls {
            if poll_fn(|context| Poll::Ready(taking.as_mut().poll(context))).await.is_ready() {
                return true;
            }
            // until its connection has something for it
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        false
    };
    for run in [false, true] {
        let mut polls = 1;
        // What is let go before it sends and reads may find answers of several waits at its next poll: then it is done
        // earlier than it waits, and is taken up again from the first place.
        for _ in 0..50 {
            polls = 1;
            // at each place where it waits; its connection is one of a pool, which lives on
            while !dropped(polls, run).await {
                taken_by_another(&store, &other).await;
                polls += 1;
            }
            taken_by_another(&store, &other).await;
            if polls > 2 {
                break;
            }
        }
        assert!(polls > 2, "it waits for the server");
    }
}

/// Waits until the lock is free for `other`, and until the connections of `store` are back in their pools.
async fn taken_by_another(store: &Store, other: &Store) {
    until(other, "the lock is free", async |other| {
        // a run that has begun is one whose process is gone
        other.close_dead_run().await.unwrap();
        match other.lock_for_changes().await {
            Ok(changes) => {
                changes.abandon().await;
                true
            }
            Err(_) => false,
        }
    })
    .await;
    // the next one need not connect first, for which it would wait many times
    for pool in [store.owner(), store.control()] {
        drop(pool.acquire().await.unwrap());
        until(store, "the connection is back", async |_| pool.num_idle() > 0).await;
    }
}
