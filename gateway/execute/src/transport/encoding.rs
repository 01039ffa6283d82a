//! Encodings: turns compressed answers of a subgraph into plain ones, within the bound that plain ones have.

use super::{Transport, TransportError};
use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tower::ServiceExt as _;

/// The window of zstd that HTTP allows at most, as a power of two (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// Ask for compressed answers over `transport`, and decompress them to at most `limit` bytes each. What is not what its
/// encoding says becomes an empty answer, which no subgraph gives rightly.
pub fn compressed(transport: Transport, limit: usize) -> Transport {
    let service = tower::service_fn(move |mut request: Request<Bytes>| {
        let transport = transport.clone();
        async move {
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("zstd, br, gzip"));
            decode(transport.oneshot(request).await?, limit).await
        }
    });
    Transport::new(service)
}

async fn decode(response: Response<Bytes>, limit: usize) -> Result<Response<Bytes>, TransportError> {
    let (mut head, body) = response.into_parts();
    let Some(encoding) = head.headers.remove(CONTENT_ENCODING) else { return Ok(Response::from_parts(head, body)) };
    if encoding == "identity" {
        return Ok(Response::from_parts(head, body));
    }
    head.headers.remove(CONTENT_LENGTH);
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = match decoder(encoding.as_bytes(), &body) {
        Some(decoder) => decoder.take(bound).read_to_end(&mut plain).await.map_err(|error| error.to_string()),
        None => Err("its encoding was not asked for".to_owned()),
    };
    if plain.len() > limit {
        return Err(TransportError::TooLarge(limit));
    }
    if let Err(error) = read {
        tracing::warn!(?encoding, error, "the answer of a subgraph can't be decompressed");
        plain.clear();
    }
    Ok(Response::from_parts(head, plain.into()))
}

fn decoder<'b>(encoding: &[u8], body: &'b [u8]) -> Option<Box<dyn AsyncRead + Send + Unpin + 'b>> {
    match encoding {
        b"gzip" => Some(Box::new(GzipDecoder::new(body))),
        b"br" => Some(Box::new(BrotliDecoder::new(body))),
        b"zstd" => Some(Box::new(ZstdDecoder::with_params(body, &[DParameter::window_log_max(ZSTD_WINDOW)]))),
        _ => None,
    }
}
