//! Traces: one from the client through the gateway and the product to the statement; none where none is sampled.

use crate::collector::{Collector, Made};
use crate::support::{Pair, value};
use std::collections::BTreeSet;

const CLIENT: &str = "b7ad6b7169203331";

fn parent(trace: &str, sampled: bool) -> String {
    format!("00-{trace}-{CLIENT}-0{}", u8::from(sampled))
}

fn id(digit: char) -> String {
    digit.to_string().repeat(32)
}

/// The span of a trace with a name, of a service.
fn find<'s>(spans: &'s [Made], trace: &str, service: &str, name: &str) -> &'s Made {
    let found = spans.iter().find(|made| made.trace() == trace && made.service == service && made.span.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` of {service} in {spans:#?}"))
}

fn names(spans: &[Made], trace: &str) -> Vec<(String, String)> {
    let mut names: Vec<_> = spans
        .iter()
        .filter(|made| made.trace() == trace)
        .map(|made| (made.service.clone(), made.span.name.clone()))
        .collect();
    names.sort();
    names
}

fn pairs(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(service, name)| ((*service).to_owned(), (*name).to_owned())).collect()
}

// waiting for a process to end must not keep the collector from answering
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_client_to_the_statement_and_others_are_not_made() {
    let collector = Collector::start().await;
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.base.as_str()), ("OTEL_SERVICE_NAME", "data")];
    let settings =
        format!("telemetry: {{service_name: front, traces: {{endpoint: \"{}\", ratio: 0}}}}\n", collector.base);
    let mut pair = Pair::start(&environment, &settings).await;

    // the first run of the pipeline is a trace of the product's own
    let published = |spans: &[Made]| spans.iter().any(|made| made.span.name == "pipeline run");
    let spans = collector.until(published).await;
    let run = spans.iter().find(|made| made.span.name == "pipeline run").unwrap();
    assert_eq!((run.parent().as_str(), run.number("terrane.version")), ("", Some(1)));
    let steps: BTreeSet<_> =
        spans.iter().filter(|made| made.parent() == run.id()).map(|made| made.span.name.as_str()).collect();
    assert_eq!(steps, BTreeSet::from(["pull", "model", "check", "publish"]));

    // who is not part of a trace is not sampled here, and who says that theirs is not is believed
    pair.ask(&[]).await;
    pair.ask(&[("traceparent", &parent(&id('a'), false))]).await;
    let state = [("traceparent", parent(&id('b'), true)), ("tracestate", "vendor=1".to_owned())];
    pair.ask(&state.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    pair.ask(&[("traceparent", &parent(&id('c'), true))]).await;

    let last = |spans: &[Made]| names(spans, &id('c')).len() == 4 && names(spans, &id('b')).len() == 4;
    let spans = collector.until(last).await;
    // the product was also asked for its schema, which is a trace of its own
    let of_requests = |made: &&Made| made.service == "front" || made.span.name == "SELECT";
    let traces: BTreeSet<String> = spans.iter().filter(of_requests).map(Made::trace).collect();
    assert_eq!(traces, BTreeSet::from([id('b'), id('c')]), "{spans:#?}");
    assert_eq!(names(&spans, &id('a')), []);
    // plans are known by then
    let expected =
        [("data", "POST /graphql"), ("data", "SELECT"), ("front", "POST /graphql"), ("front", "subgraph request")];
    assert_eq!(names(&spans, &id('b')), pairs(&expected));

    let trace = id('b');
    let front = find(&spans, &trace, "front", "POST /graphql");
    let request = find(&spans, &trace, "front", "subgraph request");
    let data = find(&spans, &trace, "data", "POST /graphql");
    let statement = find(&spans, &trace, "data", "SELECT");
    let parents = [front, request, data, statement].map(Made::parent);
    assert_eq!(parents, [CLIENT.to_owned(), front.id(), request.id(), data.id()]);
    assert_eq!([&front.span, &data.span].map(|span| span.trace_state.as_str()), ["vendor=1"; 2]);
    assert_eq!(front.text("graphql.operation.name").as_deref(), Some("Names"));
    assert_eq!(request.text("terrane.subgraph").as_deref(), Some("continents"));
    assert_eq!(data.text("http.route").as_deref(), Some("/graphql"));
    assert_eq!(statement.number("db.response.returned_rows"), Some(3));
    for made in &spans {
        assert!(made.span.end_time_unix_nano >= made.span.start_time_unix_nano, "{made:#?}");
    }

    // files are of a trace, too
    let of_file = [("traceparent", &*parent(&id('e'), true))];
    let file = pair.product.client().send(http::Method::GET, "/output/continents.csv", &of_file, "").await;
    assert!(file.status.is_success());
    let spans = collector.until(|spans: &[Made]| names(spans, &id('e')).len() == 2).await;
    let statement = find(&spans, &id('e'), "data", "SELECT");
    let port = spans.iter().find(|made| made.trace() == id('e') && made.parent() == CLIENT).unwrap();
    assert_eq!((statement.parent(), statement.text("error.type")), (port.id(), None));

    // what waits to be sent is sent before the end
    let other = [("traceparent", &*parent(&id('d'), true)), ("content-type", "application/json")];
    let body = r#"{"query":"{ continents(first: 2) { nodes { code } } }"}"#;
    let answer = pair.gateway.client().send(http::Method::POST, "/graphql", &other, body).await;
    assert!(answer.status.is_success());
    assert!(pair.gateway.end("TERM"), "{}", pair.gateway.output());
    assert!(pair.product.end("TERM"), "{}", pair.product.output());
    let planned = [
        ("data", "POST /graphql"),
        ("data", "SELECT"),
        ("data", "prepare"),
        ("front", "POST /graphql"),
        ("front", "parse"),
        ("front", "plan"),
        ("front", "subgraph request"),
    ];
    assert_eq!(names(&collector.spans(), &id('d')), pairs(&planned));
}

#[tokio::test]
async fn a_collector_that_is_down_changes_nothing() {
    // nobody listens on a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!("telemetry: {{traces: {{endpoint: \"http://127.0.0.1:{port}\", queue: 2}}}}\n");
    let mut pair = Pair::start(&[], &settings).await;
    let failed = "terrane_trace_exports_total{outcome=\"failed\"}";
    let mut scrape = String::new();
    // each of them has more spans than the queue has room for
    while scrape.is_empty() || value(&scrape, failed) < 2.0 {
        pair.ask(&[("traceparent", &parent(&id('e'), true))]).await;
        scrape = pair.gateway.client().get("/metrics").await.text();
    }
    let told = pair.gateway.output().matches("the trace collector does not take spans").count();
    assert_eq!(told, 1, "{}", pair.gateway.output());
    assert!(pair.gateway.end("TERM"), "{}", pair.gateway.output());
}
