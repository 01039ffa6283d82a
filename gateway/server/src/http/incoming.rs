//! Incoming bodies: turns the body of a request into its bytes, decompressed, within bounds of size and time.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::io;
use std::time::Duration;
use terrane_graphql::GraphqlError;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

/// The window of zstd that HTTP allows at most, as a power of two (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes, after decompression.
    pub bytes: usize,
    /// Until all of it is there.
    pub time: Duration,
    /// Whether it may be compressed.
    pub compressed: bool,
}

/// Why there are no bytes.
pub type Refusal = (StatusCode, GraphqlError);

/// Read a body.
///
/// # Errors
/// 408, 413 or 415 with an error that says so; 400 where it ends early or is not what its encoding says.
pub async fn read(headers: &HeaderMap, body: Body, bounds: Bounds) -> Result<Bytes, Refusal> {
    let reading = async {
        match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => plain(body, bounds.bytes).await,
            Some(encoding) if bounds.compressed => decoded(encoding, body, bounds.bytes).await,
            Some(_) => Err(unsupported("compressed requests are not taken; send the body as it is")),
        }
    };
    // a body that is there already is read without a timer
    let late = || {
        let message = format!("the body was not there within {} s; send it faster", bounds.time.as_secs());
        (StatusCode::REQUEST_TIMEOUT, GraphqlError::new("BODY_TOO_SLOW", message))
    };
    tokio::time::timeout(bounds.time, reading).await.unwrap_or_else(|_| Err(late()))
}

async fn plain(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(incomplete("the body ended early; send it again")),
    }
}

async fn decoded(encoding: &[u8], body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let reader = StreamReader::new(TryStreamExt::map_err(body.into_data_stream(), io::Error::other));
    let decoder = decoder(encoding, reader)
        .ok_or_else(|| unsupported("the content encoding is not known; send gzip, br or zstd, or none"))?;
    let mut out = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.take(bound).read_to_end(&mut out).await;
    read.map_err(|_| incomplete("the body can't be decompressed; check its content-encoding header"))?;
    if out.len() > limit {
        return Err(too_large(limit));
    }
    Ok(out.into())
}

fn decoder<R: AsyncBufRead + Send + Unpin + 'static>(
    encoding: &[u8],
    reader: R,
) -> Option<Box<dyn AsyncRead + Send + Unpin>> {
    match encoding.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Some(Box::new(decoder))
        }
        b"br" => Some(Box::new(BrotliDecoder::new(reader))),
        b"zstd" => Some(Box::new(ZstdDecoder::with_params(reader, &[DParameter::window_log_max(ZSTD_WINDOW)]))),
        _ => None,
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the body has more than {limit} bytes; send less");
    (StatusCode::PAYLOAD_TOO_LARGE, GraphqlError::new("BODY_TOO_LARGE", message))
}

fn unsupported(message: &str) -> Refusal {
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, GraphqlError::new("UNSUPPORTED_MEDIA_TYPE", message))
}

fn incomplete(message: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, GraphqlError::new("BODY_INCOMPLETE", message))
}
