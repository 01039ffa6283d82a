//! Mutations of the standard ports: control input.

use super::access::{self, ACCESS_ADMIN, AccessGrant, AccessRequest, Ask};
use super::guard::{ADMIN, DISCOVER, INGEST, RUN, internal, refused, require_as_everybody, require_audited};
use super::ingest::{Ingest, IngestMode, IngestResult, Upload, ingest};
use super::models::{PutModel, PutQualityRule, refused_or_internal};
use super::quality::visible;
use super::records::{QualityResult, Run, Version};
use super::schedules::Schedule;
use crate::schedule::NEVER;
use async_graphql::{Context, Object, Result};
use chrono::Utc;
use serde_json::json;
use terrane_manifest::parse_schedule;
use terrane_pipeline::{PipelineError, RunRequest};
use terrane_store::{RunTrigger, StoreError};
use uuid::Uuid;

/// The standard ports' mutations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation;

#[Object(name = "PortsMutation")]
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
        let found = found.filter(|p| p.connector.is_pulled());
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

    /// Ask for a role of this product, or to read some of its fields (`dataset.field`), for a purpose and a time (`8h`, `30d`).
    /// The approvers that the contract names decide; where it says `auto`, it is granted at once. `subject` is a product that
    /// shall read this one, `product:NAME`; without it, you ask for yourself.
    async fn request_access(
        &self,
        ctx: &Context<'_>,
        role: Option<String>,
        fields: Option<Vec<String>>,
        subject: Option<String>,
        purpose: String,
        duration: String,
    ) -> Result<AccessRequest> {
        access::request(require_as_everybody(ctx, DISCOVER)?, Ask { role, fields, subject, purpose, duration }).await
    }

    /// Approve the level that a request waits for, as one of its approvers. After the last level, access is granted and holds
    /// at once. Nobody approves what he asked for, or two levels of one request.
    async fn approve_access(&self, ctx: &Context<'_>, id: String, reason: Option<String>) -> Result<AccessRequest> {
        access::decide(require_as_everybody(ctx, DISCOVER)?, &id, true, reason.as_deref()).await
    }

    /// Deny a request, as an approver of the level that it waits for; or take back your own.
    async fn deny_access(&self, ctx: &Context<'_>, id: String, reason: String) -> Result<AccessRequest> {
        access::decide(require_as_everybody(ctx, DISCOVER)?, &id, false, Some(&reason)).await
    }

    /// End what was granted on a request, as one of its approvers, as the owner, or as who has it. It holds no longer at once.
    async fn revoke_access(&self, ctx: &Context<'_>, id: String, reason: String) -> Result<AccessGrant> {
        access::revoke(require_as_everybody(ctx, DISCOVER)?, &id, true, &reason).await
    }

    /// Grant a role or fields to somebody else, without a request.
    async fn grant(
        &self,
        ctx: &Context<'_>,
        subject: String,
        role: Option<String>,
        fields: Option<Vec<String>>,
        purpose: String,
        duration: String,
    ) -> Result<AccessGrant> {
        let detail =
            json!({ "subject": subject, "role": role, "fields": fields, "purpose": purpose, "duration": duration });
        let context = require_audited(ctx, ACCESS_ADMIN, "grant", Some(detail)).await?;
        access::grant(context, Ask { role, fields, subject: Some(subject), purpose, duration }).await
    }

    /// End a grant, by the grant's id. It holds no longer at once.
    async fn revoke(&self, ctx: &Context<'_>, id: String, reason: String) -> Result<AccessGrant> {
        let detail = json!({ "grant": id, "reason": reason });
        let context = require_audited(ctx, ACCESS_ADMIN, "revoke", Some(detail)).await?;
        access::revoke(context, &id, false, &reason).await
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
