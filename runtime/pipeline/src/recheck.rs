//! Re-checks: turns what is published and the rules that hold now into results between runs.

use crate::PipelineError;
use crate::check::{Place, checks, measure, references, seconds};
use crate::run::Pipeline;
use chrono::Utc;
use std::collections::BTreeSet;
use terrane_manifest::{Dataset, Product};
use terrane_store::{QualityResult, StoreError, Version};
use uuid::Uuid;

/// A rule that is to be checked again by itself, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRule {
    /// Its output dataset.
    pub dataset: String,
    /// Its id.
    pub rule: String,
    /// Cron expression of five fields, UTC.
    pub schedule: String,
}

impl Pipeline {
    /// The rules that have a schedule of their own.
    ///
    /// # Errors
    /// As those of a run.
    pub async fn scheduled_rules(&self) -> Result<Vec<ScheduledRule>, PipelineError> {
        let product = self.amended_product().await?;
        let of = |dataset: &Dataset| {
            let name = dataset.name.clone();
            let scheduled = dataset.quality.iter().filter_map(|rule| Some((rule, rule.schedule.clone()?)));
            let rules = scheduled.map(move |(rule, schedule)| ScheduledRule {
                dataset: name.clone(),
                rule: rule.id.clone(),
                schedule,
            });
            rules.collect::<Vec<_>>()
        };
        Ok(product.outputs().flat_map(of).collect())
    }

    /// Check what is published again: all rules of all datasets, or those of `wanted` (dataset and rule). What is found
    /// is kept, and changes nothing of what is published. Nothing is checked where nothing is published.
    ///
    /// # Errors
    /// [`PipelineError::Checks`] where a rule cannot be measured; [`PipelineError::Store`].
    pub async fn recheck(
        &self,
        wanted: Option<&BTreeSet<(String, String)>>,
    ) -> Result<Vec<QualityResult>, PipelineError> {
        let Some(version) = self.store.current_version().await? else { return Ok(Vec::new()) };
        let product = self.amended_product().await?;
        let mut connection =
            self.store.pipeline().acquire().await.map_err(StoreError::on("connect as the pipeline"))?;
        let mut results = Vec::new();
        for dataset in product.outputs() {
            let is_wanted =
                |rule: &str| wanted.is_none_or(|wanted| wanted.contains(&(dataset.name.clone(), rule.to_owned())));
            if wanted.is_some_and(|wanted| !wanted.iter().any(|(of, _)| *of == dataset.name)) {
                continue;
            }
            let mut all = checks(&product, dataset, &Place::published());
            let across = references(&mut connection, dataset, &self.upstreams, &Place::published()).await?;
            all.extend(across.into_iter().filter_map(Result::ok));
            if let Some(result) = frequency(&product, dataset, &version).filter(|result| is_wanted(&result.rule)) {
                self.store.keep_recheck(version.version, &result).await?;
                results.push(result);
            }
            for check in all.into_iter().filter(|check| is_wanted(&check.rule)) {
                let outcome = measure(&mut connection, &check, Uuid::nil()).await?;
                self.store.keep_recheck(version.version, &outcome.result).await?;
                results.push(outcome.result);
            }
        }
        Ok(results)
    }
}

/// How often a new version is promised, against the age of the current one.
fn frequency(product: &Product, dataset: &Dataset, version: &Version) -> Option<QualityResult> {
    let promised = product.contract_of(dataset)?.sla.iter().find(|sla| sla.property == "frequency")?;
    let (most, age) = (seconds(promised)?, (Utc::now() - version.published_at).num_seconds());
    Some(QualityResult {
        run_id: Uuid::nil(),
        rule: format!("{}.sla.frequency", dataset.name),
        dataset: dataset.name.clone(),
        field: None,
        severity: "warning".to_owned(),
        dimension: Some("timeliness".to_owned()),
        status: if age as f64 <= most { "passed" } else { "failed" }.to_owned(),
        expected: format!("≤ {most:.0}"),
        measured: age.to_string(),
        sample: serde_json::Value::Array(Vec::new()),
    })
}
