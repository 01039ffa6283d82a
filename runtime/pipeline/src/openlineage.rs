//! OpenLineage: turns a run, its steps, checks and version into the events of the standard (2-0-2), with its facets.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use terrane_manifest::{ColumnRef, Connector, Dataset, Field, Layer, Product};
use terrane_store::{QualityResult, Run, Step, Version};

const PRODUCER: &str = concat!("https://terrane.dev/producer/", env!("CARGO_PKG_VERSION"));
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// What an event is made from.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The product.
    pub product: &'a Product,
    /// Namespace and name of its database.
    pub database: (&'a str, &'a str),
    /// The run.
    pub run: &'a Run,
    /// Its steps so far.
    pub steps: &'a [Step],
    /// What its checks found so far.
    pub checks: &'a [QualityResult],
    /// The version it published.
    pub version: Option<&'a Version>,
}

/// The type of the event that a run in this state is worth.
pub fn event_type(run: &Run) -> &'static str {
    match run.state.as_str() {
        "succeeded" => "COMPLETE",
        "failed" => "FAIL",
        "cancelled" => "ABORT",
        _ => "START",
    }
}

/// The event: of its start, or of its end.
pub fn run_event(about: &Ended<'_>) -> Value {
    let Ended { product, run, .. } = *about;
    let started = event_type(run) == "START";
    let time = if started { run.started_at } else { run.ended_at.unwrap_or(run.started_at) };
    let mut facets = Map::new();
    let engine = json!({"name": "terrane", "version": env!("CARGO_PKG_VERSION")});
    facets.insert("processing_engine".to_owned(), facet("ProcessingEngineRunFacet", "1-1-1", engine));
    if let Some(error) = &run.error {
        let message = format!("{}: {error}", run.error_code.as_deref().unwrap_or_default());
        let error = json!({"message": message, "programmingLanguage": "SQL"});
        facets.insert("errorMessage".to_owned(), facet("ErrorMessageRunFacet", "1-0-1", error));
    }
    if !started {
        let tests: Vec<Value> = about.checks.iter().map(test).collect();
        facets.insert("test".to_owned(), facet("TestRunFacet", "1-0-1", json!({ "tests": tests })));
    }
    let job = json!({"processingType": "BATCH", "integration": "TERRANE", "jobType": "PIPELINE"});
    json!({
        "eventType": event_type(run),
        "eventTime": time.to_rfc3339(),
        "producer": PRODUCER,
        "schemaURL": EVENT,
        "run": {"runId": run.id.to_string(), "facets": facets},
        "job": {
            "namespace": "terrane",
            "name": format!("{}.pipeline", product.id),
            "facets": {"jobType": facet("JobTypeJobFacet", "2-0-4", job)},
        },
        "inputs": about.inputs(),
        "outputs": about.outputs(),
    })
}

/// A facet with the fields that all have.
fn facet(name: &str, version: &str, mut content: Value) -> Value {
    content["_producer"] = json!(PRODUCER);
    content["_schemaURL"] = json!(format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"));
    content
}

fn test(check: &QualityResult) -> Value {
    json!({
        "name": check.rule,
        "status": if check.status == "passed" { "pass" } else { "fail" },
        "severity": severity(check),
        "type": check.dimension.as_deref().unwrap_or("custom"),
        "expected": check.expected,
        "params": {"dataset": check.dataset},
    })
}

fn severity(check: &QualityResult) -> &str {
    if check.severity == "error" { "error" } else { "warn" }
}

impl Ended<'_> {
    fn table(&self, layer: &str, table: &str) -> String {
        format!("{}.{layer}.{table}", self.database.1)
    }

    /// The input tables, and what was pulled into them.
    fn inputs(&self) -> Vec<Value> {
        let mut inputs = Vec::new();
        for port in &self.product.input_ports {
            let source = match &port.connector {
                Connector::Product { product, dataset } => {
                    let mut source = json!({"namespace": "terrane", "name": format!("{product}.{dataset}")});
                    let read = self.version.into_iter().flat_map(|v| &v.lineage.upstreams);
                    if let Some(read) = read.into_iter().find(|u| u.product == *product && u.dataset == *dataset) {
                        let version = json!({"datasetVersion": read.version.to_string()});
                        source["facets"] = json!({"version": facet("DatasetVersionDatasetFacet", "1-0-1", version)});
                    }
                    Some(source)
                }
                Connector::File { path, .. } => {
                    Some(json!({"namespace": "file", "name": format!("{}/{path}", self.product.id)}))
                }
                other => other.place().map(|place| {
                    let (namespace, name) = split_place(&place, other.kind());
                    json!({"namespace": namespace, "name": name})
                }),
            };
            if let Some(source) = source.filter(|source| !inputs.contains(source)) {
                inputs.push(source);
            }
        }
        for dataset in self.product.inputs() {
            inputs.push(json!({
                "namespace": self.database.0,
                "name": self.table("input", &dataset.table),
                "facets": {"schema": schema(dataset)},
            }));
        }
        inputs
    }

    fn outputs(&self) -> Vec<Value> {
        self.product.outputs().map(|dataset| self.output(dataset)).collect()
    }

    fn output(&self, dataset: &Dataset) -> Value {
        let mut facets = Map::new();
        facets.insert("schema".to_owned(), schema(dataset));
        let name = format!("{}.{}", self.product.id, dataset.name);
        let other = json!({"identifiers": [{"namespace": "terrane", "name": name, "type": "TABLE"}]});
        facets.insert("symlinks".to_owned(), facet("SymlinksDatasetFacet", "1-0-1", other));
        if let Some(lineage) = self.columns(dataset) {
            facets.insert("columnLineage".to_owned(), lineage);
        }
        let own: Vec<&QualityResult> = self.checks.iter().filter(|c| c.dataset == dataset.name).collect();
        if !own.is_empty() {
            let assertions: Vec<Value> = own.into_iter().map(assertion).collect();
            let assertions = facet("DataQualityAssertionsDatasetFacet", "1-1-0", json!({ "assertions": assertions }));
            facets.insert("dataQualityAssertions".to_owned(), assertions);
        }
        let mut output = json!({
            "namespace": self.database.0,
            "name": self.table("output", &dataset.table),
        });
        if let Some(version) = self.version {
            let number = json!({"datasetVersion": version.version.to_string()});
            facets.insert("version".to_owned(), facet("DatasetVersionDatasetFacet", "1-0-1", number));
            output["outputFacets"] = json!({"outputStatistics": self.statistics(version, dataset)});
        }
        output["facets"] = Value::Object(facets);
        output
    }

    fn statistics(&self, version: &Version, dataset: &Dataset) -> Value {
        let mut statistics = Map::new();
        if let Some(size) = version.datasets.iter().find(|d| d.dataset == dataset.name) {
            statistics.insert("rowCount".to_owned(), json!(size.rows));
        }
        let model = format!("{}.{}", Layer::Output.name(), dataset.table);
        let built = self.steps.iter().find(|s| s.kind == "model" && s.name == model);
        if let Some(bytes) = built.and_then(|step| step.bytes) {
            statistics.insert("size".to_owned(), json!(bytes));
        }
        facet("OutputStatisticsOutputDatasetFacet", "1-0-2", Value::Object(statistics))
    }

    /// What its columns are made from, as its model's SQL says: what a value is computed from, and, for the dataset, what
    /// decides which rows there are.
    fn columns(&self, dataset: &Dataset) -> Option<Value> {
        let model = self.product.models.iter().find(|m| m.layer == Layer::Output && m.name == dataset.table)?;
        let field = |from: &ColumnRef, kind: &str| {
            json!({
                "namespace": self.database.0,
                "name": self.table(from.table.layer.name(), &from.table.table),
                "field": from.column,
                "transformations": [{"type": kind}],
            })
        };
        let mut fields = Map::new();
        let mut rows: BTreeSet<&ColumnRef> = BTreeSet::new();
        for column in model.columns.iter().filter(|c| dataset.fields.iter().any(|f| f.column == c.name)) {
            let sources: Vec<Value> = column.direct.iter().map(|from| field(from, "DIRECT")).collect();
            fields.insert(column.name.clone(), json!({ "inputFields": sources }));
            rows.extend(&column.indirect);
        }
        let rows: Vec<Value> = rows.into_iter().map(|from| field(from, "INDIRECT")).collect();
        let known = !fields.is_empty();
        known.then(|| facet("ColumnLineageDatasetFacet", "1-2-0", json!({"fields": fields, "dataset": rows})))
    }
}

/// Namespace and name of a source: what serves it, and what it is called there.
fn split_place<'a>(place: &'a str, kind: &'a str) -> (&'a str, &'a str) {
    let host = place.find("://").map_or(0, |scheme| scheme + 3);
    match place[host..].find('/') {
        Some(path) if host > 0 => (&place[..host + path], place[host + path..].trim_start_matches('/')),
        _ if host > 0 => (place, "/"),
        _ => (kind, place),
    }
}

fn schema(dataset: &Dataset) -> Value {
    let fields: Vec<Value> = dataset.fields.iter().enumerate().map(|(i, f)| column(i, f)).collect();
    facet("SchemaDatasetFacet", "1-2-0", json!({ "fields": fields }))
}

fn column(index: usize, field: &Field) -> Value {
    let mut column = json!({"name": field.column, "type": field.physical.to_string(), "ordinal_position": index + 1});
    if let Some(description) = &field.description {
        column["description"] = json!(description);
    }
    column
}

fn assertion(check: &QualityResult) -> Value {
    let mut assertion = json!({
        "assertion": check.dimension.as_deref().unwrap_or("custom"),
        "success": check.status == "passed",
        "severity": severity(check),
        "name": check.rule,
        "expected": check.expected,
    });
    if let Some(field) = &check.field {
        assertion["column"] = json!(field);
    }
    assertion
}
