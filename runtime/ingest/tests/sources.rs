//! Pulls of files, HTTP servers, object stores and databases: what is new comes in once, and nothing is half there.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::Lab;
use terrane_ingest::{Environment, IngestError, Pulled, Puller, Upstreams};
use terrane_testkit::fresh_database;

const FIELDS: &str = "
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, required: true}
      - {name: name, logicalType: string}
";

fn port(connector: &str) -> String {
    format!(
        "  - {{name: source, version: 1.0.0, contractId: raw, customProperties: [{{property: connector, value: {connector}}}]}}\n"
    )
}

struct Source {
    lab: Lab,
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Source {
    async fn open(connector: &str, environment: &[(&str, String)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let lab = Lab::with_port(FIELDS, Some(&port(connector))).await;
        Self { lab, folder: tempfile::tempdir().unwrap(), environment }
    }

    async fn pull(&self) -> Result<Pulled, IngestError> {
        self.pull_as(&self.lab.product).await
    }

    async fn pull_as(&self, product: &terrane_manifest::Product) -> Result<Pulled, IngestError> {
        let puller = Puller {
            store: &self.lab.store,
            product,
            folder: self.folder.path(),
            upstreams: &Upstreams::new(),
            environment: &self.environment,
        };
        puller.pull(&product.input_ports[0]).await
    }

    /// Pull, and say how many rows came in (none: nothing was new), and what is there.
    async fn rows(&self) -> (Option<u64>, String) {
        let pulled = self.pull().await.unwrap();
        let came = match &pulled {
            Pulled::Unchanged => None,
            Pulled::Taken(taken) => Some(taken.batch.rows),
        };
        (came, self.there().await)
    }

    async fn there(&self) -> String {
        let sql = "SELECT string_agg(concat(id, name), ' ' ORDER BY id, name) FROM input.raw";
        self.lab.column(sql).await.remove(0).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[tokio::test]
async fn files_are_read_again_when_they_change_and_by_patterns() {
    let source = Source::open("{kind: file, path: data/a.csv}", &[]).await;
    assert_eq!(source.pull().await.unwrap_err().code(), "SOURCE_FILE");
    source.write("data/a.csv", "id,name\n1,a\n2,b\n");
    assert_eq!(source.rows().await, (Some(2), "1a 2b".into()));
    assert_eq!(source.rows().await, (None, "1a 2b".into()));
    source.write("data/a.csv", "id,name\n3,c\n");
    assert_eq!(source.rows().await, (Some(1), "3c".into()));
    // somebody else has put other rows there: the source is read again
    source.lab.send("text/csv", b"id\n9\n").await.unwrap();
    assert_eq!(source.rows().await, (Some(1), "3c".into()));
    // another contract, too
    let product = support::product(
        &format!("{FIELDS}      - {{name: more, logicalType: string}}\n"),
        Some(&port("{kind: file, path: data/a.csv}")),
    );
    sqlx::query("ALTER TABLE input.raw ADD COLUMN more text").execute(source.lab.store.owner()).await.unwrap();
    assert!(matches!(source.pull_as(&product).await.unwrap(), Pulled::Taken(_)));
    assert_eq!(source.pull_as(&product).await.unwrap(), Pulled::Unchanged);
    // all files of a pattern are the dataset; each has its own columns and format
    let source = Source::open("{kind: file, path: 'data/**/*.*'}", &[]).await;
    source.write("data/a.csv", "name,id\na,1\n");
    source.write("data/deep/b.ndjson", "{\"id\": 2}\n");
    source.write("data/.hidden.csv", "id\n7\n");
    assert_eq!(source.rows().await, (Some(2), "1a 2".into()));
    assert_eq!(source.rows().await.0, None);
    source.write("data/c.csv", "id\n3\n");
    assert_eq!(source.rows().await, (Some(3), "1a 2 3".into()));
    source.write("data/d.csv", "id\nfour\n");
    let error = source.pull().await.unwrap_err();
    assert_eq!(error.to_string(), "1 bad row; data/d.csv, row 1, field `id`: is no whole number");
    assert_eq!(source.lab.store.rejects(None, None, 1).await.unwrap()[0].origin, "data/d.csv");
    assert_eq!(source.there().await, "1a 2 3");
    // a link leads nowhere else
    std::os::unix::fs::symlink("/etc/hostname", source.folder.path().join("data/d.csv.gz")).unwrap();
    std::fs::remove_file(source.folder.path().join("data/d.csv")).unwrap();
    assert!(source.pull().await.unwrap_err().to_string().contains("leads out of the product folder"));
}

#[tokio::test]
async fn files_that_are_added_are_read_once() {
    let source = Source::open("{kind: file, path: 'in/*.csv', mode: append}", &[]).await;
    source.write("in/1.csv", "id,name\n1,a\n");
    assert_eq!(source.rows().await, (Some(1), "1a".into()));
    source.write("in/2.csv", "name,id\nb,2\n");
    source.write("in/3.csv", "id\n3\n");
    assert_eq!(source.rows().await, (Some(2), "1a 2b 3".into()));
    assert_eq!(source.rows().await.0, None);
    // rows that were pushed beside them stay
    source.lab.send("text/csv", b"id\n8\n").await.unwrap();
    std::fs::remove_file(source.folder.path().join("in/1.csv")).unwrap();
    source.write("in/4.csv", "id\n4\n");
    assert_eq!(source.rows().await, (Some(1), "1a 2b 3 4 8".into()));
    // a file that is refused is read again when it is right
    source.write("in/5.csv", "id\n5\nx\n");
    source.write("in/6.csv", "id\n6\n");
    assert_eq!(source.pull().await.unwrap_err().code(), "BAD_ROW");
    source.write("in/5.csv", "id\n5\n");
    assert_eq!(source.rows().await, (Some(2), "1a 2b 3 4 5 6 8".into()));
}

/// What is at a path.
type Page = (String, Response<Full<Bytes>>);

/// What a test's server answers, and what it was asked: (path, headers).
#[derive(Clone, Default)]
struct Site {
    pages: Arc<Mutex<Vec<Page>>>,
    asked: Arc<Mutex<Vec<(String, http::HeaderMap)>>>,
}

impl Site {
    fn put(&self, path: &str, headers: &[(&str, &str)], status: u16, body: &[u8]) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        self.pages.lock().unwrap().retain(|(p, _)| p != path);
        self.pages.lock().unwrap().push((path.to_owned(), response));
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push((path.clone(), request.headers().clone()));
        let pages = self.pages.lock().unwrap();
        let Some((_, page)) = pages.iter().find(|(p, _)| *p == path) else {
            return Response::builder().status(404).body(Full::default()).unwrap();
        };
        let tag = page.headers().get("etag");
        if tag.is_some() && request.headers().get("if-none-match") == tag {
            return Response::builder().status(StatusCode::NOT_MODIFIED).body(Full::default()).unwrap();
        }
        page.clone()
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let site = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let site = site.clone();
                let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = site.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(async move {
                    // a client that goes away is no matter
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        format!("http://{address}")
    }
}

#[tokio::test]
async fn http_is_asked_with_what_is_known_and_secrets_stay_at_home() {
    let (site, elsewhere) = (Site::default(), Site::default());
    let (address, other) = (site.serve().await, elsewhere.serve().await);
    let connector = "{kind: http, url: '${ADDRESS}/x?key=${TOKEN}', headers: {authorization: 'Bearer ${TOKEN}'}}";
    let environment = [("ADDRESS", address.clone()), ("TOKEN", "hunter2".to_owned())];
    let source = Source::open(connector, &environment).await;
    site.put("/x", &[("etag", "\"1\""), ("content-type", "text/csv")], 200, b"id,name\n1,a\n");
    assert_eq!(source.rows().await, (Some(1), "1a".into()));
    assert_eq!(source.rows().await, (None, "1a".into()));
    let asked = site.asked.lock().unwrap().clone();
    assert_eq!(asked[0].1["authorization"], "Bearer hunter2");
    assert!(!asked[0].1.contains_key("if-none-match"));
    assert_eq!(asked[1].1["if-none-match"], "\"1\"");
    site.put("/x", &[("etag", "\"2\"")], 200, b"[{\"id\": 2}]");
    assert_eq!(source.rows().await, (Some(1), "2".into()));
    // a redirect is followed, without what is for the first host only
    elsewhere.put("/y.csv", &[("content-type", "application/octet-stream")], 200, b"id\n3\n");
    site.put("/x", &[("location", &format!("{other}/y.csv"))], 302, b"");
    assert_eq!(source.rows().await, (Some(1), "3".into()));
    assert!(!elsewhere.asked.lock().unwrap()[0].1.contains_key("authorization"));
    // what fails is told without secrets, and changes nothing
    site.put("/x", &[], 500, b"");
    let error = source.pull().await.unwrap_err();
    assert_eq!(error.code(), "SOURCE_FAILED");
    assert!(error.to_string().contains("status 500") && !error.to_string().contains("hunter2"), "{error}");
    site.put("/x", &[("location", "/x")], 302, b"");
    assert!(source.pull().await.unwrap_err().to_string().contains("more than 5 times"));
    site.put("/x", &[("content-encoding", "gzip")], 200, b"\x1f\x8b\x08\x00broken");
    assert!(source.pull().await.is_err());
    assert_eq!(source.there().await, "3");
    let source = Source::open(connector, &[("ADDRESS", address)]).await;
    assert_eq!(source.pull().await.unwrap_err().code(), "MISSING_VARIABLE");
}

#[tokio::test]
async fn a_query_of_another_postgres_comes_whole_or_from_its_cursor_on() {
    let url = fresh_database().await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("CREATE TABLE t (id bigint, name text, at timestamptz)").await.unwrap();
    other
        .execute("INSERT INTO t VALUES (1, 'a', '2026-01-01'), (2, NULL, '2026-01-02'), (3, '', '2026-01-03')")
        .await
        .unwrap();
    let environment = [("SOURCE_URL", url)];
    let whole = "{kind: postgres, url: '${SOURCE_URL}', query: 'SELECT id, name FROM t -- all'}";
    let source = Source::open(whole, &environment).await;
    assert_eq!(source.rows().await, (Some(3), "1a 2 3".into()));
    assert_eq!(source.lab.column("SELECT name FROM input.raw ORDER BY id").await[1..], [None, Some(String::new())]);
    assert_eq!(source.rows().await.0, Some(3));
    // rows beyond the greatest that was read are added
    let cursor = "{kind: postgres, url: '${SOURCE_URL}', query: 'SELECT * FROM t', cursor: at}";
    let options = "    customProperties: [{property: ingest, value: {extraColumns: ignore}}]";
    let environment: Environment = environment.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    let lab = Lab::with_port(&format!("{options}{FIELDS}"), Some(&port(cursor))).await;
    let source = Source { lab, folder: tempfile::tempdir().unwrap(), environment };
    assert_eq!(source.rows().await, (Some(3), "1a 2 3".into()));
    assert_eq!(source.rows().await.0, None);
    other.execute("INSERT INTO t VALUES (4, 'd', '2026-01-04')").await.unwrap();
    other.execute("UPDATE t SET name = 'A', at = '2026-01-05 10:00:00.123456+02' WHERE id = 1").await.unwrap();
    assert_eq!(source.rows().await, (Some(2), "1A 1a 2 3 4d".into()));
    assert_eq!(source.rows().await.0, None);
    // what the other database says is told; how it was reached is not
    other.execute("ALTER TABLE t RENAME TO gone").await.unwrap();
    let error = source.pull().await.unwrap_err().to_string();
    assert!(error.contains("relation \"t\" does not exist") && !error.contains("postgres:"), "{error}");
    assert_eq!(source.there().await, "1A 1a 2 3 4d");
    // an error in the middle of the rows is the source's, not one of the text
    other.execute(AssertSqlSafe("CREATE VIEW t AS SELECT i AS id, (1 / (i - 50000))::text AS name, now() AS at FROM generate_series(1, 50000) i")).await.unwrap();
    let source = Source::open(whole, &[("SOURCE_URL", source.environment.get("SOURCE_URL").unwrap().to_owned())]).await;
    let error = source.pull().await.unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert_eq!(source.lab.count().await, 0);
    let unreachable = Source::open(whole, &[("SOURCE_URL", "postgres://u:hunter2@127.0.0.1:1/x".to_owned())]).await;
    let error = unreachable.pull().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1/x") || error.contains("${SOURCE_URL}"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn objects_are_listed_by_pattern_and_read_when_they_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path: &Path = &folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("y=2025/a.csv", "id\n1\n");
    write("y=2026/b.csv", "id\n2\n");
    write("y=2026/b.txt", "id\n7\n");
    let environment = [("ROOT", folder.path().to_string_lossy().into_owned())];
    let source = Source::open("{kind: objects, url: 'file://${ROOT}/y=*/*.csv', mode: append}", &environment).await;
    assert_eq!(source.rows().await, (Some(2), "1 2".into()));
    write("y=2026/c.csv", "id\n3\n");
    assert_eq!(source.rows().await, (Some(1), "1 2 3".into()));
    assert_eq!(source.rows().await.0, None);
    let whole = Source::open("{kind: objects, url: 'file://${ROOT}/y=2026/b.csv'}", &environment).await;
    assert_eq!(whole.rows().await, (Some(1), "2".into()));
    assert_eq!(whole.rows().await.0, None);
    let none = Source::open("{kind: objects, url: 'file://${ROOT}/z*.csv'}", &environment).await;
    assert_eq!(none.pull().await.unwrap_err().code(), "SOURCE_FAILED");
}
