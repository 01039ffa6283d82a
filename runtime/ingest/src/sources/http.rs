//! HTTP: turns what a server answers into a batch, and nothing where its entity tag or date says that nothing is new.

use super::{Pull, Pulled};
use crate::receive::{Declared, read};
use crate::{Encoding, Format, IngestError};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use terrane_manifest::without_secrets;
use terrane_store::BatchMode;
use tokio::io::BufReader;
use tokio_util::io::StreamReader;

/// Until a server begins to answer, and between two pieces of its answer.
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: usize = 5;

pub(super) async fn pull(
    pull: &Pull<'_>,
    url: &str,
    headers: &BTreeMap<String, String>,
    format: Option<&str>,
) -> Result<Pulled, IngestError> {
    let shown = without_secrets(url);
    let uri: Uri = pull.expand(url)?.parse().map_err(|_| pull.failed(format!("`{shown}` is no address")))?;
    let position = pull.position(true).await?;
    let mut sent = Vec::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| pull.failed(format!("`{name}` is no header")))?;
        let mut value = HeaderValue::try_from(pull.expand(value)?)
            .map_err(|_| pull.failed(format!("header `{name}` has a value that it cannot have")))?;
        value.set_sensitive(true);
        sent.push((name, value));
    }
    if let Some(position) = &position {
        for (name, key) in [(header::IF_NONE_MATCH, "etag"), (header::IF_MODIFIED_SINCE, "lastModified")] {
            if let Some(value) = position[key].as_str().and_then(|v| HeaderValue::from_str(v).ok()) {
                sent.push((name, value));
            }
        }
    }
    let response = get(pull, uri.clone(), &sent).await?;
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(Pulled::Unchanged),
        StatusCode::OK => {}
        status => return Err(pull.failed(format!("{shown} answered with status {status}"))),
    }
    let text = |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let position = json!({ "etag": text(header::ETAG), "lastModified": text(header::LAST_MODIFIED) });
    let content_type = text(header::CONTENT_TYPE).filter(|t| Format::parse(t).is_ok());
    let encoding = Encoding::parse(text(header::CONTENT_ENCODING).as_deref())?;
    let declared = Declared { content_type: format.or(content_type.as_deref()), encoding, name: Some(uri.path()) };
    let pieces = response.into_body().into_data_stream().map_err(std::io::Error::other);
    let body = StreamReader::new(Box::pin(patient(pieces)));
    let mut intake = pull.intake(&shown, BatchMode::Replace);
    read(&mut intake, &declared, BufReader::with_capacity(64 * 1024, body)).await?;
    pull.finish(intake, position).await
}

/// A stream that fails where the next piece takes too long.
fn patient(
    pieces: impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    futures_util::stream::try_unfold(pieces, |mut pieces| async move {
        match tokio::time::timeout(PATIENCE, pieces.try_next()).await {
            Ok(Ok(Some(piece))) => Ok(Some((piece, pieces))),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server stopped to answer")),
        }
    })
}

/// Ask, and follow redirects; secrets go to the host that they are for, and to no other.
async fn get(
    pull: &Pull<'_>,
    mut uri: Uri,
    headers: &[(HeaderName, HeaderValue)],
) -> Result<Response<hyper::body::Incoming>, IngestError> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let asked = uri.authority().cloned();
    for _ in 0..=MOST_REDIRECTS {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("zstd, gzip"));
        for (name, value) in headers.iter().filter(|(_, v)| !v.is_sensitive() || uri.authority() == asked.as_ref()) {
            request.headers_mut().insert(name, value.clone());
        }
        let shown = without_secrets(&uri.to_string());
        let response = match tokio::time::timeout(PATIENCE, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(pull.failed(format!("{shown} did not answer: {error}"))),
            Err(_) => return Err(pull.failed(format!("{shown} did not answer within {} s", PATIENCE.as_secs()))),
        };
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let location = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let next = url::Url::parse(&uri.to_string()).and_then(|base| base.join(location));
        let next = next.ok().filter(|next| matches!(next.scheme(), "http" | "https"));
        let next = next.and_then(|next| next.as_str().parse().ok());
        uri = next.ok_or_else(|| pull.failed(format!("{shown} leads nowhere")))?;
    }
    Err(pull.failed(format!("it leads on more than {MOST_REDIRECTS} times")))
}
