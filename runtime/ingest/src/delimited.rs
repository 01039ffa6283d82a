//! Delimited text: turns CSV or TSV in the dialect of the contract into rows of a batch (RFC 4180).

use crate::header::{self, Mapping};
use crate::intake::Intake;
use crate::sink::Sink;
use crate::transcode::Transcode;
use crate::{Given, IngestError};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::borrow::Cow;
use terrane_manifest::{Dataset, Dialect};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

/// A row of text may not be longer, and no line that is passed over.
const LONGEST_ROW: usize = 16 * 1024 * 1024;
/// Values of a row at most.
const MOST_VALUES: usize = 10_000;
/// Delimiters that are looked for where none is declared; of those that do equally well, the first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Read `body` to its end. Its header names the contract's fields, in any order; fields that it leaves out are NULL.
///
/// # Errors
/// [`IngestError`]; nothing of the batch may stay then.
pub async fn read(
    intake: &mut Intake<'_>,
    body: impl AsyncBufRead + Unpin + Send,
    dialect: &Dialect,
) -> Result<(), IngestError> {
    match dialect.encoding.as_deref() {
        None => read_text(intake, body, dialect).await,
        Some(name) if name.eq_ignore_ascii_case("utf-8") => read_text(intake, body, dialect).await,
        Some(name) => {
            let transcoded =
                Transcode::new(body, name).ok_or_else(|| IngestError::UnknownFormat(format!("charset {name}")))?;
            read_text(intake, BufReader::with_capacity(64 * 1024, transcoded), dialect).await
        }
    }
}

async fn read_text(
    intake: &mut Intake<'_>,
    mut body: impl AsyncBufRead + Unpin + Send,
    dialect: &Dialect,
) -> Result<(), IngestError> {
    for _ in 0..dialect.skip_lines {
        let mut line = Vec::new();
        (&mut body).take(LONGEST_ROW as u64).read_until(b'\n', &mut line).await.map_err(IngestError::Body)?;
    }
    let delimiter = match dialect.delimiter {
        Some(delimiter) => delimiter,
        None => guess(intake.dataset(), dialect, body.fill_buf().await.map_err(IngestError::Body)?),
    };
    let mut records = Records::new(body, dialect, delimiter);
    let (mapping, mut waiting) = open(intake.dataset(), &mut records, dialect).await?;
    let Some(sink) = intake.open(mapping).await? else { return Ok(()) };
    loop {
        if !std::mem::take(&mut waiting) {
            match records.next().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(IngestError::Malformed { reason, .. }) => return Err(sink.abandon(sink.row() + 1, &reason).await),
                Err(error) => return Err(error),
            }
        }
        put(sink, &records, dialect);
        if sink.is_due() {
            sink.flush().await?;
        }
    }
}

/// Read the header, or the first row where there is none (it waits then).
async fn open<'a, R: AsyncBufRead + Unpin + Send>(
    dataset: &'a Dataset,
    records: &mut Records<R>,
    dialect: &Dialect,
) -> Result<(Mapping<'a>, bool), IngestError> {
    let more = records.next().await?;
    if dialect.header {
        let names: Vec<String> = records.values().map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        return Ok((header::map(dataset, &names)?, false));
    }
    let mapping = match dialect.columns.as_slice() {
        [] => Mapping::of_contract(dataset),
        names => header::map(dataset, names)?,
    };
    records.strip_mark();
    Ok((mapping, more))
}

fn put<R>(sink: &mut Sink<'_>, records: &Records<R>, dialect: &Dialect) {
    sink.begin();
    if records.count != sink.width() {
        sink.spoil(None, None, format!("has {} values where there are {} columns", records.count, sink.width()));
        return sink.end();
    }
    for value in records.values() {
        if dialect.nulls.iter().any(|null| null.as_bytes() == value) {
            sink.put(&Given::Null);
            continue;
        }
        match std::str::from_utf8(value) {
            Ok(text) => sink.put(&Given::Text(Cow::Borrowed(text))),
            Err(_) => sink.put(&Given::bytes(value)),
        }
    }
    sink.end();
}

/// The delimiter by which the first line names most fields; without a header, by which it has most values.
fn guess(dataset: &Dataset, dialect: &Dialect, start: &[u8]) -> u8 {
    let line = start.split(|b| matches!(b, b'\n' | b'\r')).find(|l| !l.is_empty()).unwrap_or_default();
    let score = |delimiter: u8| {
        let mut quoted = false;
        let values = line.split(|&b| {
            quoted ^= Some(b) == dialect.quote;
            b == delimiter && !quoted
        });
        if !dialect.header {
            return values.count();
        }
        let quotes: &[char] = &['"', '\'', '\u{feff}', ' '];
        values.filter(|v| header::find(dataset, String::from_utf8_lossy(v).trim_matches(quotes)).is_some()).count()
    };
    // the first of those with the highest score
    DELIMITERS.into_iter().rev().max_by_key(|d| score(*d)).unwrap_or(b',')
}

/// The rows of a text, one at a time.
struct Records<R> {
    body: R,
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
    skip: usize,
}

impl<R: AsyncBufRead + Unpin + Send> Records<R> {
    fn new(body: R, dialect: &Dialect, delimiter: u8) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).comment(dialect.comment).escape(dialect.escape);
        match dialect.quote {
            Some(quote) => builder.quote(quote).double_quote(true),
            None => builder.quoting(false),
        };
        Self { body, reader: builder.build(), text: vec![0; 8 * 1024], ends: vec![0; 64], count: 0, skip: 0 }
    }

    /// Read the next row; false at the end.
    async fn next(&mut self) -> Result<bool, IngestError> {
        let (mut length, mut count) = (0, 0);
        self.skip = 0;
        let malformed = |reason: String| IngestError::Malformed { row: 0, reason };
        loop {
            let input = self.body.fill_buf().await.map_err(IngestError::Body)?;
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.text[length..], &mut self.ends[count..]);
            self.body.consume(read);
            length += written;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() >= LONGEST_ROW => {
                    return Err(malformed(format!("the row is longer than {LONGEST_ROW} bytes; is a quote missing?")));
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= MOST_VALUES => {
                    return Err(malformed(format!("the row has more than {MOST_VALUES} values")));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.count = count;
                    return Ok(true);
                }
                ReadRecordResult::End => {
                    self.count = 0;
                    return Ok(false);
                }
            }
        }
    }
}

impl<R> Records<R> {
    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = self.skip;
        self.ends[..self.count].iter().map(move |&end| {
            let value = &self.text[start..end];
            start = end;
            value
        })
    }

    /// Pass over a byte order mark in front of the first value.
    fn strip_mark(&mut self) {
        if self.count > 0 && self.text[..self.ends[0]].starts_with(b"\xef\xbb\xbf") {
            self.skip = 3;
        }
    }
}
