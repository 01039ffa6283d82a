//! Pulls from a server that speaks S3: patterns, entity tags, keys that the server does not know.
//!
//! Needs `s3rver` of npm: `scripts/test-objects.sh` brings it along and says where it is in `TERRANE_S3_SERVER`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Lab;
use terrane_ingest::{Environment, IngestError, Pulled, Puller, Upstreams, open_objects};

struct S3 {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl S3 {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var("TERRANE_S3_SERVER").expect("scripts/test-objects.sh sets it");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["--address", "127.0.0.1", "--port", &port.to_string(), "--configure-bucket", "lake", "--directory"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "s3rver does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, endpoint: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    async fn put(&self, name: &str, content: &'static [u8]) {
        let options = [
            ("aws_endpoint", self.endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", "S3RVER"),
            ("aws_secret_access_key", "S3RVER"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let (store, _) = open_objects(&"s3://lake".parse().unwrap(), &options).unwrap();
        store.put(&Path::from(name), PutPayload::from_static(content)).await.unwrap();
    }
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

#[tokio::test]
async fn objects_of_s3_are_listed_and_read_when_they_are_new() {
    let s3 = S3::start().await;
    s3.put("y=2025/a.csv", b"id\n1\n").await;
    s3.put("y=2026/b.ndjson", b"{\"id\":2}\n{\"id\":3}\n").await;
    s3.put("other/c.csv", b"id\n9\n").await;
    let port = "  - {name: source, version: 1.0.0, contractId: raw, customProperties: [{property: connector, value: {kind: objects, \
                url: 's3://lake/y=*/*', options: {aws_endpoint: '${S3}', aws_allow_http: 'true', aws_region: us-east-1, \
                aws_access_key_id: '${S3_KEY}', aws_secret_access_key: S3RVER}}}]}\n";
    let fields = "    properties: [{name: id, logicalType: integer, required: true}]\n";
    let lab = Lab::with_port(fields, Some(port)).await;
    let environment = |key: &str| -> Environment {
        [("S3", s3.endpoint.as_str()), ("S3_KEY", key)].map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect()
    };
    let right = environment("S3RVER");
    assert_eq!(pull(&lab, &right).await.unwrap().rows(), 3);
    assert_eq!(pull(&lab, &right).await.unwrap(), Pulled::Unchanged);
    s3.put("y=2025/a.csv", b"id\n4\n5\n").await;
    assert_eq!(pull(&lab, &right).await.unwrap().rows(), 4);
    assert_eq!(lab.count().await, 4);
    // This server looks the key up, but does not compare signatures of version 4.
    let error = pull(&lab, &environment("hunter2hunter2")).await.unwrap_err();
    assert_eq!(error.code(), "SOURCE_FAILED");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
