//! Batches and compressed bodies.

use super::support::{Gateway, code};
use async_compression::tokio::bufread::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZstdDecoder, ZstdEncoder,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let gateway = Gateway::start("batching: {enabled: true, max_operations: 3}\n").await;
    // the first one waits until the second has been run: they run at the same time
    let batch = json!([{"query": "{ held }"}, {"query": "{ hello }"}, {"query": 1}]);
    let asking = gateway.ask(batch);
    let release = async {
        while gateway.subgraph.count() < 3 {
            tokio::task::yield_now().await;
        }
        gateway.subgraph.seen.gate.add_permits(1);
    };
    let (answers, ()) = tokio::join!(asking, release);
    assert_eq!(answers[0], json!({"data": {"held": true}}));
    assert_eq!(answers[1], json!({"data": {"hello": "hello you"}}));
    assert_eq!((code(&answers[2]), answers.as_array().unwrap().len()), ("BAD_REQUEST", 3));
    // documents by hash work in it
    let named = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0".repeat(64)}}});
    let answers = gateway.ask(json!([named, {"query": "{ hello }"}])).await;
    assert_eq!((code(&answers[0]), &answers[1]["data"]["hello"]), ("PERSISTED_QUERY_NOT_FOUND", &json!("hello you")));
    for wrong in [json!([]), json!([1, 2, 3, 4])] {
        let refused = gateway.post(&[], wrong.to_string()).await;
        assert_eq!((refused.status.as_u16(), code(&refused.json())), (400, "BATCH_SIZE"));
    }
    assert_eq!(code(&gateway.post(&[], "[").await.json()), "BAD_REQUEST");
    let forged = gateway.post(&[("authorization", "Bearer x")], r#"[{"query":"{ hello }"}]"#).await;
    assert_eq!((forged.status.as_u16(), code(&forged.json()[0])), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn batches_are_refused_unless_they_are_switched_on() {
    let gateway = Gateway::start("").await;
    let refused = gateway.post(&[], r#"[{"query":"{ hello }"}]"#).await;
    assert_eq!((refused.status.as_u16(), code(&refused.json())), (400, "BATCHING_NOT_SUPPORTED"));
}

async fn all(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut out = Vec::new();
    from.read_to_end(&mut out).await.unwrap();
    out
}

async fn encode(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => all(GzipEncoder::new(bytes)).await,
        "br" => all(BrotliEncoder::with_quality(bytes, async_compression::Level::Fastest)).await,
        _ => all(ZstdEncoder::new(bytes)).await,
    }
}

async fn decode(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => all(GzipDecoder::new(bytes)).await,
        "br" => all(BrotliDecoder::new(bytes)).await,
        _ => all(ZstdDecoder::new(bytes)).await,
    }
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    let gateway = Gateway::start("limits: {body_bytes: 20000}\n").await;
    let long = json!({"query": "{ text(length: 50000) }"}).to_string();
    for encoding in ["gzip", "br", "zstd"] {
        let body = encode(encoding, long.as_bytes()).await;
        let answer = gateway.post(&[("content-encoding", encoding), ("accept-encoding", encoding)], body).await;
        assert_eq!(answer.headers["content-encoding"], encoding);
        assert!(answer.headers["vary"].to_str().unwrap().contains("accept-encoding"));
        assert!(answer.body.len() < 2_000, "{encoding}: {}", answer.body.len());
        let value: Value = serde_json::from_slice(&decode(encoding, &answer.body).await).unwrap();
        assert_eq!(value["data"]["text"].as_str().unwrap().len(), 50_000);
        // 20 MB of nothing in a few kilobytes
        let bomb = encode(encoding, &vec![b' '; 20_000_000]).await;
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let refused = gateway.post(&[("content-encoding", encoding)], bomb).await;
        assert_eq!((refused.status.as_u16(), code(&refused.json())), (413, "BODY_TOO_LARGE"));
        let broken = gateway.post(&[("content-encoding", encoding)], "this is not compressed").await;
        assert_eq!((broken.status.as_u16(), code(&broken.json())), (400, "BODY_INCOMPLETE"));
    }
    let unknown = gateway.post(&[("content-encoding", "lzma")], "x").await;
    assert_eq!((unknown.status.as_u16(), code(&unknown.json())), (415, "UNSUPPORTED_MEDIA_TYPE"));
    let large = gateway.post(&[], " ".repeat(20_001)).await;
    assert_eq!((large.status.as_u16(), code(&large.json())), (413, "BODY_TOO_LARGE"));
    // what is short stays as it is
    let short = gateway.post(&[("accept-encoding", "gzip")], r#"{"query":"{ hello }"}"#).await;
    assert_eq!((short.headers.get("content-encoding"), &short.json()["data"]["hello"]), (None, &json!("hello you")));
    assert_eq!(gateway.post(&[], long).await.headers.get("content-encoding"), None);
}

#[tokio::test]
async fn parts_of_a_compressed_response_come_one_by_one() {
    let gateway = Gateway::start("compression: {min_bytes: 0}\n").await;
    let http = HyperClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = json!({"query": "{ thing { id ... @defer { late } } }"}).to_string();
    let request = http::Request::post(format!("{}/graphql", gateway.mesh.base()))
        .header("content-type", "application/json")
        .header("accept", "multipart/mixed, application/json")
        .header("accept-encoding", "gzip")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = http.request(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let body = TryStreamExt::map_err(response.into_body().into_data_stream(), std::io::Error::other);
    let mut text = GzipDecoder::new(StreamReader::new(body));
    let mut first = Vec::new();
    while !first.ends_with(b"---") || first.len() < 20 {
        first.push(text.read_u8().await.unwrap());
    }
    // nothing has let the deferred field go yet
    assert!(String::from_utf8_lossy(&first).contains("\"hasNext\":true"));
    gateway.subgraph.seen.gate.add_permits(1);
    assert!(String::from_utf8_lossy(&all(text).await).contains("{\"late\":\"late\"}"));
}
