//! Numbers: turns the names of subgraphs into the numbers that stand for their last mutation at all gateways.

use crate::link::{Connection, Link};
use redis::Value;
use std::time::Duration;

/// Until the answer is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The number of each name, after it was raised where the flag is set. One that is not there begins anywhere: what was kept
/// under the numbers of before, if they were evicted, is not found again.
pub(crate) async fn ask(
    link: &Link,
    connection: &Connection,
    prefix: &[u8],
    names: &[(String, bool)],
) -> Option<Vec<Option<u64>>> {
    let mut commands = redis::pipe();
    for (name, raise) in names {
        let key = [prefix, b"changes:", name.as_bytes()].concat();
        let first = rand::random_range(1..1_u64 << 62);
        commands.cmd("SET").arg(&key).arg(first).arg("NX").ignore();
        commands.cmd(if *raise { "INCR" } else { "GET" }).arg(&key);
    }
    let mut asked = connection.commands.clone();
    match link.run(connection, PATIENCE, commands.query_async::<Vec<Value>>(&mut asked)).await {
        Ok(values) => Some(values.into_iter().map(number).collect()),
        Err(trouble) => {
            tracing::debug!(%trouble, "the Redis of the cache does not tell of changes");
            None
        }
    }
}

fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => number.try_into().ok(),
        Value::BulkString(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => None,
    }
}
