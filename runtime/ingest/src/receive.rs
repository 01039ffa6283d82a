//! Receiving: turns a body of a declared format and encoding into a batch.

use crate::bounded::Bounded;
use crate::delimited::{self, Target};
use crate::{IngestError, lines};
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use terrane_manifest::Dataset;
use terrane_store::{Batch, BatchMode, Store};
use tokio::io::{AsyncBufRead, BufReader};

/// A packed body or file may not unpack to more: what is larger comes in parts.
const LARGEST_UNPACKED: u64 = 8 * 1024 * 1024 * 1024;

/// A format that the input port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// By media type, or by a file's or contract's word.
    ///
    /// # Errors
    /// [`IngestError::UnknownFormat`].
    pub fn parse(word: &str) -> Result<Self, IngestError> {
        match word.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" | "csv" => Ok(Self::Csv),
            "text/tab-separated-values" | "tsv" => Ok(Self::Tsv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "ndjson" | "jsonl" => {
                Ok(Self::Ndjson)
            }
            _ => Err(IngestError::UnknownFormat(word.to_owned())),
        }
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// By the `content-encoding` header's value.
    ///
    /// # Errors
    /// [`IngestError::UnknownFormat`].
    pub fn parse(word: Option<&str>) -> Result<Self, IngestError> {
        match word.map(|w| w.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(other) => Err(IngestError::UnknownFormat(other.to_owned())),
        }
    }
}

/// What is known of a body besides its bytes.
#[derive(Debug, Clone)]
pub struct Receive<'a> {
    /// Its format.
    pub format: Format,
    /// How it is packed.
    pub encoding: Encoding,
    /// What happens to earlier rows.
    pub mode: BatchMode,
    /// Where it comes from, for the record.
    pub origin: &'a str,
    /// Who sends it.
    pub from: Option<&'a str>,
    /// The same key twice is loaded once.
    pub key: Option<&'a str>,
}

/// Take in a body as one batch of `dataset`, with bounded memory.
///
/// # Errors
/// [`IngestError`], with the row where it is the data; nothing of the batch stays then.
pub async fn receive(
    store: &Store,
    dataset: &Dataset,
    what: &Receive<'_>,
    body: impl AsyncBufRead + Unpin + Send,
) -> Result<Batch, IngestError> {
    let target = Target { store, dataset, origin: what.origin, mode: what.mode, from: what.from, key: what.key };
    match what.encoding {
        Encoding::Identity => decode(target, what.format, body).await,
        Encoding::Gzip => decode(target, what.format, BufReader::new(unpacked(GzipDecoder::new(body)))).await,
        Encoding::Zstd => decode(target, what.format, BufReader::new(unpacked(ZstdDecoder::new(body)))).await,
    }
}

/// A few packed bytes can stand for very many.
fn unpacked<R>(decoder: R) -> Bounded<R> {
    Bounded::new(decoder, LARGEST_UNPACKED)
}

async fn decode(
    target: Target<'_>,
    format: Format,
    body: impl AsyncBufRead + Unpin + Send,
) -> Result<Batch, IngestError> {
    match format {
        Format::Csv => delimited::read(target, body, b',').await,
        Format::Tsv => delimited::read(target, body, b'\t').await,
        Format::Ndjson => lines::read(target, body).await,
    }
}
