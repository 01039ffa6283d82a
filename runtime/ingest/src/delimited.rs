//! CSV: turns delimited text with a header into rows of a batch (RFC 4180).

use crate::IngestError;
use csv_async::{AsyncReaderBuilder, StringRecord};
use terrane_manifest::Dataset;
use terrane_store::{Batch, BatchMode, Store};
use tokio::io::AsyncRead;

/// The open batch's parameters besides its rows.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where the rows go.
    pub store: &'a Store,
    /// Their dataset.
    pub dataset: &'a Dataset,
    /// Where they come from, for the record.
    pub origin: &'a str,
    /// What happens to earlier rows.
    pub mode: BatchMode,
    /// Who sends them.
    pub from: Option<&'a str>,
    /// Idempotency key.
    pub key: Option<&'a str>,
}

/// Read `body` to its end. The header names the contract's fields, in any order; fields it leaves out are NULL. An
/// empty value is NULL; `NA` is a value like any other.
pub async fn read(
    target: Target<'_>,
    body: impl AsyncRead + Unpin + Send,
    delimiter: u8,
) -> Result<Batch, IngestError> {
    let mut reader = AsyncReaderBuilder::new().delimiter(delimiter).flexible(false).create_reader(body);
    let header = reader.headers().await.map_err(|e| malformed(0, &e))?.clone();
    let columns = columns(target.dataset, &header)?;
    let opened =
        target.store.open_batch(target.dataset, &columns, target.origin, target.mode, target.from, target.key).await?;
    let mut writer = match opened {
        Ok(writer) => writer,
        Err(earlier) => return Ok(earlier),
    };
    let mut record = StringRecord::new();
    loop {
        let more = reader.read_record(&mut record).await.map_err(|e| malformed(writer.rows() + 1, &e))?;
        if !more {
            return Ok(writer.finish().await?);
        }
        writer.push_row(record.iter().map(|value| (!value.is_empty()).then_some(value)));
        if writer.is_full() {
            writer.send().await?;
        }
    }
}

/// The columns of the header's names, each once.
fn columns<'a>(dataset: &'a Dataset, header: &StringRecord) -> Result<Vec<&'a str>, IngestError> {
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let name = name.trim_start_matches('\u{feff}').trim();
        let Some(field) = dataset.field(name) else {
            let known: Vec<&str> = dataset.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(IngestError::UnknownColumn {
                column: name.to_owned(),
                dataset: dataset.name.clone(),
                known: known.join(", "),
            });
        };
        if columns.contains(&field.column.as_str()) {
            return Err(IngestError::Malformed { row: 0, reason: format!("column `{name}` is there twice") });
        }
        columns.push(field.column.as_str());
    }
    if columns.is_empty() {
        return Err(IngestError::Malformed { row: 0, reason: "there is no header with column names".to_owned() });
    }
    Ok(columns)
}

fn malformed(row: u64, error: &csv_async::Error) -> IngestError {
    use csv_async::ErrorKind;
    match error.kind() {
        ErrorKind::Io(source) => IngestError::Body(std::io::Error::new(source.kind(), source.to_string())),
        ErrorKind::Utf8 { .. } => IngestError::Malformed { row, reason: "the text is not UTF-8".to_owned() },
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let reason = format!("{len} values where the header has {expected_len} columns");
            IngestError::Malformed { row, reason }
        }
        other => IngestError::Malformed { row, reason: format!("{other:?}") },
    }
}
