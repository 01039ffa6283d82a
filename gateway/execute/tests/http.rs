//! The HTTP transport: turns whatever a server does with its connections into answers, or into one error.
#![allow(clippy::unwrap_used)] // a test may panic

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terrane_execute::transport::AtMostOnce;
use terrane_execute::{HttpTransport, TransportError};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

const LIMIT: usize = 100_000;

/// A server that does on its nth connection what `script` says: each request is answered with the next text, and the
/// connection closed after the last. Each text after `!` is written without waiting for a request.
struct Scripted {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Scripted {
    async fn new(script: Vec<Vec<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            for texts in script {
                let (stream, _) = listener.accept().await.unwrap();
                counted.0.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(follow(stream, texts, Arc::clone(&counted.1)));
            }
        });
        Self { url, connections, requests }
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

async fn follow(stream: TcpStream, texts: Vec<String>, requests: Arc<AtomicUsize>) {
    let mut stream = BufReader::new(stream);
    for text in texts {
        if let Some(text) = text.strip_prefix('!') {
            stream.write_all(text.as_bytes()).await.unwrap();
            continue;
        }
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(text.as_bytes()).await.unwrap();
    }
}

fn request(url: &str) -> http::Request<Bytes> {
    http::Request::post(url).header("content-length", "999").body(Bytes::from_static(b"{}")).unwrap()
}

async fn asked(server: &Scripted, times: usize) -> Vec<Result<String, TransportError>> {
    let transport = HttpTransport::new(LIMIT).transport(&server.url);
    let mut answers = Vec::new();
    for _ in 0..times {
        let answer = transport.clone().oneshot(request(&server.url)).await;
        answers
            .push(answer.map(|response| {
                format!("{} {}", response.status().as_u16(), String::from_utf8_lossy(response.body()))
            }));
    }
    answers
}

fn sized(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn a_connection_is_used_again_where_both_sides_may() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbb\r\n1\r\nb\r\n0\r\n\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 500 Oops\r\ncontent-length: 1\r\n\r\nc";
    let server = Scripted::new(vec![texts(&[&sized("a"), chunked, interim])]).await;
    let answers: Vec<String> = asked(&server, 3).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ["200 a", "200 bbb", "500 c"]);
    assert_eq!(server.counts(), (1, 3));
}

#[tokio::test]
async fn a_connection_is_not_used_again_where_that_is_not_safe() {
    for unsafe_again in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
        // more than was asked for
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
    ] {
        let server = Scripted::new(vec![texts(&[unsafe_again, &sized("x")]), texts(&[&sized("b")])]).await;
        let answers: Vec<String> = asked(&server, 2).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, ["200 a", "200 b"], "{unsafe_again}");
        assert_eq!(server.counts().0, 2, "{unsafe_again}");
    }
}

#[tokio::test]
async fn a_body_may_end_with_its_connection() {
    let server = Scripted::new(vec![texts(&["HTTP/1.1 200 OK\r\n\r\nabc"]), texts(&[&sized("b")])]).await;
    let answers: Vec<String> = asked(&server, 2).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ["200 abc", "200 b"]);
}

#[tokio::test]
async fn what_was_closed_while_idle_is_asked_again_and_only_then() {
    // the first connection ends after its first answer
    let server = Scripted::new(vec![texts(&[&sized("a")]), texts(&[&sized("b")])]).await;
    let answers: Vec<String> = asked(&server, 2).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ["200 a", "200 b"]);
    // a new connection that ends without an answer is an error
    let server = Scripted::new(vec![texts(&[""]), texts(&[&sized("b")])]).await;
    let answers = asked(&server, 1).await;
    assert!(matches!(answers[0], Err(TransportError::Unreachable(_))), "{answers:?}");
    assert_eq!(server.counts(), (1, 1));
}

#[tokio::test]
async fn what_must_not_be_sent_twice_is_not() {
    // the second request is read, and its connection closed without an answer
    let server = Scripted::new(vec![texts(&[&sized("a"), ""]), texts(&[&sized("b")])]).await;
    let transport = HttpTransport::new(LIMIT).transport(&server.url);
    transport.clone().oneshot(request(&server.url)).await.unwrap();
    let mut once = request(&server.url);
    once.extensions_mut().insert(AtMostOnce);
    let answer = transport.clone().oneshot(once).await;
    assert!(matches!(answer, Err(TransportError::Unreachable(_))), "{answer:?}");
    assert_eq!(server.counts(), (1, 2));
    // a query may be
    let server = Scripted::new(vec![texts(&[&sized("a"), ""]), texts(&[&sized("b")])]).await;
    let answers: Vec<String> = asked(&server, 2).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ["200 a", "200 b"]);
    assert_eq!(server.counts(), (2, 3));
}

#[tokio::test]
async fn too_large_answers_end_when_that_is_known() {
    let chunk = format!("{:x}\r\n{}\r\n", 20_000, "a".repeat(20_000));
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(6)),
        format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(LIMIT + 1)),
    ] {
        let server = Scripted::new(vec![vec![head]]).await;
        let answers = asked(&server, 1).await;
        assert!(matches!(answers[0], Err(TransportError::TooLarge(LIMIT))), "{:?}", answers[0]);
    }
    let most = "a".repeat(LIMIT);
    let server = Scripted::new(vec![texts(&[&sized(&most)])]).await;
    assert_eq!(asked(&server, 1).await[0].as_ref().unwrap().len(), LIMIT + 4);
}

#[tokio::test]
async fn broken_answers_are_errors() {
    for broken in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "{\"data\":null}",
        "\0\0\0",
    ] {
        let server = Scripted::new(vec![texts(&[broken])]).await;
        let answers = asked(&server, 1).await;
        assert!(matches!(answers[0], Err(TransportError::Unreachable(_))), "{broken:?}: {answers:?}");
    }
    // nobody listens
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let answer = HttpTransport::new(LIMIT).transport(&url).oneshot(request(&url)).await;
    assert!(matches!(answer, Err(TransportError::Unreachable(_))), "{answer:?}");
}

#[tokio::test]
async fn an_early_answer_is_read_though_the_request_was_not() {
    let early = "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
    let server = Scripted::new(vec![vec![format!("!{early}")]]).await;
    let transport = HttpTransport::new(LIMIT).transport(&server.url);
    let answer = transport.oneshot(http::Request::post(&server.url).body(Bytes::from_static(b"{}")).unwrap()).await;
    assert_eq!(answer.unwrap().status(), 413);
}

/// What a real server echoes, over many connections at once, with bodies of every size and heads that differ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_their_own_answers() {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/echo?x=1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let echo = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let (head, body) = request.into_parts();
                let mut out = format!("{} {} {:?} ", head.method, head.uri, head.headers.get("x-number")).into_bytes();
                out.extend_from_slice(&body.collect().await?.to_bytes());
                Ok::<_, hyper::Error>(http::Response::new(Full::new(Bytes::from(out))))
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { server.serve_connection(TokioIo::new(stream), echo).await.map_err(drop) });
        }
    });
    let transport = HttpTransport::new(10 << 20).transport(&url);
    let asking = (0..200usize).map(|number| {
        let (transport, url) = (transport.clone(), url.clone());
        tokio::spawn(async move {
            for round in 0..5 {
                let body = format!("{number}-{round}-").repeat(number * number * (round + 1) / 8 + 1);
                let request = http::Request::post(&url).header("x-number", number).body(Bytes::from(body.clone()));
                let answer = transport.clone().oneshot(request.unwrap()).await.unwrap();
                let expected = format!("POST /echo?x=1 Some(\"{number}\") {body}");
                assert!(answer.body() == expected.as_bytes(), "{number}, {round}");
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
}
