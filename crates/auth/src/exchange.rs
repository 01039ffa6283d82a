//! Exchanges: turns a request to an issuer of tokens into its answer, within bounds of size and time. No redirect is followed:
//! an issuer that could send us elsewhere could make us ask what only we can reach.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
const LARGEST: usize = 1024 * 1024;

/// Why there is no answer; for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ExchangeError(String);

/// Send a request and read its whole answer, whatever its status.
///
/// # Errors
/// Where the answer does not come, or is too large.
pub(crate) async fn exchange(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ExchangeError> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let failed = |error: &dyn std::fmt::Display| ExchangeError(error.to_string());
    let work = async {
        let response =
            client.request(request.map(|body| Full::new(Bytes::from(body)))).await.map_err(|e| failed(&e))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|e| failed(&e))?;
        Ok(Response::from_parts(head, body.to_bytes().to_vec()))
    };
    tokio::time::timeout(LIMIT, work).await.map_err(|_| failed(&"no answer in time"))?
}

/// The body of a successful answer to `GET address`; `token` is shown as a bearer token.
///
/// # Errors
/// As [`exchange`], and for another status.
pub(crate) async fn get(address: &str, token: Option<&str>) -> Result<Vec<u8>, ExchangeError> {
    let mut request = Request::get(address).header(http::header::ACCEPT, "application/json");
    if let Some(token) = token {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Vec::new()).map_err(|error| ExchangeError(error.to_string()))?;
    let response = exchange(request).await?;
    match response.status().is_success() {
        true => Ok(response.into_body()),
        false => Err(ExchangeError(format!("status {}", response.status()))),
    }
}
