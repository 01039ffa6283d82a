//! Model checks: turns the text of a model that is not put in into what would come of it, as GraphQL objects.

use super::guard::{ADMIN, require};
use super::lineage::{LineageColumn, lineage};
use super::models::{PlannedStage, reads, refused_or_internal};
use async_graphql::{Context, Object, Result, SimpleObject};
use terrane_diagnostics::{Diagnostic, Severity};
use terrane_pipeline as pipeline;

/// What would come of a model.
#[derive(SimpleObject, Debug, Clone)]
pub struct ModelCheck {
    /// Whether it would be taken in.
    pub accepted: bool,
    /// What is wrong with it, or worth changing.
    pub diagnostics: Vec<ModelDiagnostic>,
    /// How Postgres would make its rows, as EXPLAIN writes it; null where it would be refused.
    pub plan: Option<String>,
    /// `table`, `view` or `incremental`; null where it can't be read.
    pub materialized: Option<String>,
    /// Tables that it reads, as `LAYER.TABLE`.
    pub reads: Vec<String>,
    /// Its columns, and what each is made from.
    pub columns: Vec<LineageColumn>,
    /// What the next run would do with each model if nothing else came in; empty where it would be refused.
    pub stages: Vec<PlannedStage>,
}

/// Something that is wrong with a model, or worth changing.
#[derive(SimpleObject, Debug, Clone)]
pub struct ModelDiagnostic {
    /// Stable code.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What it is.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The model that it is in: another one may no longer go with this one.
    pub file: Option<String>,
    /// Line, from 1, of the text without the space in front.
    pub line: Option<i32>,
    /// Column, from 1.
    pub column: Option<i32>,
}

impl From<Diagnostic> for ModelDiagnostic {
    fn from(found: Diagnostic) -> Self {
        let at = found.locations.into_iter().next();
        let int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            code: found.code.to_owned(),
            severity: if found.severity == Severity::Error { "error" } else { "warning" }.to_owned(),
            message: found.message,
            hint: found.hint,
            line: at.as_ref().map(|at| int(at.line)),
            column: at.as_ref().map(|at| int(at.column)),
            file: at.map(|at| at.source),
        }
    }
}

/// The query for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelCheckQuery;

#[Object]
impl ModelCheckQuery {
    /// Check a model as `putModel` does, without putting it in: what is wrong with it, how Postgres would make it, what its
    /// columns are made from, and what the next run would build. Nothing of it is run. For who may put it in.
    async fn check_model(&self, ctx: &Context<'_>, layer: String, name: String, sql: String) -> Result<ModelCheck> {
        let context = require(ctx, ADMIN)?;
        let found = context.service.pipeline().check_model((&layer, &name), &sql).await.map_err(refused_or_internal)?;
        let pipeline::ModelCheck { diagnostics, product, plan, stages } = found;
        let model =
            product.iter().flat_map(|product| &product.models).find(|m| m.name == name && m.layer.name() == layer);
        let node = format!("{layer}.{name}");
        let columns = product.iter().flat_map(|product| lineage(product).columns);
        Ok(ModelCheck {
            accepted: plan.is_some(),
            diagnostics: diagnostics.into_iter().map(ModelDiagnostic::from).collect(),
            plan,
            materialized: model.map(|model| model.materialization.word().to_owned()),
            reads: model.map(reads).unwrap_or_default(),
            columns: columns.filter(|column| column.node == node).collect(),
            stages: stages.into_iter().map(PlannedStage::from).collect(),
        })
    }
}
