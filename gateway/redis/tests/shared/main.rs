//! The shared store over a real Redis: what one gateway keeps another one has, and whatever becomes of the Redis changes no
//! answer.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod mesh;

use mesh::{Gateway, Shop};
use redis::aio::MultiplexedConnection;
use std::time::Duration;
use terrane_redis::{OpenError, Options, RedisStore};
use terrane_testkit::RedisServer;
use tokio::io::AsyncWriteExt as _;

/// Without a memory in front, so that every lookup is one in the Redis; and so patient that only a Redis that never answers
/// is late, however busy the machine.
fn options(url: String) -> Options {
    Options { url, near_bytes: 0, timeout: Duration::from_secs(20), ..Options::default() }
}

async fn connect(redis: &RedisServer) -> MultiplexedConnection {
    redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// The keys of answers.
async fn keys(redis: &mut MultiplexedConnection) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("terrane:*").query_async(redis).await.unwrap();
    keys.retain(|key| !key.starts_with(b"terrane:changes:"));
    keys
}

#[tokio::test]
async fn what_one_gateway_keeps_another_one_has() {
    let redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let (one, other) = (
        Gateway::connected(&shop, &options(redis.url())).await,
        Gateway::connected(&shop, &options(redis.url())).await,
    );
    assert_eq!(one.asks("").await, 2);
    one.store.written().await;
    assert_eq!(other.asks("").await, 0);
    assert_eq!(one.store.dropped(), 0);
    // nothing stays longer than it may
    let mut own = connect(&redis).await;
    let keys = keys(&mut own).await;
    // the root's answer, and three entities
    assert!(keys.len() >= 4, "{}", keys.len());
    for key in keys {
        let seconds: i64 = redis::cmd("TTL").arg(key).query_async(&mut own).await.unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    // another prefix is another store
    let apart = Options { prefix: "apart:".to_owned(), ..options(redis.url()) };
    assert_eq!(Gateway::connected(&shop, &apart).await.asks("").await, 2);
}

#[tokio::test]
async fn what_is_private_is_for_its_caller_at_every_gateway() {
    let redis = RedisServer::start();
    for control in ["max-age=60", "max-age=60, private"] {
        let shop = Shop::new(control);
        let options = Options { prefix: format!("terrane:{control}:"), ..options(redis.url()) };
        let one = Gateway::connected(&shop, &options).await;
        let other = Gateway::connected(&shop, &options).await;
        assert_eq!(one.asks("ada").await, 2, "{control}");
        one.store.written().await;
        // `asks` compares the secrets
        assert_eq!(other.asks("bob").await, 2, "{control}");
        assert_eq!(other.asks("ada").await, 0, "{control}");
    }
}

const CHANGE: &str = "mutation { addB { inB } }";

#[tokio::test]
async fn after_a_mutation_nothing_of_before_is_found() {
    let redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let one = Gateway::connected(&shop, &options(redis.url())).await;
    let other = Gateway::connected(&shop, &options(redis.url())).await;
    let keep = async || {
        one.asks("").await;
        one.store.written().await;
    };
    keep().await;
    assert_eq!(other.asks("").await, 0);
    // at once at the gateway that it went through; of the root's subgraph nothing was changed
    other.run(CHANGE, "").await;
    assert_eq!(other.asks("").await, 1);
    // at the others, when they have heard of it
    other.cache.follow_changes().await;
    one.cache.follow_changes().await;
    assert_eq!(one.asks("").await, 1);
    // from then on they share again
    one.store.written().await;
    assert_eq!(other.asks("").await, 0);
    // both at once: neither finds what the other one kept between the two
    one.run(CHANGE, "").await;
    keep().await;
    other.run(CHANGE, "").await;
    one.cache.follow_changes().await;
    other.cache.follow_changes().await;
    assert_eq!(other.asks("").await, 1);
    one.cache.follow_changes().await;
    other.store.written().await;
    assert_eq!(one.asks("").await, 0);
    // one that starts hears of it, and changes nothing
    let third = Gateway::connected(&shop, &options(redis.url())).await;
    assert_eq!(third.asks("").await, 0);
    one.cache.follow_changes().await;
    assert_eq!(one.asks("").await, 0);
}

#[tokio::test]
async fn a_mutation_is_told_of_when_it_can_be() {
    let mut redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let one = Gateway::connected(&shop, &options(redis.url())).await;
    let other = Gateway::connected(&shop, &options(redis.url())).await;
    let key = "terrane:changes:b";
    let number = async || -> i64 { redis::cmd("GET").arg(key).query_async(&mut connect(&redis).await).await.unwrap() };
    let before = number().await;
    // nonsense is nobody's number: what is kept meanwhile is one gateway's own
    for nonsense in ["a text", "-5", "9999999999999999999"] {
        redis::cmd("SET").arg(key).arg(nonsense).exec_async(&mut connect(&redis).await).await.unwrap();
        one.run(CHANGE, "").await;
        one.cache.follow_changes().await;
        other.cache.follow_changes().await;
        one.asks("").await;
        one.store.written().await;
        assert_eq!(one.asks("").await, 0, "{nonsense}");
    }
    // a store that was set back is told again
    redis::cmd("SET").arg(key).arg(before - 1).exec_async(&mut connect(&redis).await).await.unwrap();
    other.cache.follow_changes().await;
    other.cache.follow_changes().await;
    assert_eq!(number().await, before);
    one.cache.follow_changes().await;
    assert_eq!(number().await, before + 1, "its own change");
    // and one that was gone
    redis.kill();
    one.run(CHANGE, "").await;
    one.cache.follow_changes().await;
    assert_eq!(one.asks("").await, 2);
    redis.start_again();
    one.store.becomes(true).await;
    // its numbers begin anew: where they are less than before, that is a change
    one.cache.follow_changes().await;
    one.cache.follow_changes().await;
    one.asks("").await;
    one.store.written().await;
    assert_eq!(one.asks("").await, 0);
    let third = Gateway::connected(&shop, &options(redis.url())).await;
    assert_eq!(third.asks("").await, 0);
}

#[tokio::test]
async fn the_memory_in_front_saves_the_lookup() {
    let mut redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let one = Gateway::connected(&shop, &options(redis.url())).await;
    let near = Options { near_bytes: 1 << 20, ..options(redis.url()) };
    let other = Gateway::connected(&shop, &near).await;
    one.asks("").await;
    one.store.written().await;
    assert_eq!(other.asks("").await, 0);
    redis.kill();
    assert_eq!(other.asks("").await, 0);
    assert_eq!(one.asks("").await, 2);
}

#[tokio::test]
async fn a_redis_that_dies_and_comes_back_changes_no_answer() {
    let mut redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let one = Gateway::connected(&shop, &options(redis.url())).await;
    let other = Gateway::connected(&shop, &options(redis.url())).await;
    one.asks("").await;
    one.store.written().await;
    for round in 0..20 {
        if round == 10 {
            redis.kill();
        }
        let expected = if round < 10 { 0 } else { 2 };
        assert_eq!(other.asks("").await, expected, "{round}");
    }
    assert_eq!(one.asks("").await, 2);
    one.store.becomes(false).await;
    other.store.becomes(false).await;
    assert!(other.store.dropped() > 0);
    redis.start_again();
    one.store.becomes(true).await;
    other.store.becomes(true).await;
    assert_eq!(one.asks("").await, 2, "it is empty now");
    one.store.written().await;
    assert_eq!(other.asks("").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_under_way_while_the_redis_dies_are_the_same() {
    let mut redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let gateway = std::sync::Arc::new(Gateway::connected(&shop, &options(redis.url())).await);
    let asking = (0..16).map(|caller| {
        let gateway = std::sync::Arc::clone(&gateway);
        tokio::spawn(async move {
            // until some time after the connection is gone
            let mut left = 20;
            while left > 0 {
                gateway.asks(&format!("caller {caller}")).await;
                left -= u32::from(!gateway.store.is_connected());
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    redis.kill();
    for asked in asking {
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn garbage_is_nothing() {
    let redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let one = Gateway::connected(&shop, &options(redis.url())).await;
    let other = Gateway::connected(&shop, &options(redis.url())).await;
    one.asks("").await;
    one.store.written().await;
    assert_eq!(other.asks("").await, 0);
    let mut own = connect(&redis).await;
    let keys = keys(&mut own).await;
    let mut values: Vec<Vec<u8>> = redis::cmd("MGET").arg(&keys).query_async(&mut own).await.unwrap();
    let set = async |garbage: Vec<Vec<u8>>| {
        let mut own = connect(&redis).await;
        for (key, value) in keys.iter().zip(garbage) {
            redis::cmd("SET").arg(key).arg(value).exec_async(&mut own).await.unwrap();
        }
        // what this answer writes anew is overwritten by the next garbage
        assert_eq!(other.asks("").await, 2);
        other.store.written().await;
    };
    set(vec![Vec::new(); keys.len()]).await;
    set(vec![b"{\"price\":1}".to_vec(); keys.len()]).await;
    set(vec![vec![0xff; 4096]; keys.len()]).await;
    set(values.iter().map(|value| value[..value.len() - 1].to_vec()).collect()).await;
    set(values.iter().map(|value| [&[2], &value[1..]].concat()).collect()).await;
    values.rotate_left(1);
    set(values).await;
    for key in &keys {
        redis::cmd("DEL").arg(key).exec_async(&mut own).await.unwrap();
        redis::cmd("RPUSH").arg(key).arg("a list").exec_async(&mut own).await.unwrap();
    }
    assert_eq!(other.asks("").await, 2);
    assert!(other.store.is_connected(), "garbage is no failure of the Redis");
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_given_up_until_it_does() {
    let redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let options = Options { timeout: Duration::from_millis(50), ..options(redis.url()) };
    let gateway = Gateway::connected(&shop, &options).await;
    gateway.asks("").await;
    gateway.store.written().await;
    redis.signal("STOP");
    // that it answers at all is the time limit's work
    while gateway.store.is_connected() {
        assert_eq!(gateway.asks("").await, 2);
    }
    assert_eq!(gateway.asks("").await, 2);
    redis.signal("CONT");
    gateway.store.becomes(true).await;
    gateway.asks("").await;
    gateway.store.written().await;
    while gateway.asks("").await > 0 {
        // late on a busy machine
        gateway.store.becomes(true).await;
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_is_dropped() {
    let redis = RedisServer::start();
    let shop = Shop::new("max-age=60");
    let gateway = Gateway::connected(&shop, &Options { queue_bytes: 300, ..options(redis.url()) }).await;
    let before = gateway.store.dropped();
    assert_eq!(gateway.asks("").await, 2);
    gateway.store.written().await;
    // three entities are more, the root's answer is less
    assert_eq!(gateway.store.dropped() - before, 3);
    assert_eq!(gateway.asks("").await, 1);
}

#[tokio::test]
async fn nobody_waits_for_what_is_no_redis() {
    let shop = Shop::new("max-age=60");
    let mut redis = RedisServer::start();
    redis.kill();
    let nobody = Gateway::new(&shop, &options(redis.url()));
    // somebody who says something else
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = Gateway::new(&shop, &options(format!("redis://{}", listener.local_addr().unwrap())));
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    listener.accept().await.unwrap();
    for gateway in [nobody, web] {
        for _ in 0..3 {
            assert_eq!(gateway.asks("").await, 2);
        }
        assert!(!gateway.store.is_connected());
        assert!(gateway.store.dropped() > 0);
    }
}

#[tokio::test]
async fn a_url_of_something_else_is_refused() {
    for url in ["", "localhost", "http://localhost", "rediss://:hidden@localhost"] {
        let Err(OpenError::Url(error)) = RedisStore::open(&options(url.to_owned())) else { panic!("{url}") };
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}
