//! Mutations of the standard ports: control input.

use super::guard::{ADMIN, RUN, internal, refused, require_audited};
use super::models::{PutModel, PutQualityRule, refused_or_internal};
use super::quality::visible;
use super::records::{QualityResult, Run, Version};
use async_graphql::{Context, Object, Result};
use serde_json::json;
use terrane_pipeline::{PipelineError, RunRequest};
use terrane_store::{RunTrigger, StoreError};
use terrane_telemetry::along;

/// The standard ports' mutations.
#[derive(Debug, Clone, Copy)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Run the pipeline: pull the inputs (unless `pull` is false), build the models, check the result, publish it.
    /// Returns when the run has ended; a failed run is returned with its cause.
    async fn run_pipeline(&self, ctx: &Context<'_>, #[graphql(default = true)] pull: bool) -> Result<Run> {
        let context = require_audited(ctx, RUN, "runPipeline", Some(json!({ "pull": pull }))).await?;
        let request = RunRequest { trigger: RunTrigger::Manual, by: context.caller.subject.clone(), pull };
        let service = context.service.clone();
        // a client that goes away does not stop the run
        let run = tokio::spawn(along::with(along::current(), async move { service.run(&request).await }))
            .await
            .map_err(internal)?;
        match run {
            Ok(run) => Ok(Run::from(run)),
            Err(error @ PipelineError::Store(StoreError::RunInProgress(_))) => Err(refused(error.code(), &error)),
            Err(error) => Err(internal(error)),
        }
    }

    /// Put in a model (`layer` is `abstraction` or `output`): one SELECT, which the next run has in place of the folder's own
    /// of that name, or beside the others. It is checked, and planned by the database as the role that models run as,
    /// before it is taken. Without `sql`, the folder's own is back.
    async fn put_model(&self, ctx: &Context<'_>, layer: String, name: String, sql: Option<String>) -> Result<PutModel> {
        let detail = json!({ "layer": layer, "name": name, "bytes": sql.as_ref().map(String::len) });
        let context = require_audited(ctx, ADMIN, "putModel", Some(detail)).await?;
        let by = context.caller.subject.as_deref();
        let put = context.service.pipeline().put_model((&layer, &name), sql.as_deref(), by).await;
        Ok(PutModel::from(put.map_err(refused_or_internal)?))
    }

    /// Put in a quality rule of an output dataset, or of a field of it, as the contract standard writes it: the next run
    /// checks it in place of the contract's of that id, or beside the others. Without `rule`, the contract's own is back.
    async fn put_quality_rule(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        id: String,
        field: Option<String>,
        rule: Option<serde_json::Value>,
    ) -> Result<PutQualityRule> {
        let detail = json!({ "dataset": dataset, "id": id, "field": field, "rule": rule });
        let context = require_audited(ctx, ADMIN, "putQualityRule", Some(detail)).await?;
        let (text, by) = (rule.as_ref().map(serde_json::Value::to_string), context.caller.subject.as_deref());
        let pipeline = context.service.pipeline();
        let put = pipeline.put_rule((&dataset, field.as_deref()), &id, text.as_deref(), by).await;
        Ok(PutQualityRule::from(put.map_err(refused_or_internal)?))
    }

    /// Check what is published again, by the rules that hold now. What is found is kept; nothing else changes.
    async fn recheck_quality(&self, ctx: &Context<'_>) -> Result<Vec<QualityResult>> {
        let context = require_audited(ctx, RUN, "recheckQuality", None).await?;
        let results = context.service.pipeline().recheck(None).await.map_err(refused_or_internal)?;
        let product = context.service.amended().await;
        Ok(visible(&product, &context.access, results))
    }

    /// Make a kept version the one that readers see.
    async fn rollback(&self, ctx: &Context<'_>, version: i64) -> Result<Version> {
        let context = require_audited(ctx, ADMIN, "rollback", Some(json!({ "version": version }))).await?;
        match context.service.rollback(version).await {
            Ok(version) => Ok(Version::from(version)),
            Err(error @ StoreError::NoSuchVersion(_)) => Err(refused(error.code(), &error)),
            Err(error) => Err(internal(error)),
        }
    }
}
