//! However much an operation asks for, the server is sent one statement: counted in the server's own log.

#![allow(clippy::unwrap_used, reason = "a test")]

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::Connection as _;
use terrane_auth::{Authenticator, JwtConfig};
use terrane_runtime::{ProductService, RunRequest, RunTrigger, ServiceOptions, StoreOptions, Upstreams, router};
use terrane_testkit::{fresh_database, product_folder, repository, server_log};
use tower::ServiceExt as _;

/// Statements that the server has logged for `database` and that read the output layer.
fn logged(database: &str) -> usize {
    let log = server_log();
    log.lines().filter(|line| line.contains(&format!("[{database}]")) && line.contains("LOG:  execute ")).count()
}

async fn ask(router: &axum::Router, operation: &str, variables: &Value) -> Value {
    let body = json!({"query": operation, "variables": variables}).to_string();
    let request = Request::post("/graphql").header("content-type", "application/json").body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn every_query_case_is_at_most_one_statement() {
    let url = fresh_database().await;
    let database = url::Url::parse(&url).unwrap().path().trim_start_matches('/').to_owned();
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    for setting in ["log_statement = 'all'", "log_line_prefix = '[%d] '"] {
        let alter = format!("ALTER SYSTEM SET {setting}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut admin).await.unwrap();
    }
    sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.unwrap();
    let options = ServiceOptions {
        folder: product_folder("countries"),
        store: StoreOptions::new(&url),
        authenticator: Authenticator::new(&JwtConfig::default()).unwrap(),
        upstreams: Upstreams::new(),
    };
    let service = ProductService::open(options).await.unwrap();
    let run = service.run(&RunRequest { trigger: RunTrigger::Manual, by: None, pull: true }).await.unwrap();
    assert_eq!(run.state, "succeeded", "{run:?}");
    let router = router(service);
    let mut seen = 0;
    for entry in std::fs::read_dir(repository().join("tests/query")).unwrap().flatten() {
        let folder = entry.path();
        let Ok(operation) = std::fs::read_to_string(folder.join("operation.graphql")) else { continue };
        let variables = std::fs::read_to_string(folder.join("variables.json")).unwrap_or_else(|_| "{}".to_owned());
        let variables: Value = serde_json::from_str(&variables).unwrap();
        let before = logged(&database);
        let answer = ask(&router, &operation, &variables).await;
        let statements = logged(&database) - before;
        let reads = answer["data"].as_object().is_some_and(|d| d.values().any(|v| !v.is_null()));
        assert!(statements <= 1, "{}: {statements} statements", folder.display());
        if reads && statements == 1 {
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} operations reached the database");
}
