//! Mutations of the standard ports: control input.

use super::guard::{ADMIN, RUN, internal, refused, require_audited};
use super::records::{Run, Version};
use async_graphql::{Context, Object, Result};
use serde_json::json;
use terrane_pipeline::{PipelineError, RunRequest};
use terrane_store::{RunTrigger, StoreError};
use uuid::Uuid;

/// The standard ports' mutations.
#[derive(Debug, Clone, Copy)]
pub struct Mutation;

#[Object]
impl Mutation {
    /// Run the pipeline: pull the inputs (unless `pull` is false), build the models, check the result, publish it. A run
    /// waits for its turn where another one is under way. Returns when the run has ended, or, where `wait` is false, as
    /// soon as it is in the queue; a failed run is returned with its cause.
    async fn run_pipeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = true)] pull: bool,
        #[graphql(default = true)] wait: bool,
    ) -> Result<Run> {
        let context = require_audited(ctx, RUN, "runPipeline", Some(json!({ "pull": pull }))).await?;
        let request = RunRequest { trigger: RunTrigger::Manual, by: context.caller.subject.clone(), pull };
        let run = if wait { context.service.run(&request).await } else { context.service.queue(&request).await };
        match run {
            Ok(run) => Ok(Run::from(run)),
            Err(error @ PipelineError::Store(StoreError::RunInProgress(_))) => Err(refused(error.code(), &error)),
            Err(error) => Err(internal(error)),
        }
    }

    /// Cancel a run: one that waits does not begin, one under way stops and publishes nothing. One that has published
    /// already stays published.
    async fn cancel_run(&self, ctx: &Context<'_>, id: String) -> Result<Run> {
        let context = require_audited(ctx, RUN, "cancelRun", Some(json!({ "run": id }))).await?;
        let id: Uuid = id.parse().map_err(|_| refused("BAD_USER_INPUT", "`id` is no UUID"))?;
        match context.service.cancel(id, context.caller.subject.as_deref()).await {
            Ok(run) => Ok(Run::from(run)),
            Err(error @ (StoreError::NoSuchRun(_) | StoreError::RunEnded(_))) => Err(refused(error.code(), &error)),
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
