//! What was noticed: turns what a pull found odd at its source into quality results of the run.

use terrane_ingest::Pulled;
use terrane_manifest::InputPort;
use terrane_store::QualityResult;
use uuid::Uuid;

/// The rule that a source's columns are those of the input contract.
pub const SOURCE_SCHEMA: &str = "source-schema";
/// The rule that all rows of a source are as the input contract says.
pub const BAD_ROWS: &str = "source-rows";

/// Results that failed, without values of rows. They flag a run and stop none: what may stop it has failed the pull.
pub fn noticed(run: Uuid, port: &InputPort, pulled: &Pulled) -> Vec<QualityResult> {
    let Pulled::Taken(taken) = pulled else { return Vec::new() };
    let result = |rule: &str, dimension: &str, expected: &str, measured: String| QualityResult {
        run_id: run,
        rule: format!("{rule}-{}", port.name),
        dataset: port.dataset.clone(),
        field: None,
        severity: "warning".to_owned(),
        dimension: Some(dimension.to_owned()),
        status: "failed".to_owned(),
        expected: expected.to_owned(),
        measured,
        sample: serde_json::json!([]),
    };
    let mut results = Vec::new();
    if !taken.drift.is_empty() {
        let drift: Vec<String> = taken.drift.iter().take(20).map(terrane_ingest::Drift::describe).collect();
        results.push(result(SOURCE_SCHEMA, "conformity", "the columns of the contract", drift.join("; ")));
    }
    if taken.batch.rejected > 0 {
        results.push(result(BAD_ROWS, "conformity", "no bad rows", format!("{} bad rows", taken.batch.rejected)));
    }
    results
}
