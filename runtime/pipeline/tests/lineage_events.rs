//! Every lineage event of real runs is valid by the schemas that OpenLineage publishes: the event, and each of its facets.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use support::{open, request};
use terrane_store::{LineageEvent, Store};
use terrane_testkit::{copy_folder, product_folder, state_directory};

/// The published schemas, by the names that facets refer to.
struct Schemas {
    event: jsonschema::Validator,
    facets: Vec<(String, jsonschema::Validator)>,
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Schemas {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openlineage");
        let event = read(&folder.join("OpenLineage.json"));
        let id = event["$id"].as_str().unwrap().to_owned();
        let registry = jsonschema::Registry::new().add(&id, &event).unwrap().prepare().unwrap();
        let build = |schema: &Value| {
            jsonschema::options().should_validate_formats(true).with_registry(&registry).build(schema).unwrap()
        };
        let facets = std::fs::read_dir(folder.join("facets")).unwrap().map(|file| {
            let schema = read(&file.unwrap().path());
            let id = schema["$id"].as_str().unwrap();
            let name = id.rsplit('/').next().unwrap().trim_end_matches(".json");
            let url = format!("{id}#/$defs/{name}");
            let one = json!({"$ref": url, "$defs": {}});
            let with_own = jsonschema::Registry::new().add(id, &schema).unwrap();
            let with_own = with_own.add(event["$id"].as_str().unwrap(), &event).unwrap().prepare().unwrap();
            let built = jsonschema::options().should_validate_formats(true).with_registry(&with_own).build(&one);
            (url, built.unwrap())
        });
        Self { event: build(&json!({"$ref": format!("{id}#/$defs/RunEvent")})), facets: facets.collect() }
    }

    /// Check an event; the names of the facets that it has.
    fn check(&self, event: &Value) -> BTreeSet<String> {
        let wrong: Vec<String> = self.event.iter_errors(event).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{event:#}");
        let mut seen = BTreeSet::new();
        self.check_facets(event, &mut seen);
        seen
    }

    fn check_facets(&self, value: &Value, seen: &mut BTreeSet<String>) {
        if let Some(url) = value["_schemaURL"].as_str() {
            let (_, schema) = self.facets.iter().find(|(known, _)| known == url).unwrap_or_else(|| panic!("{url}"));
            let wrong: Vec<String> = schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
            seen.insert(url.rsplit('/').next().unwrap().to_owned());
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|v| self.check_facets(v, seen)),
            Value::Array(items) => items.iter().for_each(|v| self.check_facets(v, seen)),
            _ => {}
        }
    }
}

async fn events(store: &Store) -> Vec<LineageEvent> {
    let mut events = store.lineage_events(None, 100).await.unwrap();
    events.reverse();
    events
}

fn types(events: &[LineageEvent]) -> Vec<&str> {
    events.iter().map(|e| e.event_type.as_str()).collect()
}

#[tokio::test]
async fn a_run_that_publishes_says_what_it_read_made_and_checked() {
    let schemas = Schemas::read();
    assert!(!schemas.event.is_valid(&json!({"eventType": "START"})), "the schema refuses what is no event");
    let (store, pipeline, _) = open(&product_folder("countries")).await;
    assert_eq!(pipeline.run(&request()).await.unwrap().state, "succeeded");
    let events = events(&store).await;
    assert_eq!(types(&events), ["START", "COMPLETE"]);
    let facets = schemas.check(&events[0].event);
    assert!(facets.contains("SchemaDatasetFacet"), "{facets:?}");
    let event = &events[1].event;
    let facets = schemas.check(event);
    for facet in [
        "ColumnLineageDatasetFacet",
        "DataQualityAssertionsDatasetFacet",
        "DatasetVersionDatasetFacet",
        "JobTypeJobFacet",
        "OutputStatisticsOutputDatasetFacet",
        "ProcessingEngineRunFacet",
        "SchemaDatasetFacet",
        "SymlinksDatasetFacet",
        "TestRunFacet",
    ] {
        assert!(facets.contains(facet), "{facet} of {facets:?}");
    }
    let output = &event["outputs"][0];
    let statistics = &output["outputFacets"]["outputStatistics"];
    assert_eq!(statistics["rowCount"], 250);
    assert!(statistics["size"].as_i64().unwrap() > 8192);
    assert_eq!(output["facets"]["version"]["datasetVersion"], "1");
    assert_eq!(event["run"]["runId"], events[0].event["run"]["runId"]);
}

#[tokio::test]
async fn a_run_that_fails_or_is_cancelled_says_why_once() {
    let schemas = Schemas::read();
    let scratch = state_directory();
    copy_folder(&product_folder("continents"), scratch.path()).unwrap();
    let (store, pipeline, _) = open(scratch.path()).await;
    std::fs::remove_dir_all(scratch.path().join("data")).unwrap();
    assert_eq!(pipeline.run(&request()).await.unwrap().state, "failed");
    // what a dead process leaves is told by whoever closes it
    let record = store.start_run(terrane_store::RunTrigger::Manual, None, true).await.unwrap();
    record.abandon().await;
    assert!(pipeline.next().await.unwrap().is_none());
    assert!(pipeline.next().await.unwrap().is_none());
    let events = events(&store).await;
    assert_eq!(types(&events), ["START", "FAIL", "FAIL"]);
    for event in &events {
        schemas.check(&event.event);
    }
    let message = |i: usize| events[i].event["run"]["facets"]["errorMessage"]["message"].as_str().unwrap().to_owned();
    assert!(message(1).starts_with("PULL_FAILED: "), "{}", message(1));
    assert!(message(2).starts_with("RUN_INTERRUPTED: "), "{}", message(2));
}

#[tokio::test]
async fn events_are_sent_in_order_and_kept_until_somebody_took_them() {
    let (store, pipeline, _) = open(&product_folder("continents")).await;
    pipeline.run(&request()).await.unwrap();
    let mine = store.next_lineage_event().await.unwrap().expect("the start");
    assert!(store.next_lineage_event().await.unwrap().is_none(), "one process sends");
    // nobody took it
    drop(mine);
    let mut sent = Vec::new();
    while sent.len() < 2 {
        // the rollback of a dropped transaction takes a moment
        let Some(sending) = store.next_lineage_event().await.unwrap() else { continue };
        sent.push(sending.event.event_type.clone());
        sending.taken().await.unwrap();
    }
    assert!(store.next_lineage_event().await.unwrap().is_none(), "all are taken");
    assert_eq!(sent, ["START", "COMPLETE"]);
    assert!(events(&store).await.iter().all(|e| e.sent_at.is_some()));
}
