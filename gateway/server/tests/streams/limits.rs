//! Bounds: what a slow client and many idle ones cost.

use super::clients::Socket;
use super::mesh::{Options, start};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use terrane_gateway::config::SlowConsumer;

const NAMES: &str = "subscription { changed { id name } }";

/// Events that fill every buffer between the gateway and a client that takes nothing, and its queue.
const MANY: usize = 200;

fn few(slow_consumer: SlowConsumer) -> Options {
    let mut options = Options::default();
    options.subscriptions.queue_events = 4;
    options.subscriptions.slow_consumer = slow_consumer;
    options
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_subscription_and_nobody_else() {
    let mesh = start(few(SlowConsumer::End)).await;
    let mut slow = Socket::ready(mesh.address).await;
    slow.subscribe("s", NAMES).await;
    mesh.changes.streams(1).await;
    (0..MANY).for_each(|n| mesh.changes.send(format!("long{n}")));
    // Nobody is left who wants them.
    mesh.changes.streams(0).await;
    let mut quick = Socket::ready(mesh.address).await;
    quick.subscribe("s", NAMES).await;
    mesh.changes.streams(1).await;
    mesh.changes.send("1");
    assert_eq!(quick.payload("s").await["data"]["changed"]["name"], "item 1");
    // What comes is without gaps, and then there is the reason.
    for n in 0..MANY {
        let message = slow.next().await;
        if message["type"] == "error" {
            assert!(n >= 4, "at least the queue was delivered");
            assert_eq!(message["payload"][0]["extensions"]["code"], "SUBSCRIPTION_TOO_SLOW");
            return;
        }
        assert_eq!(message["payload"]["data"]["changed"]["id"], format!("long{n}"));
    }
    panic!("every event was delivered");
}

#[tokio::test]
async fn a_slow_client_may_miss_the_oldest_events_instead() {
    let mesh = start(few(SlowConsumer::Skip)).await;
    let mut slow = Socket::ready(mesh.address).await;
    slow.subscribe("s", NAMES).await;
    mesh.changes.streams(1).await;
    (0..MANY).for_each(|n| mesh.changes.send(format!("long{n}")));
    mesh.changes.send("end");
    mesh.changes.streams(0).await;
    let mut seen = Vec::new();
    loop {
        let message = slow.next().await;
        if message["type"] == "complete" {
            break;
        }
        let id = message["payload"]["data"]["changed"]["id"].as_str().unwrap().to_owned();
        seen.push(id.trim_start_matches("long").parse::<usize>().unwrap());
    }
    assert!(seen.is_sorted() && seen.len() < MANY, "{seen:?}");
    assert_eq!(seen.last(), Some(&(MANY - 1)), "the newest is never left out");
}

#[tokio::test]
async fn a_thousand_idle_sockets_take_little_memory() {
    const COUNT: usize = 1000;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(100_000), most).unwrap();
    let mesh = start(Options::default()).await;
    let mut sockets = vec![Socket::ready(mesh.address).await];
    let before = resident();
    for _ in 0..COUNT {
        sockets.push(Socket::ready(mesh.address).await);
    }
    // Both ends are in this process.
    let each = (resident() - before) / COUNT;
    assert!(each < 64 * 1024, "{each} bytes for one idle socket");
    let last = sockets.last_mut().unwrap();
    last.subscribe("q", "{ item(id: 1) { stock } }").await;
    assert_eq!(last.payload("q").await, json!({"data": {"item": {"stock": 1}}}));
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}
