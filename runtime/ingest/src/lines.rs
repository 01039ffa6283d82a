//! NDJSON: turns lines of JSON objects into rows of a batch.

use crate::IngestError;
use crate::delimited::Target;
use crate::literal::to_text;
use serde_json::{Map, Value};
use std::borrow::Cow;
use terrane_store::{Batch, BatchWriter};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// A line may not be longer than this.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Read `body` to its end: one object a line, keyed by the contract's field names; what a line leaves out is NULL.
pub async fn read(target: Target<'_>, body: impl AsyncBufRead + Unpin + Send) -> Result<Batch, IngestError> {
    let columns: Vec<&str> = target.dataset.fields.iter().map(|f| f.column.as_str()).collect();
    let opened =
        target.store.open_batch(target.dataset, &columns, target.origin, target.mode, target.from, target.key).await?;
    let mut writer = match opened {
        Ok(writer) => writer,
        Err(earlier) => return Ok(earlier),
    };
    let mut body = body;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let mut limited = tokio::io::AsyncReadExt::take(&mut body, LONGEST_LINE + 1);
        let read = limited.read_until(b'\n', &mut line).await.map_err(IngestError::Body)?;
        if read as u64 > LONGEST_LINE {
            let reason = format!("the line is longer than {LONGEST_LINE} bytes");
            return Err(IngestError::Malformed { row: number, reason });
        }
        if read == 0 {
            return Ok(writer.finish().await?);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let bad = |reason: String| IngestError::Malformed { row: number, reason };
        let object: Map<String, Value> = serde_json::from_slice(&line).map_err(|e| bad(e.to_string()))?;
        push_object(&mut writer, &target, &object).map_err(bad)?;
        if writer.is_full() {
            writer.send().await?;
        }
    }
}

fn push_object(writer: &mut BatchWriter, target: &Target<'_>, object: &Map<String, Value>) -> Result<(), String> {
    let fields = &target.dataset.fields;
    if let Some(unknown) = object.keys().find(|key| !fields.iter().any(|f| f.name == **key)) {
        return Err(format!("key `{unknown}` is not in the contract of dataset `{}`", target.dataset.name));
    }
    let mut texts: Vec<Option<Cow<'_, str>>> = Vec::with_capacity(fields.len());
    for field in fields {
        texts.push(to_text(field, object.get(&field.name).unwrap_or(&Value::Null))?);
    }
    writer.push_row(texts.iter().map(Option::as_deref));
    Ok(())
}
