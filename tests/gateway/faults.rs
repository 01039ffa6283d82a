//! Subgraphs that break: nothing but the fields that they have to answer suffers, and the gateway stays small.

use super::support::{BINARY, Subgraph};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use terrane_testkit::{Mesh, state_directory};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const OPERATION: &str = "{ hello thing { id score tags owner { name } } broken }";

const SDL: &str = "extend schema @link(url: \\\"https://specs.apollo.dev/federation/v2.3\\\", import: [\\\"@key\\\"]) \
                   type Query { broken: Int } type Thing @key(fields: \\\"id\\\") { id: String! score: Int tags: [String!] owner: Owner } \
                   type Owner { name: String! }";

/// How the broken subgraph answers a request.
#[derive(Clone, Copy)]
enum Fault {
    /// With this body.
    Body(&'static str),
    /// With these bytes, and the end of the connection.
    Bytes(&'static str),
    /// By resetting the connection.
    Reset,
    /// Never.
    Silence,
    /// With a body that does not end.
    Flood,
    /// With a value in as many lists as there is place for.
    Depth,
}

/// A gateway over a good subgraph and a broken one.
struct Broken {
    mesh: Mesh,
    _good: Subgraph,
    _folder: TempDir,
}

impl Broken {
    async fn start(fault: Fault) -> Self {
        let (good, folder) = (Subgraph::start().await, state_directory());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(break_down(stream, fault));
            }
        });
        let text = format!(
            "subgraphs: [{{name: a, url: \"{}\"}}, {{name: b, url: \"{url}\", sdl: \"{SDL}\"}}]\n\
             limits: {{subgraph_timeout_seconds: 1, subgraph_body_bytes: 1000000}}\n\
             server: {{header_timeout_seconds: 600}}\n",
            good.url
        );
        let config = folder.path().join("gateway.yaml");
        std::fs::write(&config, text).unwrap();
        let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
        let mesh = Mesh::start(Path::new(BINARY), &arguments, &folder.path().join("gateway.log")).await;
        Self { mesh, _good: good, _folder: folder }
    }

    async fn ask(&self) -> Value {
        self.mesh.client().graphql(OPERATION, Value::Null).await
    }

    /// Kilobytes of memory that the process has had at most.
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.mesh.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

async fn break_down(stream: TcpStream, fault: Fault) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let written = match fault {
            Fault::Body(body) => {
                let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(whole.as_bytes()).await
            }
            Fault::Bytes(bytes) => {
                // what comes of it is the gateway's to tell
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Fault::Reset => {
                stream.get_ref().set_zero_linger().unwrap();
                return;
            }
            Fault::Silence => std::future::pending().await,
            Fault::Flood => {
                let piece = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
                let mut written =
                    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await;
                while written.is_ok() {
                    written = stream.write_all(piece.as_bytes()).await;
                }
                written
            }
            Fault::Depth => {
                let body = "[".repeat(900_000);
                let whole = format!("{head}content-length: {}\r\n\r\n{{\"data\":{body}", body.len() + 8);
                stream.write_all(whole.as_bytes()).await
            }
        };
        if written.is_err() {
            return;
        }
    }
}

/// The good subgraph's fields are there, the others null with errors of these codes and no other.
fn assert_only_its_fields_suffer(answer: &Value, code: &str, of: &str) {
    let data = &answer["data"];
    assert_eq!((&data["hello"], &data["thing"]["id"]), (&json!("hello you"), &json!("1")), "{of}: {answer}");
    for lost in [&data["broken"], &data["thing"]["score"], &data["thing"]["owner"]] {
        assert!(lost.is_null(), "{of}: {answer}");
    }
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{of}: no errors: {answer}"));
    for error in errors {
        assert_eq!(error["extensions"]["code"], code, "{of}: {answer}");
        assert!(error["path"].is_array() && error["extensions"]["serviceName"] == "b", "{of}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_cost_their_own_fields_only() {
    for (fault, code) in [
        (Fault::Reset, "SUBGRAPH_UNREACHABLE"),
        (Fault::Silence, "SUBGRAPH_TIMEOUT"),
        (Fault::Flood, "SUBGRAPH_RESPONSE_TOO_LARGE"),
        (Fault::Bytes(""), "SUBGRAPH_UNREACHABLE"),
        (Fault::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":"), "SUBGRAPH_UNREACHABLE"),
        (Fault::Bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"data\""), "SUBGRAPH_UNREACHABLE"),
        (Fault::Bytes("\u{0}\u{1}\u{2} not HTTP"), "SUBGRAPH_UNREACHABLE"),
        (Fault::Bytes("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"), "SUBGRAPH_HTTP_ERROR"),
        (Fault::Depth, "SUBGRAPH_INVALID_RESPONSE"),
    ] {
        let broken = Broken::start(fault).await;
        let before = broken.peak_memory();
        for _ in 0..2 {
            assert_only_its_fields_suffer(&broken.ask().await, code, code);
        }
        let grown = broken.peak_memory().saturating_sub(before);
        assert!(grown < 60_000, "{code}: {grown} kB more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_lie_cost_their_own_fields_only() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "<html>502</html>",
        "{\"data\":",
        "{\"data\":{\"broken\":1}",
        "{\"data\":{\"broken\":tru}}",
        "{\"data\":{\"broken\":1},\"errors\":7}",
        "{\"data\":{\"_entities\":[{\"score\":01}],\"broken\":+1}}",
    ] {
        let broken = Broken::start(Fault::Body(body)).await;
        assert_only_its_fields_suffer(&broken.ask().await, "SUBGRAPH_INVALID_RESPONSE", body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_lie_are_errors_where_they_are() {
    let wrong = |code: &str| json!([code, "b"]);
    for (body, score, tags, owner, codes) in [
        // the types are not those of the schema
        (
            r#"{"data":{"broken":1,"_entities":[{"score":"x","tags":{"a":1},"owner":[1]}]}}"#,
            Value::Null,
            Value::Null,
            Value::Null,
            vec![wrong("SUBGRAPH_INVALID_RESPONSE"); 3],
        ),
        (
            r#"{"data":{"broken":1,"_entities":[{"score":99999999999,"tags":["a",1],"owner":{"name":7}}]}}"#,
            Value::Null,
            Value::Null,
            Value::Null,
            vec![wrong("SUBGRAPH_INVALID_RESPONSE"); 3],
        ),
        // keys in another order, and one twice: the last counts, as in every JSON reader
        (
            r#"{"data":{"_entities":[{"owner":{"name":"o"},"x":{"y":[]},"tags":[],"score":1,"score":2}],"broken":1}}"#,
            json!(2),
            json!([]),
            json!({"name": "o"}),
            vec![],
        ),
        // fewer entities than representations, and more
        (r#"{"data":{"broken":1,"_entities":[]}}"#, Value::Null, Value::Null, Value::Null, vec![]),
        (
            r#"{"data":{"broken":1,"_entities":[{"score":1,"tags":null,"owner":null},{"score":2},7]}}"#,
            json!(1),
            Value::Null,
            Value::Null,
            vec![],
        ),
        // nulls where none may be
        (
            r#"{"data":{"broken":1,"_entities":[{"score":1,"tags":["a",null],"owner":{"name":null}}]}}"#,
            json!(1),
            Value::Null,
            Value::Null,
            vec![json!(["NULL_FOR_NON_NULL", null]); 2],
        ),
        // an error with a path that leads nowhere, in the answers to both requests
        (
            r#"{"data":{"broken":1,"_entities":[null]},"errors":[{"message":"m","path":["_entities",9,"x"]}]}"#,
            Value::Null,
            Value::Null,
            Value::Null,
            vec![wrong("DOWNSTREAM_SERVICE_ERROR"); 2],
        ),
    ] {
        let broken = Broken::start(Fault::Body(body)).await;
        let answer = broken.ask().await;
        let data = &answer["data"];
        assert_eq!((&data["hello"], &data["thing"]["id"]), (&json!("hello you"), &json!("1")), "{body}: {answer}");
        let thing = &data["thing"];
        assert_eq!((&thing["score"], &thing["tags"], &thing["owner"]), (&score, &tags, &owner), "{body}: {answer}");
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<Value> =
            errors.iter().map(|e| json!([e["extensions"]["code"], e["extensions"]["serviceName"]])).collect();
        assert_eq!(found, codes, "{body}: {answer}");
    }
}

/// Idle connections cost little, and those that ask are answered among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_and_a_thousand_that_ask() {
    const IDLE: usize = 10_000;
    const ACTIVE: usize = 1_000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let broken = Broken::start(Fault::Body(r#"{"data":{"broken":1,"_entities":[{"score":1}]}}"#)).await;
    let address = broken.mesh.base().trim_start_matches("http://").to_owned();
    let body = json!({"query": OPERATION}).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let before = broken.peak_memory();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(BufReader::new(TcpStream::connect(&address).await.unwrap()));
    }
    let asking = (0..ACTIVE).map(|_| {
        let (address, request) = (address.clone(), request.clone());
        tokio::spawn(async move {
            let mut stream = BufReader::new(TcpStream::connect(&address).await.unwrap());
            for _ in 0..5 {
                ask(&mut stream, &request).await;
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    // those that were idle are served as well
    for stream in idle.iter_mut().step_by(100) {
        ask(stream, &request).await;
    }
    let each = (broken.peak_memory() - before) / (IDLE + ACTIVE) as u64;
    assert!(each < 32, "{each} kB for a connection");
}

/// Ask over a connection, and check the answer.
async fn ask(stream: &mut BufReader<TcpStream>, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut length, mut line) = (0, String::new());
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "closed");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&answer["data"]["hello"], &answer["data"]["broken"]), (&json!("hello you"), &json!(1)), "{answer}");
}
