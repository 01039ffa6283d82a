//! Pages of a product: what is shown of one that says all kinds of things of itself.

use apollo_compiler::{ExecutableDocument, Schema};
use chrono::{DateTime, Utc};
use terrane_views::description::{ContractRevision, LineageColumn, Neighbour, QualityPoint};
use terrane_views::description::{ProductInfo, RecentUse, Run, Step};
use terrane_views::{
    Product, Runs, Status, Visit, columns, draw_columns, draw_lineage, draw_model, product, revisions, trend,
};

fn stations() -> ProductInfo {
    serde_json::from_str(include_str!("stations.json")).expect("the fixture is a description")
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().expect("a time")
}

/// The page for a reader; the mesh keeps `Station.secret` from them.
fn shown(info: &ProductInfo, now: &str) -> Product {
    let visit = Visit {
        now: at(now),
        roles: vec!["reader".to_owned()],
        base: "/products/stations".to_owned(),
        address: "https://data.example.org/products/stations".to_owned(),
        explorer: true,
        exports: "/marketplace/stations/".to_owned(),
        access: Some("/marketplace/stations/access".to_owned()),
        page_of: &|product| Some(format!("/marketplace/{product}")),
        may_select: &|of, field| (of, field) != ("Station", "secret"),
    };
    product(info, &Runs::Closed, &visit)
}

const SOON: &str = "2026-11-21T06:00:01Z";

#[test]
fn a_sample_operation_is_valid_and_selects_only_what_the_visitor_may_read() {
    let info = stations();
    let page = shown(&info, SOON);
    let operation = page.datasets[0].operation.as_deref().unwrap();
    // not `reading` (needs an argument), `owner` (an object), `tags` (deprecated), `visitors` and `secret` (closed)
    assert_eq!(operation, "{\n  stations(first: 5) {\n    nodes {\n      code\n      height\n    }\n  }\n}");
    let sdl = format!("directive @key(fields: String!) on OBJECT\n{}", info.sdl);
    let schema = Schema::parse_and_validate(sdl, "schema.graphql").unwrap();
    ExecutableDocument::parse_and_validate(&schema, operation, "sample.graphql").unwrap();
    let href = page.datasets[0].explorer_href.as_deref().unwrap();
    assert!(href.starts_with("/graphiql?query=%7B%0A%20%20stations%28first%3A%205%29"), "{href}");
}

#[test]
fn without_a_readable_field_there_is_no_operation_and_no_file() {
    let mut info = stations();
    info.datasets[0].fields.iter_mut().for_each(|field| field.readable = false);
    let page = shown(&info, SOON);
    assert_eq!((page.datasets[0].operation.as_deref(), page.datasets[0].downloads.len()), (None, 0));
    info = stations();
    info.sdl = "not SDL {".to_owned();
    assert_eq!(shown(&info, SOON).datasets[0].operation, None);
}

#[test]
fn closed_fields_say_why_and_show_no_values() {
    let page = shown(&stations(), SOON);
    let field = |name: &str| page.datasets[0].fields.iter().find(|f| f.name == name).unwrap();
    let closed = |name: &str| (field(name).readable, field(name).why.as_deref(), field(name).examples.as_deref());
    assert_eq!(closed("visitors"), (false, Some("internal data, not open to reader"), None));
    assert_eq!(closed("secret"), (false, Some("denied to reader by the mesh"), None));
    assert_eq!(closed("code"), (true, None, Some("A, B, C, D, …")));
    assert_eq!(field("tags").data_type, "[String!]!");
    assert_eq!(field("height").description, "Height. Unit: m.");
}

#[test]
fn references_lead_to_the_dataset_that_they_mean() {
    let page = shown(&stations(), SOON);
    let reference = |name: &str| {
        let field = page.datasets[0].fields.iter().find(|f| f.name == name).unwrap();
        field.reference.as_ref().map(|r| (r.label.as_str(), r.href.as_str()))
    };
    assert_eq!(reference("code"), Some(("places.code", "/marketplace/places#dataset-places")));
    assert_eq!(reference("tags"), Some(("stations.code", "#dataset-stations")));
    assert_eq!(reference("height"), None);
}

#[test]
fn only_harmless_links_are_links() {
    let page = shown(&stations(), SOON);
    let hrefs = |links: &[terrane_views::Link]| links.iter().map(|l| l.href.clone()).collect::<Vec<_>>();
    assert_eq!(hrefs(&page.agreements), ["https://example.org/a"]);
    assert_eq!(hrefs(&page.links), ["http://example.org/d"]);
    assert_eq!((page.contacts[0].label.as_str(), page.contacts[0].href.as_deref()), ("#weather (slack)", None));
}

#[test]
fn freshness_is_measured_against_the_promise() {
    let mut info = stations();
    assert_eq!(shown(&info, SOON).freshness, Status::new("current: 3 h old, promised every 1 day", "good"));
    let late = shown(&info, "2026-11-23T06:00:01Z");
    assert_eq!(late.freshness, Status::new("late: 2 days old, promised every 1 day", "bad"));
    assert_eq!(late.promises[0].measured, Some(Status::new("2 days old", "bad")));
    assert_eq!((late.promises[1].name.as_str(), late.promises[1].promised.as_str()), ("Time to repair", "4.5 hours"));
    assert_eq!(late.promises[1].measured, None);
    info.updated_at = None;
    assert_eq!(shown(&info, SOON).freshness, Status::new("never published", "warn"));
}

#[test]
fn checks_are_counted_and_keep_closed_fields_closed() {
    let page = shown(&stations(), SOON);
    assert_eq!(page.quality_summary, Status::new("2 of 4 checks passed, 1 failure, 1 warning", "bad"));
    let rows: Vec<[&str; 5]> = page
        .checks
        .iter()
        .map(|c| [&c.rule, &c.on, &c.consequence, &c.result.text, &c.found].map(String::as_str))
        .collect();
    let constraints = "1 constraint of the contract: required, unique, keys, patterns, references";
    assert_eq!(
        rows,
        [
            ["All visitors together", "stations.visitors", "Flagged", "passed", ""],
            ["read", "stations", "Nothing", "for people", ""],
            ["Enough rows", "stations", "Flagged", "warning", "12,345, expected between 20,000 and 30,000"],
            ["stations.code.unique", "stations.code", "Not published", "failed", "3, expected = 0"],
            [constraints, "stations", "Not published", "passed", "0"],
        ]
    );
}

#[test]
fn ports_say_where_they_are() {
    let page = shown(&stations(), SOON);
    let ports: Vec<(&str, &str, Option<&str>)> =
        page.ports.iter().map(|p| (p.name.as_str(), p.kind.as_str(), p.address.as_deref())).collect();
    let base = "https://data.example.org/products/stations";
    assert_eq!(
        ports,
        [
            ("graph", "Output · GraphQL", Some(format!("POST {base}/graphql").as_str())),
            ("files", "Output · file", Some(format!("GET {base}/output/stations.{{csv,parquet}}").as_str())),
            ("pushed", "Input · push", Some(format!("POST {base}/input/raw").as_str())),
            ("file", "Input · file", None),
            ("discovery", "Discovery", Some(format!("GET {base}/discovery").as_str())),
        ]
    );
    assert_eq!(page.datasets[0].downloads[1].href, "/products/stations/output/stations.parquet");
}

#[test]
fn diagrams_are_drawn_escaped_and_told() {
    let info = stations();
    let page = shown(&info, SOON);
    let [lineage, model] = page.diagrams.as_slice() else { panic!("two diagrams") };
    assert_eq!(lineage.exports[0].href, "/marketplace/stations/lineage.mmd");
    assert_eq!(lineage.lines, ["input.raw is made of source:places.places", "output.stations is made of input.raw"]);
    assert!(lineage.svg.contains("places: &lt;places&gt;") && lineage.svg.contains("href=\"/marketplace/places\""));
    assert!(model.svg.contains("code: ID! · key"), "{}", model.svg);
    assert_eq!(model.lines[1], "stations.code refers to places.code of places (one-to-one)");
    assert!(draw_lineage(&info, "mmd").unwrap().starts_with("flowchart LR\n"));
    assert!(draw_model(&info, "dot").unwrap().starts_with("digraph"));
    assert_eq!(draw_model(&info, "exe"), None);
    let mut unpublished = info;
    unpublished.current_version = None;
    assert!(shown(&unpublished, SOON).diagrams.is_empty());
}

#[test]
fn runs_are_told_or_said_to_be_closed() {
    assert!(shown(&stations(), SOON).no_runs_text.contains("do not open"));
    let step = Step {
        kind: "pull".to_owned(),
        name: "file".to_owned(),
        state: "succeeded".to_owned(),
        started_at: SOON.to_owned(),
        milliseconds: Some(15),
        rows: Some(1500),
        detail: None,
    };
    let run = Run {
        id: "r".to_owned(),
        trigger: "manual".to_owned(),
        requested_by: Some("grace".to_owned()),
        state: "failed".to_owned(),
        started_at: SOON.to_owned(),
        ended_at: None,
        milliseconds: Some(2_345),
        version: None,
        error_code: Some("CHECK_FAILED".to_owned()),
        error: Some("2 checks failed".to_owned()),
        steps: vec![step],
    };
    let (runs, _) = terrane_views::runs(&Runs::Seen(vec![run]));
    assert_eq!(runs[0].summary, "by hand · asked for by grace · 2.3 s");
    assert_eq!(runs[0].error.as_deref(), Some("CHECK_FAILED: 2 checks failed"));
    assert_eq!((runs[0].steps[0].rows.as_str(), runs[0].steps[0].took.as_str()), ("1,500", "15 ms"));
}

#[test]
fn closed_fields_say_where_they_are_asked_for_and_masked_ones_what_is_seen() {
    let mut info = stations();
    info.datasets[0].fields.iter_mut().find(|f| f.name == "visitors").unwrap().mask = Some("hash".to_owned());
    let page = shown(&info, SOON);
    let field = |name: &str| page.datasets[0].fields.iter().find(|f| f.name == name).unwrap();
    let href = Some("/marketplace/stations/access?field=stations.visitors");
    assert_eq!(field("visitors").ask_href.as_deref(), href);
    // what the mesh denies, no product can grant; what can be read, nobody has to ask for
    assert_eq!((field("secret").ask_href.as_deref(), field("code").ask_href.as_deref()), (None, None));
    assert_eq!(field("visitors").masked.as_deref(), Some("you see a code in the place of each value"));
    // a masked field is in the sample, as it is seen
    assert!(page.datasets[0].operation.as_deref().unwrap().contains("      visitors\n"));
}

#[test]
fn texts_to_copy_send_a_token_only_for_somebody() {
    let info = stations();
    let snippets = |roles: &[&str]| {
        let visit = Visit {
            now: at(SOON),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            base: String::new(),
            address: "https://data.example.org/products/stations".to_owned(),
            explorer: true,
            exports: String::new(),
            access: None,
            page_of: &|_| None,
            may_select: &|_, _| true,
        };
        let ports = product(&info, &Runs::Closed, &visit).ports;
        ports.into_iter().flat_map(|port| port.snippets).collect::<Vec<_>>()
    };
    let (somebody, nobody) = (snippets(&["reader"]), snippets(&["anonymous"]));
    let labels: Vec<&str> = nobody.iter().map(|snippet| snippet.label.as_str()).collect();
    for label in ["stations: GraphQL", "stations: Python", "CSV: Power BI and Excel (Power Query)", "Parquet: DuckDB"] {
        assert!(labels.contains(&label), "{labels:?}");
    }
    let outputs = |all: &[terrane_views::Snippet]| {
        let of = all.iter().filter(|s| s.label != "curl" && !s.label.ends_with("GraphQL"));
        of.map(|s| s.code.to_lowercase().contains("authorization")).collect::<Vec<_>>()
    };
    assert!(outputs(&somebody).into_iter().all(|sent| sent) && !outputs(&nobody).into_iter().any(|sent| sent));
}

#[test]
fn columns_are_followed_across_products() {
    let mut own = stations();
    let column = |node: &str, column: &str, origin: &str| LineageColumn {
        node: node.to_owned(),
        column: column.to_owned(),
        origins: vec![origin.to_owned()],
    };
    own.lineage.columns = vec![column("output.stations", "code", "input.raw.code")];
    let mut upstream = stations();
    (upstream.id, upstream.name) = ("places".to_owned(), "<Places>".to_owned());
    upstream.lineage.columns =
        vec![column("output.places", "code", "input.raw.kürzel"), column("output.places", "other", "input.raw.other")];
    let mut reader = stations();
    (reader.id, reader.name) = ("trips".to_owned(), "Trips".to_owned());
    reader.lineage.columns = vec![column("output.trips", "station", "input.raw.code")];
    let read = |info: &mut ProductInfo, source: &str| {
        let port = info.input_ports.iter_mut().find(|port| port.dataset == "raw").unwrap();
        (port.connector, port.source) = ("product".to_owned(), Some(source.to_owned()));
    };
    read(&mut own, "places.places");
    read(&mut reader, "stations.stations");
    let others = [upstream, reader, own.clone()].map(|of| Neighbour {
        id: of.id,
        name: of.name,
        input_ports: of.input_ports,
        columns: of.lineage.columns,
    });
    let visit = Visit {
        now: at(SOON),
        roles: Vec::new(),
        base: String::new(),
        address: String::new(),
        explorer: false,
        exports: "/x/".to_owned(),
        access: None,
        page_of: &|product| (product != "trips").then(|| format!("/marketplace/{product}")),
        may_select: &|_, _| true,
    };
    let diagram = columns(&own, &others, &visit).unwrap();
    assert_eq!(
        diagram.lines,
        [
            "places.code of places comes from raw.kürzel (input of places)",
            "stations.code of stations comes from places.code of places",
            "trips.station of trips comes from stations.code of stations",
        ]
    );
    assert!(
        diagram.svg.contains("href=\"/marketplace/places#dataset-places\"")
            && !diagram.svg.contains("href=\"/marketplace/trips")
    );
    assert!(diagram.svg.contains("&lt;Places&gt;") && !diagram.svg.contains(">other<"), "{}", diagram.svg);
    assert_eq!(diagram.exports[1].href, "/x/columns.dot");
    assert!(
        draw_columns(&own, &others, "mmd").unwrap().contains("code → station")
            || draw_columns(&own, &others, "mmd").unwrap().contains("#8594;")
    );
    own.lineage.columns.clear();
    assert!(columns(&own, &others[..1], &visit).is_none());
}

#[test]
fn changes_and_quality_over_time_are_told() {
    let told: Vec<ContractRevision> = serde_json::from_value(serde_json::json!([
        {"version": "2.0.0", "appliedAt": SOON, "breaking": true, "changes": [
            {"layer": "output", "severity": "breaking", "message": "field `a.b` is gone"},
            {"layer": "input", "severity": "note", "message": "`a.c` is deprecated"}]},
        {"version": "1.0.1", "appliedAt": SOON, "breaking": false, "changes": []},
        {"version": "1.0.0", "appliedAt": SOON, "breaking": false, "changes": []}
    ]))
    .unwrap();
    let log = revisions(&told);
    let states: Vec<&str> = log.iter().map(|one| one.status.text.as_str()).collect();
    assert_eq!(states, ["breaking", "nothing that anybody relies on", "first known"]);
    assert_eq!(
        (log[0].changes[0].text.as_str(), log[0].changes[1].concerns),
        ("field a.b is gone", "for those who send to it")
    );

    let point = |passed, failed| QualityPoint { at: SOON.to_owned(), version: None, passed, warned: 0, failed };
    let chart = trend(&[point(3, 1), point(4, 0)]).unwrap();
    assert_eq!(chart.lines[0], "21 November 2026, 06:00 UTC: nothing published, 4 passed");
    assert!(
        chart.lines[1].ends_with("3 passed, 1 failure") && chart.svg.contains("class=\"bad\""),
        "{:?}",
        chart.lines
    );
    assert!(trend(&[]).is_none());
}

#[test]
fn how_much_it_is_used_is_told_without_names() {
    let mut info = stations();
    assert_eq!(shown(&info, SOON).used, None, "a product of before does not say");
    let mut used = |consumers, requests| {
        info.recent_use = Some(RecentUse { days: 30, consumers, requests });
        shown(&info, SOON).used.unwrap()
    };
    assert_eq!(used(12, 3400), "Used by 12 consumers in the last 30 days, 3,400 times.");
    assert_eq!(used(1, 1), "Used by 1 consumer in the last 30 days, 1 time.");
    assert_eq!(used(0, 0), "Nobody has read it in the last 30 days.");
}
