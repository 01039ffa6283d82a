//! JSON: turns an array of objects, or objects in lines (NDJSON), into rows of a batch.

use crate::header::{self, Mapping};
use crate::intake::Intake;
use crate::sink::Sink;
use crate::{Given, IngestError};
use serde_json::{Map, Value};
use std::collections::HashMap;
use terrane_manifest::Dataset;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// An object may not be longer than this.
const LONGEST_OBJECT: usize = 16 * 1024 * 1024;

/// How objects follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One on a line.
    Lines,
    /// `[…, …]`.
    Array,
}

/// Read `body` to its end: objects keyed by the contract's field names; what one leaves out is NULL.
///
/// # Errors
/// [`IngestError`]; nothing of the batch may stay then.
pub async fn read(
    intake: &mut Intake<'_>,
    body: impl AsyncBufRead + Unpin + Send,
    framing: Framing,
) -> Result<(), IngestError> {
    let dataset = intake.dataset();
    let Some(sink) = intake.open(Mapping::of_contract(dataset)).await? else { return Ok(()) };
    let mut rows = Rows { sink, dataset, keys: HashMap::new() };
    let mut objects = Objects { body, text: Vec::new(), state: State::Before, items: 0 };
    loop {
        let more = match framing {
            Framing::Lines => objects.next_line().await,
            Framing::Array => objects.next_item().await,
        };
        match more {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(IngestError::Malformed { reason, .. }) => {
                let row = rows.sink.row() + 1;
                return Err(rows.sink.abandon(row, &reason).await);
            }
            Err(error) => return Err(error),
        }
        match serde_json::from_slice::<Value>(&objects.text) {
            Ok(Value::Object(object)) => rows.push(&object),
            Ok(_) => rows.spoil("is no JSON object"),
            Err(error) => rows.spoil(&format!("is no JSON: {error}")),
        }
        if rows.sink.is_due() {
            rows.sink.flush().await?;
        }
    }
}

/// Rows that are JSON objects.
struct Rows<'s, 'a> {
    sink: &'s mut Sink<'a>,
    dataset: &'a Dataset,
    /// Keys seen, and the place of each one's field; none is passed over.
    keys: HashMap<String, Option<usize>>,
}

/// Keys that are remembered; more are looked up again.
const KNOWN_KEYS: usize = 10_000;

impl Rows<'_, '_> {
    /// One row.
    fn push(&mut self, object: &Map<String, Value>) {
        let fields = &self.dataset.fields;
        let mut values = vec![Given::Null; fields.len()];
        self.sink.begin();
        for (key, value) in object {
            match self.field(key) {
                Some(index) => values[index] = Given::json(value),
                None if self.dataset.ingest.ignore_extra => {
                    self.sink.note(crate::Drift::Extra(key.clone()));
                }
                None => {
                    let reason = format!("key `{key}` is not in the contract of dataset `{}`", self.dataset.name);
                    self.sink.spoil(None, None, reason);
                }
            }
        }
        for value in &values {
            self.sink.put(value);
        }
        self.sink.end();
    }

    fn field(&mut self, key: &str) -> Option<usize> {
        if let Some(known) = self.keys.get(key) {
            return *known;
        }
        let dataset = self.dataset;
        let found = header::find(dataset, key).and_then(|f| dataset.fields.iter().position(|g| g.name == f.name));
        if self.keys.len() < KNOWN_KEYS {
            self.keys.insert(key.to_owned(), found);
        }
        found
    }

    fn spoil(&mut self, reason: &str) {
        self.sink.begin();
        self.sink.spoil(None, None, reason);
        self.sink.end();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Within,
    After,
}

/// The objects of a body, one at a time.
struct Objects<R> {
    body: R,
    text: Vec<u8>,
    state: State,
    items: u64,
}

impl<R: AsyncBufRead + Unpin + Send> Objects<R> {
    /// The next line that is not blank.
    async fn next_line(&mut self) -> Result<bool, IngestError> {
        loop {
            self.text.clear();
            let mut limited = tokio::io::AsyncReadExt::take(&mut self.body, LONGEST_OBJECT as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.text).await.map_err(IngestError::Body)?;
            if read > LONGEST_OBJECT {
                return Err(too_long());
            }
            if read == 0 {
                return Ok(false);
            }
            if !self.text.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    /// The next item of the array: its text, found by counting brackets outside of texts.
    async fn next_item(&mut self) -> Result<bool, IngestError> {
        self.text.clear();
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        loop {
            let input = self.body.fill_buf().await.map_err(IngestError::Body)?;
            if input.is_empty() {
                return match self.state {
                    State::After => Ok(false),
                    State::Before => Err(malformed("the body is no JSON array")),
                    State::Within => Err(malformed("the array is not complete")),
                };
            }
            let mut done = None;
            let mut read = 0;
            for &byte in input {
                read += 1;
                match self.state {
                    State::Before => match byte {
                        b'[' => self.state = State::Within,
                        // a byte order mark, too
                        b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => {}
                        _ => return Err(malformed("the body is no JSON array")),
                    },
                    State::After => {
                        if !byte.is_ascii_whitespace() {
                            return Err(malformed("something follows the array"));
                        }
                    }
                    State::Within => {
                        if quoted {
                            match byte {
                                _ if escaped => escaped = false,
                                b'\\' => escaped = true,
                                b'"' => quoted = false,
                                _ => {}
                            }
                        } else {
                            match byte {
                                b'"' => quoted = true,
                                b'{' | b'[' => depth += 1,
                                b'}' | b']' if depth > 0 => depth -= 1,
                                b']' | b',' if depth == 0 => {
                                    if byte == b']' {
                                        self.state = State::After;
                                    }
                                    let blank = self.text.iter().all(u8::is_ascii_whitespace);
                                    if blank && (byte == b',' || self.items > 0) {
                                        return Err(malformed("a comma has nothing on one side of it"));
                                    }
                                    self.items += 1;
                                    done = (!blank).then_some(());
                                    if done.is_some() {
                                        break;
                                    }
                                    continue;
                                }
                                _ => {}
                            }
                        }
                        self.text.push(byte);
                    }
                }
            }
            self.body.consume(read);
            if done.is_some() {
                return Ok(true);
            }
            if self.text.len() > LONGEST_OBJECT {
                return Err(too_long());
            }
        }
    }
}

fn malformed(reason: &str) -> IngestError {
    IngestError::Malformed { row: 0, reason: reason.to_owned() }
}

fn too_long() -> IngestError {
    IngestError::Malformed { row: 0, reason: format!("the object is longer than {LONGEST_OBJECT} bytes") }
}
