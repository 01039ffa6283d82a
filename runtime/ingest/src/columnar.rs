//! Columnar files: turns Parquet, Arrow IPC and Avro into rows of a batch, one record batch at a time.
//!
//! The body is spooled to a file first: Parquet and Arrow files are read from their end. A thread of its own decodes
//! record batches, and waits when two of them have not been taken yet.

use crate::cell::{self, given};
use crate::header::{self, Drift};
use crate::intake::Intake;
use crate::sink::{Sink, failure};
use crate::spool::spool;
use crate::{Given, IngestError};
use arrow_array::RecordBatch;
use arrow_avro::reader::ReaderBuilder;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::BufReader;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// A file may not be larger.
const LARGEST_FILE: u64 = 8 * 1024 * 1024 * 1024;
/// The values of one column in one row group may not be larger, unpacked.
const LARGEST_CHUNK: i64 = 1024 * 1024 * 1024;
/// What is said of a file that makes its decoder panic.
const UNREADABLE: &str = "the file cannot be decoded";
/// Rows decoded at once.
const ROWS: usize = 1024;

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC with a footer.
    ArrowFile,
    /// Arrow IPC as it is sent.
    ArrowStream,
    /// An Avro object container.
    Avro,
}

impl Kind {
    /// Which of the two forms of Arrow IPC a body is, by its first bytes.
    pub fn of_arrow(start: &[u8]) -> Self {
        if start.starts_with(b"ARROW1") { Self::ArrowFile } else { Self::ArrowStream }
    }
}

enum Part {
    Schema(SchemaRef),
    Rows(RecordBatch),
}

/// Read `body` to its end. Its columns name the contract's fields, in any order.
///
/// # Errors
/// [`IngestError`]; nothing of the batch may stay then.
pub async fn read(intake: &mut Intake<'_>, body: impl AsyncRead + Unpin, kind: Kind) -> Result<(), IngestError> {
    let file = spool(body, LARGEST_FILE).await?;
    let (sender, mut parts) = mpsc::channel(2);
    let decoding = tokio::task::spawn_blocking(move || decode(file, kind, &sender));
    let malformed = |reason: String| IngestError::Malformed { row: 0, reason };
    let Some(Part::Schema(schema)) = parts.recv().await else {
        return Err(malformed(
            failure(decoding, UNREADABLE).await.unwrap_or_else(|| "the file has no schema".to_owned()),
        ));
    };
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let mapping = header::map(intake.dataset(), &names)?;
    for (column, field) in schema.fields().iter().zip(&mapping.columns) {
        if field.is_some() && !cell::is_supported(column.data_type()) {
            return Err(malformed(format!(
                "column `{}` is of type {}, which is not taken",
                column.name(),
                column.data_type()
            )));
        }
    }
    let Some(sink) = intake.open(mapping).await? else { return Ok(()) };
    note_types(sink, &schema);
    while let Some(part) = parts.recv().await {
        let Part::Rows(batch) = part else { continue };
        put(sink, &batch);
        sink.flush().await?;
    }
    sink.decoded(failure(decoding, UNREADABLE).await).await
}

fn put(sink: &mut Sink<'_>, batch: &RecordBatch) {
    let used: Vec<bool> = sink.columns().iter().map(Option::is_some).collect();
    for row in 0..batch.num_rows() {
        sink.begin();
        for (column, used) in batch.columns().iter().zip(&used) {
            if *used {
                sink.put(&given(column.as_ref(), row));
            } else {
                sink.put(&Given::Null);
            }
        }
        sink.end();
    }
}

/// Note where a column's type is of another kind than its field's.
fn note_types(sink: &mut Sink<'_>, schema: &SchemaRef) {
    let columns: Vec<_> = sink.columns().to_vec();
    for (column, field) in schema.fields().iter().zip(columns) {
        let Some(field) = field else { continue };
        if !cell::is_alike(column.data_type(), &field.physical) {
            sink.note(Drift::Type {
                field: field.name.clone(),
                found: column.data_type().to_string(),
                expected: field.physical.to_string(),
            });
        }
    }
}

/// Decode until the end, or until nobody takes what comes.
fn decode(file: File, kind: Kind, parts: &mpsc::Sender<Part>) -> Result<(), String> {
    let file_error = |e: ArrowError| e.to_string();
    match kind {
        Kind::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
            let groups = builder.metadata().row_groups().iter();
            if groups.flat_map(|g| g.columns()).any(|c| c.uncompressed_size() > LARGEST_CHUNK) {
                return Err(format!("a row group has a column of more than {LARGEST_CHUNK} bytes"));
            }
            let schema = builder.schema().clone();
            let reader = builder.with_batch_size(ROWS).build().map_err(|e| e.to_string())?;
            send(parts, schema, reader)
        }
        Kind::ArrowFile => {
            let reader = FileReader::try_new_buffered(file, None).map_err(file_error)?;
            send(parts, reader.schema(), reader)
        }
        Kind::ArrowStream => {
            let reader = StreamReader::try_new_buffered(file, None).map_err(file_error)?;
            send(parts, reader.schema(), reader)
        }
        Kind::Avro => {
            let reader = BufReader::with_capacity(64 * 1024, file);
            let reader = ReaderBuilder::new().with_batch_size(ROWS).build(reader).map_err(file_error)?;
            send(parts, reader.schema(), reader)
        }
    }
}

fn send(
    parts: &mpsc::Sender<Part>,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<(), String> {
    if parts.blocking_send(Part::Schema(schema)).is_err() {
        return Ok(());
    }
    for batch in batches {
        let mut batch = batch.map_err(|e| e.to_string())?;
        // files of others may have batches of any size
        while batch.num_rows() > 0 {
            let rows = batch.num_rows().min(ROWS);
            if parts.blocking_send(Part::Rows(batch.slice(0, rows))).is_err() {
                return Ok(());
            }
            batch = batch.slice(rows, batch.num_rows() - rows);
        }
    }
    Ok(())
}
