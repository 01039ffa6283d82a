//! The memory of taking in a body does not grow with it. Alone in its process, whose memory it measures.

#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(target_os = "linux")]

mod support;

use futures_util::stream;
use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Lab, what};
use terrane_ingest::{Receive, receive};
use terrane_testkit::resident;
use tokio_util::io::StreamReader;

/// More than this is more than what the allocator keeps for itself.
const ALLOWED: u64 = 24 * 1024 * 1024;
const FIELDS: &str =
    "    properties: [{name: id, logicalType: integer, required: true}, {name: note, logicalType: string}]\n";

/// The parts of a body, each with a kilobyte of note.
fn parts(format: &'static str, rows: usize) -> impl Iterator<Item = String> {
    let row = move |number: usize| {
        let note = "a word or two, ".repeat(68);
        match format {
            "text/csv" => format!("{number},\"{note}\"\n"),
            "application/json" => {
                format!("{}{{\"id\":{number},\"note\":\"{note}\"}}", if number == 0 { "[" } else { "," })
            }
            _ => format!("{{\"id\":{number},\"note\":\"{note}\"}}\n"),
        }
    };
    let (head, end) = match format {
        "text/csv" => ("id,note\n", ""),
        "application/json" => ("", "]"),
        _ => ("", ""),
    };
    std::iter::once(head.to_owned()).chain((0..rows).map(row)).chain(std::iter::once(end.to_owned()))
}

/// Bytes of the body, and the most memory while it was taken in.
async fn take(lab: &Lab, format: &'static str, rows: usize) -> (u64, u64) {
    let (bytes, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (seen, memory) = (Arc::clone(&bytes), Arc::clone(&most));
    let chunks = parts(format, rows).enumerate().map(move |(number, part)| {
        seen.fetch_add(part.len() as u64, Ordering::Relaxed);
        if number % 64 == 0 {
            memory.fetch_max(resident(), Ordering::Relaxed);
        }
        Ok::<_, Error>(std::io::Cursor::new(part))
    });
    let declared = Receive { content_type: Some(format), ..what() };
    let body = StreamReader::new(stream::iter(chunks));
    receive(&lab.store, lab.dataset(), &declared, body).await.unwrap();
    (bytes.load(Ordering::Relaxed), most.load(Ordering::Relaxed))
}

#[tokio::test]
async fn ten_times_the_body_takes_no_more_memory() {
    let lab = Lab::open(FIELDS).await;
    let formats = ["text/csv", "application/x-ndjson", "application/json"];
    // the first pass is for what stays: code, caches, what the allocator keeps
    for format in formats {
        take(&lab, format, 6_000).await;
    }
    for format in formats {
        let (bytes, memory) = take(&lab, format, 6_000).await;
        let (more_bytes, more_memory) = take(&lab, format, 60_000).await;
        assert!(more_bytes > 9 * bytes, "{format}: {more_bytes} of {bytes}");
        assert!(more_memory < memory + ALLOWED, "{format}: {memory} bytes for {bytes}, {more_memory} for {more_bytes}");
    }
    assert_eq!(lab.count().await, 3 * 72_000);
}
