//! Pulls from servers that speak S3, Azure's and Google's protocols: patterns, entity tags, keys that the server does not know.
//!
//! Needs `s3rver`, `azurite` and `fake-gcs-server`: `scripts/test-objects.sh` brings them along and says where they are.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Lab;
use terrane_ingest::{Environment, IngestError, Pulled, Puller, Upstreams, open_objects};

/// A server of objects.
struct Objects {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Drop for Objects {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Objects {
    /// Start the program that a variable names; `arguments` are made of its port and folder.
    async fn start(variable: &str, arguments: impl Fn(&str, &str) -> Vec<String>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var(variable).expect("scripts/test-objects.sh sets it");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(arguments(&port.to_string(), folder.path().to_str().unwrap()))
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "{variable} does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, endpoint: format!("http://127.0.0.1:{port}"), _folder: folder }
    }
}

/// Put an object into the store of a URL.
async fn put(url: &str, options: &[(&str, &str)], name: &str, content: &'static [u8]) {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (store, _) = open_objects(&url.parse().unwrap(), &options).unwrap();
    store.put(&Path::from(name), PutPayload::from_static(content)).await.unwrap();
}

/// A laboratory whose port reads objects.
async fn lab(url: &str, options: &str) -> Lab {
    let port = format!(
        "  - {{name: source, version: 1.0.0, contractId: raw, customProperties: [{{property: connector, value: {{kind: \
         objects, url: '{url}', options: {{{options}}}}}}}]}}\n"
    );
    Lab::with_port("    properties: [{name: id, logicalType: integer, required: true}]\n", Some(&port)).await
}

fn environment(values: &[(&str, &str)]) -> Environment {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn pull(lab: &Lab, environment: &Environment) -> Result<Pulled, IngestError> {
    let puller = Puller {
        store: &lab.store,
        product: &lab.product,
        folder: std::path::Path::new("/"),
        upstreams: &Upstreams::new(),
        environment,
    };
    puller.pull(&lab.product.input_ports[0]).await
}

/// Objects are listed, read when they are new, and left alone when they are not.
async fn check(put: impl AsyncFn(&'static str, &'static [u8]), lab: &Lab, environment: &Environment) {
    put("y=2025/a.csv", b"id\n1\n").await;
    put("y=2026/b.ndjson", b"{\"id\":2}\n{\"id\":3}\n").await;
    put("other/c.csv", b"id\n9\n").await;
    assert_eq!(pull(lab, environment).await.unwrap().rows(), 3);
    assert_eq!(pull(lab, environment).await.unwrap(), Pulled::Unchanged);
    put("y=2025/a.csv", b"id\n4\n5\n").await;
    assert_eq!(pull(lab, environment).await.unwrap().rows(), 4);
    assert_eq!(lab.count().await, 4);
}

#[tokio::test]
async fn objects_of_s3_are_listed_and_read_when_they_are_new() {
    let arguments = |port: &str, folder: &str| {
        ["--address", "127.0.0.1", "--port", port, "--configure-bucket", "lake", "--directory", folder]
            .map(str::to_owned)
            .to_vec()
    };
    let s3 = Objects::start("TERRANE_S3_SERVER", arguments, &[]).await;
    let lab = lab(
        "s3://lake/y=*/*",
        "aws_endpoint: '${S3}', aws_allow_http: 'true', aws_region: us-east-1, aws_access_key_id: '${S3_KEY}', \
         aws_secret_access_key: S3RVER",
    )
    .await;
    let options = [
        ("aws_endpoint", s3.endpoint.as_str()),
        ("aws_allow_http", "true"),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", "S3RVER"),
        ("aws_secret_access_key", "S3RVER"),
    ];
    let right = environment(&[("S3", &s3.endpoint), ("S3_KEY", "S3RVER")]);
    check(async |name, content| put("s3://lake", &options, name, content).await, &lab, &right).await;
    // This server looks the key up, but does not compare signatures of version 4.
    let error = pull(&lab, &environment(&[("S3", &s3.endpoint), ("S3_KEY", "hunter2hunter2")])).await.unwrap_err();
    assert_eq!(error.code(), "SOURCE_FAILED");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn objects_of_azure_are_listed_and_read_when_they_are_new_with_the_right_key_only() {
    // of an account that only this server knows: the second is for the same bytes, and wrong
    let (key, wrong) =
        ("dGhlIGtleSBvZiBhbiBhY2NvdW50IG9mIHRoZXNlIHRlc3Rz", "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjJo");
    let arguments = |port: &str, folder: &str| {
        ["--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", port, "--location", folder]
            .map(str::to_owned)
            .to_vec()
    };
    let accounts = format!("lakes:{key}");
    let azure = Objects::start("TERRANE_AZURE_SERVER", arguments, &[("AZURITE_ACCOUNTS", &accounts)]).await;
    let endpoint = format!("{}/lakes", azure.endpoint);
    let make = "const {BlobServiceClient, StorageSharedKeyCredential} = require('@azure/storage-blob'); const [url, key] = \
                process.argv.slice(1); new BlobServiceClient(url, new StorageSharedKeyCredential('lakes', \
                key)).createContainer('lake').catch(error => { console.error(error); process.exit(1); })";
    let made = Command::new("node").args(["-e", make, &endpoint, key]).status().unwrap();
    assert!(made.success(), "the container is made");
    let options = [
        ("azure_storage_endpoint", endpoint.as_str()),
        ("azure_allow_http", "true"),
        ("azure_storage_account_name", "lakes"),
        ("azure_storage_account_key", key),
    ];
    let written = "azure_storage_endpoint: '${AZURE}', azure_allow_http: 'true', azure_storage_account_name: lakes, \
                   azure_storage_account_key: '${KEY}'";
    let right = environment(&[("AZURE", &endpoint), ("KEY", key)]);
    let az = lab("az://lake/y=*/*", written).await;
    check(async |name, content| put("az://lake", &options, name, content).await, &az, &right).await;
    let abfs = lab("abfss://lake@lakes.dfs.core.windows.net/y=*/*", written).await;
    assert_eq!(pull(&abfs, &right).await.unwrap().rows(), 4, "the same by its other name");
    let error = pull(&abfs, &environment(&[("AZURE", &endpoint), ("KEY", wrong)])).await.unwrap_err();
    assert_eq!(error.code(), "SOURCE_FAILED");
    assert!(!error.to_string().contains(wrong), "{error}");
}

#[tokio::test]
async fn objects_of_google_are_listed_and_read_when_they_are_new() {
    let arguments = |port: &str, _: &str| {
        let host = format!("127.0.0.1:{port}");
        ["-scheme", "http", "-host", "127.0.0.1", "-port", port, "-public-host", &host, "-backend", "memory"]
            .map(str::to_owned)
            .to_vec()
    };
    let google = Objects::start("TERRANE_GCS_SERVER", arguments, &[]).await;
    let client = terrane_testkit::Client::new(&google.endpoint);
    let json = [("content-type", "application/json")];
    let made = client.send(http::Method::POST, "/storage/v1/b", &json, "{\"name\": \"lake\"}").await;
    assert!(made.status.is_success(), "{}", made.text());
    // this server is written to by the other of Google's two protocols only
    let put = async |name: &'static str, content: &'static [u8]| {
        let path = format!("/upload/storage/v1/b/lake/o?uploadType=media&name={name}");
        let put = client.send(http::Method::POST, &path, &[("content-type", "text/plain")], content).await;
        assert!(put.status.is_success(), "{}", put.text());
    };
    let written = "google_base_url: '${GCS}', google_skip_signature: 'true', google_allow_http: 'true'";
    let right = environment(&[("GCS", &google.endpoint)]);
    check(put, &lab("gs://lake/y=*/*", written).await, &right).await;
}

#[tokio::test]
async fn an_option_that_the_store_does_not_know_is_told() {
    let lab = lab("gs://lake/x.csv", "google_servce_account_path: /x.json").await;
    let error = pull(&lab, &environment(&[])).await.unwrap_err();
    assert_eq!(error.code(), "SOURCE_FAILED");
    assert!(error.to_string().contains("has no option `google_servce_account_path`"), "{error}");
}
