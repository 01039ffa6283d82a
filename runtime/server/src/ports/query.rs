//! Queries of the standard ports: discovery, control output, and reading rows the same way from every product.

use super::access::{self, AccessGrant, AccessRequest, AccessRole};
use super::audit::{self, AUDIT, AuditEntry, AuditLogFilter, AuditVerification, Usage};
use super::describe::describe;
use super::guard::{DISCOVER, OBSERVE, internal, refused, require, require_as_everybody};
use super::levels::ServiceLevel;
use super::lineage::lineage;
use super::models::{ModelInfo, PlannedStage, PutModel, PutQualityRule, models, refused_or_internal};
use super::product::{LineageInfo, ProductDescription};
use super::quality::{visible, visible_past};
use super::records::{PastQualityResult, QualityResult, RowPage, Run, Version};
use super::rejects::Reject;
use super::said::{ContractRevision, MetadataMatch, QualityPoint, revisions};
use super::schedules::{Schedule, schedules};
use crate::as_of;
use async_graphql::{Context, Object, Result};
use chrono::Utc;
use uuid::Uuid;

/// Rows of one page of [`Query::rows`] at most.
const LARGEST_PAGE: i32 = 1000;
/// Entries of a list of records at most.
const LONGEST_LIST: i32 = 500;
/// Characters of a search at most.
const LONGEST_SEARCH: usize = 500;
/// Revisions of contracts at most: each is read and compared with the one before.
const MOST_REVISIONS: i64 = 50;

/// The standard ports' queries.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query;

#[Object(name = "PortsQuery")]
impl Query {
    /// What this product is: owner, agreements, ports, data dictionary, lineage, quality, freshness.
    async fn product(&self, ctx: &Context<'_>) -> Result<ProductDescription> {
        let context = require(ctx, DISCOVER)?;
        let service = &context.service;
        let version = service.store().current_version().await.map_err(internal)?.map(Version::from);
        let quality = service.store().quality_results(None).await.map_err(internal)?;
        let product = service.amended().await;
        let quality = visible(&product, &context.access, quality);
        let schema = service.schema();
        let said = (schema.sdl(), service.access_state());
        let levels = service.service_levels().await.map_err(internal)?;
        Ok(describe(&product, said, &context.access, version, (quality, &levels)))
    }

    /// The newest runs of the pipeline.
    async fn runs(&self, ctx: &Context<'_>, #[graphql(default = 20)] first: i32) -> Result<Vec<Run>> {
        let context = require(ctx, OBSERVE)?;
        let runs = context.service.store().runs(bounded(first)?).await.map_err(internal)?;
        Ok(runs.into_iter().map(Run::from).collect())
    }

    /// One run.
    async fn run(&self, ctx: &Context<'_>, id: String) -> Result<Option<Run>> {
        let context = require(ctx, OBSERVE)?;
        let id: Uuid = id.parse().map_err(|_| refused("BAD_USER_INPUT", "`id` is no UUID"))?;
        Ok(context.service.store().run(id).await.map_err(internal)?.map(Run::from))
    }

    /// Published versions, newest first.
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<Version>> {
        let context = require(ctx, OBSERVE)?;
        let versions = context.service.store().versions().await.map_err(internal)?;
        Ok(versions.into_iter().map(Version::from).collect())
    }

    /// What the checks of the newest run found.
    async fn quality_results(&self, ctx: &Context<'_>, dataset: Option<String>) -> Result<Vec<QualityResult>> {
        let context = require(ctx, DISCOVER)?;
        let results = context.service.store().quality_results(None).await.map_err(internal)?;
        let wanted = results.into_iter().filter(|r| dataset.as_deref().is_none_or(|d| d == r.dataset));
        let product = context.service.amended().await;
        Ok(visible(&product, &context.access, wanted.collect()))
    }

    /// What was found of a dataset's rules, or of one of them, over time, the newest first: by runs, and between them.
    async fn quality_history(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        rule: Option<String>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<PastQualityResult>> {
        let context = require(ctx, DISCOVER)?;
        let limit = bounded(first)?;
        let past = context.service.store().quality_history(&dataset, rule.as_deref(), limit).await;
        let product = context.service.amended().await;
        Ok(visible_past(&product, &context.access, past.map_err(internal)?))
    }

    /// What the checks of the newest runs found, in numbers, the newest first.
    async fn quality_trend(&self, ctx: &Context<'_>, #[graphql(default = 30)] first: i32) -> Result<Vec<QualityPoint>> {
        let context = require(ctx, DISCOVER)?;
        let trend = context.service.store().quality_trend(bounded(first)?).await.map_err(internal)?;
        Ok(trend.into_iter().map(QualityPoint::from).collect())
    }

    /// What is said of this product that has the words of `text`, the best first; empty where a word of it is nowhere, and
    /// is like no word that is. Accents and capitals don't count, and a word is also found mistyped, by its forms and by its
    /// beginning.
    async fn search_metadata(
        &self,
        ctx: &Context<'_>,
        text: String,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<MetadataMatch>> {
        let context = require(ctx, DISCOVER)?;
        let limit = usize::try_from(bounded(first)?).unwrap_or_default();
        if text.chars().count() > LONGEST_SEARCH {
            return Err(refused("BAD_USER_INPUT", format!("`text` is longer than {LONGEST_SEARCH} characters")));
        }
        let found = context.service.store().search_texts(&text, limit).await.map_err(internal)?;
        Ok(found.into_iter().map(MetadataMatch::from).collect())
    }

    /// When which contracts came into force, and what changed by it, the newest first.
    async fn contract_revisions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<ContractRevision>> {
        let context = require(ctx, DISCOVER)?;
        let first = bounded(first)?;
        if first > MOST_REVISIONS {
            return Err(refused("BAD_USER_INPUT", format!("`first` is {first}; it goes from 1 to {MOST_REVISIONS}")));
        }
        revisions(context, first).await
    }

    /// The forms of a quality rule that were put in at run time, the newest first.
    async fn quality_rule_history(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        id: String,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<PutQualityRule>> {
        let context = require(ctx, OBSERVE)?;
        let history = context.service.store().rule_history(&dataset, &id, bounded(first)?).await.map_err(internal)?;
        Ok(history.into_iter().map(PutQualityRule::from).collect())
    }

    /// The models that the next run has, in an order in which each reads only earlier ones.
    async fn models(&self, ctx: &Context<'_>) -> Result<Vec<ModelInfo>> {
        let context = require(ctx, OBSERVE)?;
        models(&context.service).await
    }

    /// The texts of a model that were put in at run time, the newest first.
    async fn model_history(
        &self,
        ctx: &Context<'_>,
        layer: String,
        name: String,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<PutModel>> {
        let context = require(ctx, OBSERVE)?;
        let path = format!("models/{layer}/{name}.sql");
        let history = context.service.store().model_history(&path, bounded(first)?).await.map_err(internal)?;
        Ok(history.into_iter().map(PutModel::from).collect())
    }

    /// What a run would do, stage by stage, without doing it.
    async fn pipeline_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = true)] pull: bool,
    ) -> Result<Vec<PlannedStage>> {
        let context = require(ctx, OBSERVE)?;
        let stages = context.service.explain(pull).await;
        Ok(stages.map_err(refused_or_internal)?.into_iter().map(PlannedStage::from).collect())
    }

    /// The newest rows that were not taken in, of one batch or input dataset where named: where they were and what is
    /// wrong with them. A value is null where you may not read its field (`input.DATASET.FIELD`).
    async fn rejects(
        &self,
        ctx: &Context<'_>,
        batch: Option<String>,
        dataset: Option<String>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<Reject>> {
        let context = require(ctx, OBSERVE)?;
        let batch = batch.map(|b| b.parse::<Uuid>().map_err(|_| refused("BAD_USER_INPUT", "`batch` is no UUID")));
        let (batch, first) = (batch.transpose()?, bounded(first)?);
        let rejects = context.service.store().rejects(batch, dataset.as_deref(), first).await.map_err(internal)?;
        Ok(rejects.into_iter().map(|r| Reject::shown(r, context)).collect())
    }

    /// When each input port is pulled.
    async fn schedules(&self, ctx: &Context<'_>) -> Result<Vec<Schedule>> {
        let context = require(ctx, OBSERVE)?;
        let records = context.service.store().schedules().await.map_err(internal)?;
        Ok(schedules(context.service.product(), &records, Utc::now()))
    }

    /// Who did what with this product, the newest first: accesses and changes, allowed or not. `before` is the position of the
    /// last entry that was seen. For who may read `port:audit`.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditLogFilter>,
        before: Option<i64>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AuditEntry>> {
        audit::audit_log(require(ctx, AUDIT)?, filter, before, first).await
    }

    /// Whether the audit log is as it was written: every entry is looked at. `position` and `hash` are what an earlier answer
    /// gave, and was kept elsewhere. For who may read `port:audit`.
    async fn audit_verification(
        &self,
        ctx: &Context<'_>,
        position: Option<i64>,
        hash: Option<String>,
    ) -> Result<AuditVerification> {
        audit::verify(require(ctx, AUDIT)?, position, hash).await
    }

    /// What was used of this product and by whom, over the last `days`, today included (UTC). For who may read `port:audit`.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 30)] days: i32,
        dataset: Option<String>,
        consumer: Option<String>,
    ) -> Result<Usage> {
        audit::usage(require(ctx, AUDIT)?, days, dataset, consumer).await
    }

    /// How the service levels that its contracts promise are kept: availability, errors and times by the requests for data of
    /// 30 days, age by runs and by the newest values.
    async fn service_levels(&self, ctx: &Context<'_>) -> Result<Vec<ServiceLevel>> {
        let context = require(ctx, DISCOVER)?;
        let levels = context.service.service_levels_now().await.map_err(internal)?;
        Ok(levels.iter().map(ServiceLevel::from).collect())
    }

    /// The roles of this product that can be asked for, and who approves them.
    async fn access_roles(&self, ctx: &Context<'_>) -> Result<Vec<AccessRole>> {
        Ok(access::roles(require_as_everybody(ctx, DISCOVER)?))
    }

    /// The newest access requests: yours, those that you approve, and everybody's where you may read `port:access`. By `id`
    /// one of them; by `state` (`pending`, `granted`, `denied`, `withdrawn`); `waiting`: those that you can approve now.
    async fn access_requests(
        &self,
        ctx: &Context<'_>,
        id: Option<String>,
        state: Option<String>,
        #[graphql(default)] waiting: bool,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AccessRequest>> {
        let context = require_as_everybody(ctx, DISCOVER)?;
        access::requests(context, id.as_deref(), state.as_deref(), waiting, first).await
    }

    /// The newest grants: yours, those that you approved or might have, and everybody's where you may read `port:access`; where
    /// `active`, those in force.
    async fn grants(
        &self,
        ctx: &Context<'_>,
        subject: Option<String>,
        #[graphql(default = true)] active: bool,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<AccessGrant>> {
        access::grants(require_as_everybody(ctx, DISCOVER)?, subject.as_deref(), active, first).await
    }

    /// The newest lineage events of runs, of one or of all, by the OpenLineage standard.
    async fn lineage_events(
        &self,
        ctx: &Context<'_>,
        run: Option<String>,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<serde_json::Value>> {
        let context = require(ctx, OBSERVE)?;
        let run: Option<Uuid> = match run {
            Some(id) => Some(id.parse().map_err(|_| refused("BAD_USER_INPUT", "`run` is no UUID"))?),
            None => None,
        };
        let events = context.service.store().lineage_events(run, bounded(first)?).await.map_err(internal)?;
        Ok(events.into_iter().map(|e| e.event).collect())
    }

    /// What is made from what.
    async fn lineage(&self, ctx: &Context<'_>) -> Result<LineageInfo> {
        let context = require(ctx, DISCOVER)?;
        Ok(lineage(context.service.product()))
    }

    /// A page of an output dataset's rows, by the contract's names: how composite products and tools read any product.
    /// The same policy holds as for the dataset's own GraphQL fields. `asOf` is the number of a kept version, or a moment.
    async fn rows(
        &self,
        ctx: &Context<'_>,
        dataset: String,
        columns: Option<Vec<String>>,
        #[graphql(default = 500)] first: i32,
        after: Option<String>,
        as_of: Option<String>,
    ) -> Result<RowPage> {
        let context = require(ctx, DISCOVER)?;
        if !(1..=LARGEST_PAGE).contains(&first) {
            return Err(refused("BAD_USER_INPUT", format!("`first` is {first}; it goes from 1 to {LARGEST_PAGE}")));
        }
        let as_of = as_of.map(|text| as_of::parse(&text)).transpose().map_err(|e| refused("BAD_USER_INPUT", e))?;
        crate::rows::page(context, &dataset, columns.as_deref(), first, after.as_deref(), as_of).await
    }
}

pub(super) fn bounded(first: i32) -> Result<i64> {
    if (1..=LONGEST_LIST).contains(&first) {
        return Ok(i64::from(first));
    }
    Err(refused("BAD_USER_INPUT", format!("`first` is {first}; it goes from 1 to {LONGEST_LIST}")))
}
