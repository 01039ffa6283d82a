//! Object stores of clouds: turns a URL and options into a store that is asked by our own HTTP client.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Connector;
use hyper_util::rt::TokioExecutor;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreScheme, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Until a store begins to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The store of `url`, and the path in it. Options that a store does not know are passed over.
///
/// # Errors
/// [`Error`] of the store's builder.
pub fn open(url: &Url, options: &BTreeMap<String, String>) -> Result<(Box<dyn ObjectStore>, Path)> {
    let (scheme, path) = ObjectStoreScheme::parse(url)?;
    macro_rules! build {
        ($builder:ty) => {{
            let mut builder = <$builder>::new().with_url(url.as_str()).with_http_connector(Hyper);
            for (name, value) in options {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            Box::new(builder.build()?)
        }};
    }
    let store: Box<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::Local => Box::new(LocalFileSystem::new()),
        ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder),
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder),
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder),
        other => return Err(Error::NotSupported { source: format!("{other:?} is no object store").into() }),
    };
    Ok((store, Path::parse(path)?))
}

/// Makes clients of hyper, as the rest of the project uses it.
#[derive(Debug)]
struct Hyper;

impl HttpConnector for Hyper {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().enable_http2().build();
        Ok(HttpClient::new(Asker(Client::builder(TokioExecutor::new()).build(connector))))
    }
}

#[derive(Debug)]
struct Asker(Client<HttpsConnector<Connector>, HttpRequestBody>);

#[async_trait]
impl HttpService for Asker {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        match tokio::time::timeout(PATIENCE, self.0.request(request)).await {
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
                Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
            }
            Ok(Err(error)) if error.is_connect() => Err(HttpError::new(HttpErrorKind::Connect, error)),
            Ok(Err(error)) => Err(HttpError::new(HttpErrorKind::Request, error)),
            Err(late) => Err(HttpError::new(HttpErrorKind::Timeout, late)),
        }
    }
}
