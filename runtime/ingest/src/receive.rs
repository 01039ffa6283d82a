//! Receiving: turns a body, packed and of whichever format, into a batch.

use crate::bounded::Bounded;
use crate::counted::Counted;
use crate::detect::{Encoding, Format, parameter};
use crate::intake::{Intake, Taken, Target};
use crate::lines::Framing;
use crate::{IngestError, columnar, delimited, lines, sheet};
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use terrane_manifest::{Dataset, Dialect};
use terrane_store::{BatchMode, Store};
use tokio::io::{AsyncBufRead, AsyncReadExt as _, BufReader};

/// A packed body or file may not unpack to more: what is larger comes in parts.
const LARGEST_UNPACKED: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes by which a format is known.
const START: usize = 512;
const BUFFER: usize = 64 * 1024;

/// What is known of a body besides its bytes.
#[derive(Debug, Clone)]
pub struct Receive<'a> {
    /// Its media type, or a word for its format, where declared.
    pub content_type: Option<&'a str>,
    /// How it is packed, by the sender's word; a packed file in it is known by its first bytes.
    pub encoding: Encoding,
    /// The name of the file that it is, where it is one.
    pub name: Option<&'a str>,
    /// What happens to earlier rows.
    pub mode: BatchMode,
    /// Where it comes from, for the record.
    pub origin: &'a str,
    /// Who sends it.
    pub from: Option<&'a str>,
    /// The same key twice is loaded once.
    pub key: Option<&'a str>,
}

/// A body that is being read.
pub type Body<'b> = Box<dyn AsyncBufRead + Unpin + Send + 'b>;

/// Take in a body as one batch of `dataset`, with bounded memory.
///
/// # Errors
/// [`IngestError`], with the rows where it is the data; nothing of the batch stays then.
pub async fn receive(
    store: &Store,
    dataset: &Dataset,
    what: &Receive<'_>,
    body: impl AsyncBufRead + Unpin + Send,
) -> Result<Taken, IngestError> {
    let target = Target { store, dataset, origin: what.origin, mode: what.mode, from: what.from, key: what.key };
    let mut intake = Intake::new(target);
    let declared = Declared { content_type: what.content_type, encoding: what.encoding, name: what.name };
    read(&mut intake, &declared, body).await?;
    intake.finish().await
}

/// What a sender or source says of a body.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// Its media type, or a word for its format.
    pub content_type: Option<&'a str>,
    /// How it is packed.
    pub encoding: Encoding,
    /// The name of the file that it is.
    pub name: Option<&'a str>,
}

/// Read one body into an open batch.
///
/// # Errors
/// [`IngestError`]; nothing of the batch may stay then.
pub async fn read(
    intake: &mut Intake<'_>,
    declared: &Declared<'_>,
    body: impl AsyncBufRead + Unpin + Send,
) -> Result<(), IngestError> {
    let content_type = declared.content_type.unwrap_or_default();
    let format = match Format::parse(content_type)? {
        Some(format) => Some(format),
        None => declared.name.and_then(Format::of_name),
    };
    let body = Counted::new(body, intake.bytes());
    let (start, body) = unpack(Box::new(body), declared.encoding).await?;
    let format = format.unwrap_or_else(|| Format::of_bytes(&start));
    match format {
        Format::Csv | Format::Tsv => {
            let dialect = dialect(intake.dataset(), format, content_type)?;
            delimited::read(intake, body, &dialect).await
        }
        Format::Ndjson => lines::read(intake, body, Framing::Lines).await,
        Format::Json => {
            let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
            let framing = if text.starts_with(b"{") { Framing::Lines } else { Framing::Array };
            lines::read(intake, body, framing).await
        }
        Format::Parquet => columnar::read(intake, body, columnar::Kind::Parquet).await,
        Format::Arrow => columnar::read(intake, body, columnar::Kind::of_arrow(&start)).await,
        Format::Avro => columnar::read(intake, body, columnar::Kind::Avro).await,
        Format::Xlsx => sheet::read(intake, body).await,
    }
}

/// The dataset's dialect with what the media type says of this text (RFC 7111: `charset`, `header`).
fn dialect(dataset: &Dataset, format: Format, content_type: &str) -> Result<Dialect, IngestError> {
    let mut dialect = dataset.ingest.dialect.clone();
    if format == Format::Tsv {
        dialect.delimiter = Some(b'\t');
    }
    if let Some(charset) = parameter(content_type, "charset") {
        dialect.encoding = Some(charset.to_owned());
    }
    match parameter(content_type, "header") {
        None => {}
        Some("present") => dialect.header = true,
        Some("absent") => dialect.header = false,
        Some(_) => return Err(IngestError::UnknownFormat(content_type.to_owned())),
    }
    match parameter(content_type, "delimiter") {
        None => {}
        Some("tab" | "\\t") => dialect.delimiter = Some(b'\t'),
        Some(one) if one.len() == 1 && one.is_ascii() => dialect.delimiter = Some(one.as_bytes()[0]),
        Some(_) => return Err(IngestError::UnknownFormat(content_type.to_owned())),
    }
    Ok(dialect)
}

/// What the body starts with, and the body from its start on, without what it is packed in: the sender's packing of the
/// transfer, and that of a file (`x.csv.gz`).
async fn unpack<'b>(body: Body<'b>, declared: Encoding) -> Result<(Vec<u8>, Body<'b>), IngestError> {
    let (mut start, mut body) = peek(decoded(body, declared)).await?;
    let packed = Encoding::of_bytes(&start);
    if packed != Encoding::Identity {
        (start, body) = peek(decoded(body, packed)).await?;
    }
    Ok((start, body))
}

/// A few packed bytes can stand for very many.
fn decoded<'b>(body: Body<'b>, encoding: Encoding) -> Body<'b> {
    match encoding {
        Encoding::Identity => body,
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(body);
            decoder.multiple_members(true);
            Box::new(BufReader::with_capacity(BUFFER, Bounded::new(decoder, LARGEST_UNPACKED)))
        }
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::new(body);
            decoder.multiple_members(true);
            Box::new(BufReader::with_capacity(BUFFER, Bounded::new(decoder, LARGEST_UNPACKED)))
        }
    }
}

async fn peek<'b>(mut body: Body<'b>) -> Result<(Vec<u8>, Body<'b>), IngestError> {
    let mut start = Vec::with_capacity(START);
    (&mut body).take(START as u64).read_to_end(&mut start).await.map_err(IngestError::Body)?;
    let again = std::io::Cursor::new(start.clone());
    Ok((start, Box::new(again.chain(body))))
}
