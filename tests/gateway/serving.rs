//! Connections: HTTP/2, TLS, slow clients, bounds, and the end.

use super::support::{BINARY, Gateway, Subgraph, code, write_settings};
use bytes::Bytes;
use http::{Method, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use terrane_testkit::{Mesh, state_directory};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HELLO: &str = r#"{"query":"{ hello }"}"#;

fn request(base: &str) -> http::Request<Full<Bytes>> {
    http::Request::post(format!("{base}/graphql"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(HELLO.as_bytes())))
        .unwrap()
}

async fn json(response: http::Response<hyper::body::Incoming>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

// HTTP/2 is ended by both sides: the client's has to run while the test waits for the gateway's end
#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_without_tls() {
    let gateway = Gateway::start("").await;
    let client = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let response = client.request(request(&gateway.mesh.base())).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(json(response).await, json!({"data": {"hello": "hello you"}}));
}

/// A client that trusts one certificate only.
fn tls_client(
    trusted: &CertificateDer<'static>,
    http2: bool,
) -> HyperClient<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    let connector = if http2 { connector.enable_all_versions().build() } else { connector.enable_http1().build() };
    HyperClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

// HTTP/2 is ended by both sides: the client's has to run while the test waits for the gateway's end
#[tokio::test(flavor = "multi_thread")]
async fn tls_is_renewed_when_its_files_change() {
    let pair = || generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let CertifiedKey { cert: first, signing_key: first_key } = pair();
    let CertifiedKey { cert: second, signing_key: second_key } = pair();
    // the readiness of a server with TLS is asked with TLS, so the one of this test is started by hand
    let gateway = Gateway::start_tls(&first.pem(), &first_key.serialize_pem()).await;
    let base = gateway.mesh.base().replace("http://127.0.0.1", "https://localhost");
    for http2 in [true, false] {
        let response = tls_client(first.der(), http2).request(request(&base)).await.unwrap();
        assert_eq!(response.version(), if http2 { Version::HTTP_2 } else { Version::HTTP_11 });
        assert_eq!(json(response).await["data"]["hello"], "hello you");
    }
    assert!(tls_client(second.der(), true).request(request(&base)).await.is_err());
    // between the two files, certificate and key don't fit: the first stays
    gateway.write("certificate.pem", &second.pem());
    gateway.write("key.pem", &second_key.serialize_pem());
    let mut renewed = false;
    for _ in 0..1_000 {
        renewed = tls_client(second.der(), true).request(request(&base)).await.is_ok();
        if renewed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(renewed, "{}", gateway.mesh.output());
}

/// What comes back for raw bytes, until the other side closes.
async fn raw(gateway: &Gateway, bytes: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.mesh.port)).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // a reset is an end as well
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_clients_are_left() {
    let gateway =
        Gateway::start("server: {header_timeout_seconds: 1, body_timeout_seconds: 1, keep_alive_seconds: 1}\n").await;
    // each of these ends because the gateway ends it
    assert_eq!(raw(&gateway, "").await, "");
    assert_eq!(raw(&gateway, "PRI * HT").await, "");
    assert_eq!(raw(&gateway, "POST /graphql HTTP/1.1\r\nhost: a\r\nx-slow: ").await, "");
    let head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let slow = raw(&gateway, head).await;
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("BODY_TOO_SLOW"), "{slow}");
    let kept = raw(&gateway, "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\nGET /slow").await;
    assert!(kept.starts_with("HTTP/1.1 200 ") && kept.ends_with("live\n"), "{kept}");
}

#[tokio::test]
async fn a_response_that_takes_long_is_not_idle() {
    let gateway = Gateway::start("server: {header_timeout_seconds: 1, keep_alive_seconds: 1}\n").await;
    let asking = gateway.ask(json!({"query": "{ held }"}));
    let release = async {
        // others, that do nothing, were looked at twice and cut off in the meantime
        for _ in 0..2 {
            raw(&gateway, "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
        }
        gateway.subgraph.seen.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(asking, release);
    assert_eq!(answer, json!({"data": {"held": true}}));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let gateway = Gateway::start("server: {max_connections: 1}\n").await;
    let head = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
    // the connections that asked whether it is ready are closed by now or soon
    let mut first = TcpStream::connect(("127.0.0.1", gateway.mesh.port)).await.unwrap();
    let mut buffer = [0; 1024];
    first.write_all(head.as_bytes()).await.unwrap();
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let client = gateway.client();
    let second = tokio::spawn(async move { client.get("/health/live").await.status });
    for _ in 0..50 {
        first.write_all(head.as_bytes()).await.unwrap();
        assert!(first.read(&mut buffer).await.unwrap() > 0);
    }
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap(), 200);
}

#[tokio::test]
async fn more_connections_than_files_at_first_are_served() {
    let subgraph = Subgraph::start().await;
    let folder = state_directory();
    let config = write_settings(folder.path(), &subgraph.url, "");
    let command =
        format!("ulimit -Sn 100; exec {BINARY} gateway --listen 127.0.0.1:{{port}} --config {}", config.display());
    let log = folder.path().join("gateway.log");
    let mesh = Mesh::start(Path::new("/bin/sh"), &["-c", &command], &log).await;
    let mut open = Vec::new();
    for _ in 0..400 {
        let mut stream = TcpStream::connect(("127.0.0.1", mesh.port)).await.unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut buffer = [0; 12];
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"HTTP/1.1 200");
        open.push(stream);
    }
    assert_eq!(mesh.client().graphql("{ hello }", json!({})).await["data"]["hello"], "hello you");
}

#[tokio::test]
async fn what_runs_is_finished_before_the_end() {
    let mut gateway = Gateway::start("server: {shutdown_delay_seconds: 2}\n").await;
    let client = gateway.client();
    let held = tokio::spawn(async move {
        let json = [("content-type", "application/json")];
        client.send(Method::POST, "/graphql", &json, r#"{"query":"{ held }"}"#).await
    });
    let asked = gateway.subgraph.count() + 1;
    while gateway.subgraph.count() < asked {
        tokio::task::yield_now().await;
    }
    assert!(Command::new("kill").args(["-TERM", &gateway.mesh.pid().to_string()]).status().unwrap().success());
    // first it says that no more should come, and still answers
    loop {
        let ready = gateway.client().get("/health/ready").await;
        if ready.status == 503 {
            assert_eq!(ready.text(), "stopping\n");
            break;
        }
    }
    assert_eq!(gateway.ask(json!({"query": "{ hello }"})).await["data"]["hello"], "hello you");
    // then it takes no more, and what runs is finished
    while TcpStream::connect(("127.0.0.1", gateway.mesh.port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gateway.subgraph.seen.gate.add_permits(1);
    let held = held.await.unwrap();
    assert_eq!((held.status.as_u16(), held.json()), (200, json!({"data": {"held": true}})));
    assert_eq!(code(&held.json()), "");
    assert!(gateway.mesh.end_by_itself());
}

/// urql says with each operation all that it takes.
#[tokio::test]
async fn a_query_is_answered_plainly_where_that_is_taken() {
    let gateway = Gateway::start("").await;
    let kind = async |accept: &str, body: &str| {
        let answer = gateway.post(&[("accept", accept)], body).await;
        answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let all = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed";
    assert_eq!(kind(all, r#"{"query":"{ hello }"}"#).await, "application/graphql-response+json");
    assert_eq!(kind("text/event-stream", r#"{"query":"{ hello }"}"#).await, "text/event-stream");
    let unknown = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0".repeat(64)}}}).to_string();
    assert_eq!(kind(all, &unknown).await, "application/graphql-response+json");
    // what is no operation of the schema is told in the stream that was asked for
    assert_eq!(kind(all, r#"{"query":"subscription { nothing }"}"#).await, "text/event-stream");
}
