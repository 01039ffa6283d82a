//! Mutations of the standard ports: control input.

use super::guard::{ADMIN, INGEST, RUN, internal, refused, require_audited};
use super::ingest::{Ingest, IngestMode, IngestResult, Upload, ingest};
use super::records::{Run, Version};
use super::schedules::Schedule;
use crate::schedule::NEVER;
use async_graphql::{Context, Object, Result};
use chrono::Utc;
use serde_json::json;
use terrane_manifest::{Connector, parse_schedule};
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

    /// Take rows into an input dataset: of a file (any format that is taken, found out or by `contentType`), or as JSON
    /// objects. The same `idempotencyKey` twice is taken in once. Bad rows are refused or set aside as the contract says.
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn ingest(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        file: Option<Upload>,
        rows: Option<Vec<serde_json::Value>>,
        #[graphql(default_with = "IngestMode::Replace")] mode: IngestMode,
        content_type: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<IngestResult> {
        let context = require_audited(ctx, INGEST, "ingest", Some(json!({ "dataset": dataset }))).await?;
        ingest(context, Ingest { dataset, file, rows, mode, content_type, key: idempotency_key }).await
    }

    /// Pull an input port by another cron expression (five fields, UTC) than its descriptor's; `never` turns that off, null
    /// puts the descriptor's in force again.
    async fn set_schedule(&self, ctx: &Context<'_>, port: String, schedule: Option<String>) -> Result<Schedule> {
        let detail = json!({ "port": port, "schedule": schedule });
        let context = require_audited(ctx, ADMIN, "setSchedule", Some(detail)).await?;
        let found = context.service.product().input_ports.iter().find(|p| p.name == port);
        let found = found.filter(|p| p.connector != Connector::Push);
        let Some(found) = found else {
            return Err(refused("BAD_USER_INPUT", format!("there is no input port `{port}` that is pulled")));
        };
        if schedule.as_deref().is_some_and(|text| text != NEVER && parse_schedule(text).is_none()) {
            let message = "`schedule` is no cron expression; write five fields, `0 3 * * *`, or `never`";
            return Err(refused("BAD_USER_INPUT", message));
        }
        let (store, now, by) = (context.service.store(), Utc::now(), context.caller.subject.as_deref());
        store.set_schedule(&port, schedule.as_deref(), by, now).await.map_err(internal)?;
        let records = store.schedules().await.map_err(internal)?;
        Ok(super::schedules::schedule(found, records.iter().find(|r| r.port == port), now))
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
