//! However much an operation asks for, the server is sent one statement: every query case is sent to its product as its
//! caller, and what the product's database was asked is counted in the server's own log.
//!
//! The reader's connections, which nothing else uses, are sent exactly that. Other connections of the product are also used by
//! tasks of their own (audit records, service levels, the queue of runs), at any moment: an operation that needed a
//! statement there would do so each time, so one of a few times there has to be none.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use sqlx::Connection as _;
use std::collections::BTreeMap;
use std::path::Path;
use terrane_auth::{Authenticator, JwtConfig, TokenRequest, issue};
use terrane_runtime::{
    ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstream, Upstreams, local_transport, router,
};
use terrane_testkit::{fresh_database, product_folder, repository, server_log};
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-this-test-with-more-than-32-bytes";

/// Times that a case is asked at most until nothing else asks the database meanwhile.
const TIMES: usize = 10;

/// A product that is served, and its database's name.
struct Served {
    router: Router,
    database: String,
    /// `application_name` of its reader.
    reader: String,
}

/// Statements that the server has logged.
#[derive(Clone, Copy)]
struct Logged {
    /// On the reader's connections.
    read: usize,
    /// On all.
    all: usize,
}

impl Served {
    async fn open(folder: &Path, upstreams: Upstreams) -> Self {
        let url = fresh_database().await;
        let config = JwtConfig { secret: Some(SECRET.to_owned()), ..JwtConfig::default() };
        let options = ServiceOptions {
            folder: folder.to_path_buf(),
            store: StoreOptions::new(&url),
            authenticator: Authenticator::new(&config).unwrap(),
            upstreams,
        };
        let service = ProductService::open(options).await.unwrap();
        let run = service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull: true }).await.unwrap();
        assert_eq!(run.state, "succeeded", "{run:?}");
        let database = url::Url::parse(&url).unwrap().path().trim_start_matches('/').to_owned();
        let reader = format!("terrane read {}", service.product().id);
        Self { router: router(service), database, reader }
    }

    /// Statements that the server has logged for the database.
    fn logged(&self) -> Logged {
        let (log, database) = (server_log(), format!("[{}|", self.database));
        let reader = format!("{database}{}]", self.reader);
        let asked = |line: &&str| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ");
        let lines = log.lines().filter(|line| line.contains(&database)).filter(asked);
        lines.fold(Logged { read: 0, all: 0 }, |sum, line| Logged {
            read: sum.read + usize::from(line.contains(&reader)),
            all: sum.all + 1,
        })
    }

    async fn ask(&self, token: &str, operation: &str, variables: &Value) -> Value {
        let body = json!({"query": operation, "variables": variables}).to_string();
        let request = Request::post("/graphql").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }
}

fn token(roles: &str, claims: Map<String, Value>) -> String {
    let roles = roles.split_whitespace().map(str::to_owned).collect();
    issue(SECRET, &TokenRequest { subject: "tester".to_owned(), roles, lifetime_seconds: 3600, claims }).unwrap()
}

/// All products that cases are about.
async fn products() -> BTreeMap<&'static str, Served> {
    let mut served = BTreeMap::new();
    for name in ["continents", "countries", "cities"] {
        served.insert(name, Served::open(&product_folder(name), Upstreams::new()).await);
    }
    let lab = repository().join("runtime/query/tests/products/lab");
    served.insert("lab", Served::open(&lab, Upstreams::new()).await);
    let upstream = |name: &str| {
        let header = format!("Bearer {}", token("steward", Map::new()));
        let transport = local_transport(served[name].router.clone());
        (name.to_owned(), Upstream { transport, authorization: Some(header.parse().unwrap()) })
    };
    let upstreams = Upstreams::from_iter([upstream("continents"), upstream("countries")]);
    served.insert("geography", Served::open(&product_folder("geography"), upstreams).await);
    served
}

#[tokio::test]
async fn every_query_case_is_at_most_one_statement() {
    let mut admin = sqlx::PgConnection::connect(&fresh_database().await).await.unwrap();
    for setting in ["log_statement = 'all'", "log_line_prefix = '[%d|%a] '"] {
        let alter = format!("ALTER SYSTEM SET {setting}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut admin).await.unwrap();
    }
    sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.unwrap();
    let products = products().await;
    let (mut cases, mut seen) = (0, 0);
    for entry in std::fs::read_dir(repository().join("tests/query")).unwrap().flatten() {
        let folder = entry.path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let Some(operation) = read("operation.graphql") else { continue };
        let object = |name: &str| read(name).map_or(json!({}), |text| serde_json::from_str(&text).unwrap());
        let product = &products[read("product").unwrap_or_else(|| "countries".to_owned()).trim()];
        let roles = read("role").unwrap_or_else(|| "anonymous".to_owned());
        let token = token(&roles, object("claims.json").as_object().cloned().unwrap_or_default());
        let variables = object("variables.json");
        let nothing = read("expected.sql").is_some_and(|sql| sql.starts_with("-- no statement"));
        let mut undisturbed = false;
        for _ in 0..TIMES {
            let before = product.logged();
            let answer = product.ask(&token, &operation, &variables).await;
            let after = product.logged();
            let wanted = usize::from(!nothing && answer.get("data").is_some());
            assert_eq!(after.read - before.read, wanted, "{}: {answer}", folder.display());
            undisturbed = after.all - before.all == wanted;
            if undisturbed {
                seen += wanted;
                break;
            }
        }
        assert!(undisturbed, "{}: something else is asked each time", folder.display());
        cases += 1;
    }
    assert!(cases >= 50 && seen >= 40, "{cases} cases, {seen} of them reached a database");
}
