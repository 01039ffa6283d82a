//! Object stores of clouds: turns a URL and options into a store that is asked by our own HTTP client.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Connector;
use hyper_util::rt::TokioExecutor;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreScheme, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Until a store begins to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first of `options` that the store of `url` does not know: a word that is spelled wrongly would else say nothing.
pub fn unknown_option<'o>(url: &Url, options: &'o BTreeMap<String, String>) -> Option<&'o str> {
    let (scheme, _) = ObjectStoreScheme::parse(url).ok()?;
    let is_known = |name: &String| {
        let name = name.to_ascii_lowercase();
        match scheme {
            ObjectStoreScheme::AmazonS3 => name.parse::<AmazonS3ConfigKey>().is_ok(),
            ObjectStoreScheme::GoogleCloudStorage => name.parse::<GoogleConfigKey>().is_ok(),
            ObjectStoreScheme::MicrosoftAzure => name.parse::<AzureConfigKey>().is_ok(),
            _ => false,
        }
    };
    options.keys().find(|name| !is_known(name)).map(String::as_str)
}

/// The store of `url`, and the path in it. Options that the store does not know are passed over: variables of the
/// environment are among them.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_each_store_are_known_and_others_are_found() {
        for (url, known) in [
            ("s3://b/x", &["aws_endpoint", "aws_region", "aws_allow_http", "aws_access_key_id"][..]),
            ("s3a://b/x", &["aws_virtual_hosted_style_request"]),
            ("gs://b/x", &["google_service_account", "google_service_account_key", "google_base_url"]),
            ("az://c/x", &["azure_storage_account_name", "azure_storage_account_key", "azure_storage_sas_key"]),
            ("abfss://c@account.dfs.core.windows.net/x", &["azure_storage_client_id", "azure_allow_http"]),
        ] {
            let url = url.parse().unwrap();
            let options: BTreeMap<String, String> = known.iter().map(|n| ((*n).to_owned(), String::new())).collect();
            assert_eq!(unknown_option(&url, &options), None, "{url}");
            let options = BTreeMap::from([("acess_key".to_owned(), String::new())]);
            assert_eq!(unknown_option(&url, &options), Some("acess_key"), "{url}");
        }
        let options = BTreeMap::from([("aws_region".to_owned(), String::new())]);
        assert_eq!(unknown_option(&"file:///x".parse().unwrap(), &options), Some("aws_region"));
    }

    #[test]
    fn what_a_store_needs_and_has_not_is_said() {
        let none = BTreeMap::new();
        let said = |url: &str, options: &BTreeMap<String, String>| {
            open(&url.parse().unwrap(), options).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(said("az://container/x", &none).contains("Account"), "{}", said("az://container/x", &none));
        let options = BTreeMap::from([("google_service_account_key".to_owned(), "no json".to_owned())]);
        assert!(!said("gs://bucket/x", &options).is_empty());
        let options = BTreeMap::from([("azure_storage_account_key".to_owned(), "no base 64".to_owned())]);
        assert!(!said("abfss://c@account.dfs.core.windows.net/x", &options).is_empty());
        assert!(said("ftp://host/x", &none).contains("ftp"));
    }
}
