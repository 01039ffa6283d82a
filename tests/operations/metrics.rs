//! Metrics: a scrape has what docs/operations.md says, and counts what happened.

use crate::support::{Pair, value};
use std::collections::BTreeMap;
use terrane_testkit::repository;

/// Name and type of each metric of a scrape.
fn scraped(scrape: &str) -> BTreeMap<String, String> {
    let types = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The same of the tables in the documentation; `of` is who has it.
fn documented(of: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
        let [name, kind, _, who, ..] = cells[..] else { return None };
        let known = ["counter", "gauge", "histogram"].contains(&kind);
        (known && (who == of || who == "both")).then(|| (name.trim_matches('`').to_owned(), kind.to_owned()))
    });
    rows.collect()
}

#[tokio::test]
async fn a_scrape_has_what_the_documentation_lists() {
    // the count of exports is there where traces are exported
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let pair = Pair::start(&environment, &format!("telemetry: {{traces: {{endpoint: \"{endpoint}\"}}}}\n")).await;
    for _ in 0..3 {
        pair.ask(&[]).await;
    }
    let wrong = pair.gateway.client().graphql("{ nothing }", serde_json::json!({})).await;
    assert!(wrong["errors"].is_array());
    let answer = pair.gateway.client().get("/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let gateway = answer.text();
    let product = pair.product.client().get("/metrics").await.text();
    assert_eq!(scraped(&gateway), documented("gateway"));
    assert_eq!(scraped(&product), documented("product"));

    let asked = "server=\"gateway\",outcome=\"answered\",status=\"2xx\"";
    assert_eq!(value(&gateway, &format!("terrane_graphql_requests_total{{{asked}}}")), 3.0);
    let refused = "server=\"gateway\",outcome=\"refused\",status=\"2xx\"";
    assert_eq!(value(&gateway, &format!("terrane_graphql_requests_total{{{refused}}}")), 1.0);
    assert_eq!(value(&gateway, "terrane_http_request_seconds_count{server=\"gateway\"}"), 4.0);
    assert_eq!(value(&gateway, "terrane_plan_cache_hits_total{server=\"gateway\"}"), 2.0);
    assert_eq!(value(&gateway, "terrane_plan_cache_entries{server=\"gateway\"}"), 1.0);
    let answered = "terrane_subgraph_requests_total{subgraph=\"continents\",outcome=\"answered\"}";
    assert_eq!(value(&gateway, answered), 3.0);
    assert_eq!(value(&gateway, "terrane_http_requests_under_way{server=\"gateway\"}"), 0.0);
    assert!(value(&gateway, "terrane_connections_open") >= 1.0);
    assert_eq!(value(&gateway, "terrane_graph_problems"), 0.0);

    assert_eq!(value(&product, "terrane_statements_total{server=\"continents\",outcome=\"answered\"}"), 3.0);
    assert_eq!(value(&product, "terrane_statement_rows_total{server=\"continents\"}"), 9.0);
    assert_eq!(value(&product, "terrane_runs_total{server=\"continents\",outcome=\"succeeded\"}"), 1.0);
    assert_eq!(value(&product, "terrane_published_version{server=\"continents\"}"), 1.0);
    assert!(value(&product, "process_resident_memory_bytes") > 0.0);
}
