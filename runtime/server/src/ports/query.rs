//! Queries of the standard ports: discovery, control output, and reading rows the same way from every product.

use super::describe::describe;
use super::guard::{DISCOVER, OBSERVE, internal, refused, require};
use super::lineage::lineage;
use super::product::{LineageInfo, ProductDescription};
use super::quality::visible;
use super::records::{AuditEntry, QualityResult, RowPage, Run, Version};
use crate::as_of;
use async_graphql::{Context, Object, Result};
use uuid::Uuid;

/// Rows of one page of [`Query::rows`] at most.
const LARGEST_PAGE: i32 = 1000;
/// Entries of a list of records at most.
const LONGEST_LIST: i32 = 500;

/// The standard ports' queries.
#[derive(Debug, Clone, Copy)]
pub struct Query;

#[Object]
impl Query {
    /// What this product is: owner, agreements, ports, data dictionary, lineage, quality, freshness.
    async fn product(&self, ctx: &Context<'_>) -> Result<ProductDescription> {
        let context = require(ctx, DISCOVER)?;
        let service = &context.service;
        let version = service.store().current_version().await.map_err(internal)?.map(Version::from);
        let quality = service.store().quality_results(None).await.map_err(internal)?;
        let quality = visible(service.product(), &context.access, quality);
        Ok(describe(service.product(), service.schema().sdl(), &context.access, version, quality))
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
        Ok(visible(context.service.product(), &context.access, wanted.collect()))
    }

    /// The newest entries of the audit log.
    async fn audit_log(&self, ctx: &Context<'_>, #[graphql(default = 50)] first: i32) -> Result<Vec<AuditEntry>> {
        let context = require(ctx, OBSERVE)?;
        let entries = context.service.store().audit_log(bounded(first)?).await.map_err(internal)?;
        Ok(entries.into_iter().map(AuditEntry::from).collect())
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
        let (nodes, edges) = lineage(context.service.product());
        Ok(LineageInfo { nodes, edges })
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
