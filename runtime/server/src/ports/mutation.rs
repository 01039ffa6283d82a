//! Mutations of the standard ports: control input.

use super::guard::{ADMIN, RUN, internal, refused, require_audited};
use super::records::{Run, Version};
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
