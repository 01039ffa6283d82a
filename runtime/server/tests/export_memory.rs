//! The memory of an export does not grow with its rows. Alone in its process, whose memory it measures.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use http_body_util::BodyExt as _;
use serde_json::json;
use support::{Lab, token};
use terrane_testkit::resident;

/// More than this is more than what the allocator keeps for itself.
const ALLOWED: u64 = 24 * 1024 * 1024;

/// Bytes of the file, and the most memory while it was made.
async fn download(lab: &Lab, path: &str) -> (u64, u64) {
    let token = token("reader", &json!({}));
    let mut body = lab.send(path, Some(&token), &[]).await.into_body();
    let (mut bytes, mut most) = (0, 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len() as u64;
        most = most.max(resident());
    }
    (bytes, most)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn three_times_the_rows_take_no_more_memory() {
    let lab = Lab::open(200_000).await;
    let paths =
        ["csv", "parquet"].map(|e| format!("/output/readings.{e}?fields=station_code,taken_at,amount,label,words"));
    let few = paths.clone().map(|path| format!("{path}&limit=66000"));
    // the first pass is for what stays: code, caches, what the allocator keeps
    for path in &few {
        download(&lab, path).await;
    }
    let mut before = Vec::new();
    for path in &few {
        before.push(download(&lab, path).await);
    }
    for (path, (bytes, memory)) in paths.iter().zip(before) {
        let (more_bytes, more_memory) = download(&lab, path).await;
        assert!(more_bytes > 5 * bytes / 2, "{path}: {more_bytes} of {bytes}");
        assert!(more_memory < memory + ALLOWED, "{path}: {memory} bytes for {bytes}, {more_memory} for {more_bytes}");
    }
}
