//! Models and what was put in: turns the pipeline's models, plans and histories into GraphQL objects.

use super::guard::{internal, refused};
use crate::service::ProductService;
use async_graphql::{Error, Result, SimpleObject};
use chrono::{DateTime, Utc};
use terrane_manifest::Materialization;
use terrane_pipeline as pipeline;
use terrane_pipeline::PipelineError;
use terrane_store as store;
use terrane_store::StoreError;

/// A model as the next run has it.
#[derive(SimpleObject, Debug, Clone)]
pub struct ModelInfo {
    /// `abstraction` or `output`.
    pub layer: String,
    /// Its table.
    pub name: String,
    /// `table`, `view` or `incremental`.
    pub materialized: String,
    /// The key of an incremental model.
    pub key: Vec<String>,
    /// Tables that it reads, as `LAYER.TABLE`.
    pub reads: Vec<String>,
    /// Its SELECT.
    pub sql: String,
    /// Whether it was put in at run time, and is not the folder's.
    pub is_put: bool,
}

/// A model's text that was put in.
#[derive(SimpleObject, Debug, Clone)]
pub struct PutModel {
    /// Place in the history of all.
    pub position: i64,
    /// Its path, as in a product folder.
    pub path: String,
    /// Its text; none gave way to the folder's own.
    pub sql: Option<String>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

impl From<store::PutModel> for PutModel {
    fn from(put: store::PutModel) -> Self {
        Self { position: put.position, path: put.path, sql: put.sql, put_by: put.put_by, put_at: put.put_at }
    }
}

/// A quality rule that was put in.
#[derive(SimpleObject, Debug, Clone)]
pub struct PutQualityRule {
    /// Place in the history of all.
    pub position: i64,
    /// Its output dataset.
    pub dataset: String,
    /// Its field; none is the dataset.
    pub field: Option<String>,
    /// Its id.
    pub id: String,
    /// The rule; none gave way to the contract's own.
    pub rule: Option<serde_json::Value>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

impl From<store::PutRule> for PutQualityRule {
    fn from(put: store::PutRule) -> Self {
        Self {
            position: put.position,
            dataset: put.dataset,
            field: put.field,
            id: put.rule,
            rule: put.text.and_then(|text| serde_json::from_str(&text).ok()),
            put_by: put.put_by,
            put_at: put.put_at,
        }
    }
}

/// A stage of a run that is not run.
#[derive(SimpleObject, Debug, Clone)]
pub struct PlannedStage {
    /// `pull`, `model`, `check` or `publish`.
    pub kind: String,
    /// Port, model, dataset or product.
    pub name: String,
    /// `pull`, `build`, `build-if-changed`, `keep`, `check` or `publish`.
    pub action: String,
    /// Why, or of what.
    pub detail: String,
    /// Stages of one level don't wait for each other.
    pub level: i32,
}

impl From<pipeline::PlannedStage> for PlannedStage {
    fn from(stage: pipeline::PlannedStage) -> Self {
        Self {
            kind: stage.kind.word().to_owned(),
            name: stage.name,
            action: stage.action.to_owned(),
            detail: stage.detail,
            level: i32::try_from(stage.level).unwrap_or(i32::MAX),
        }
    }
}

/// The models as the next run has them.
pub async fn models(service: &ProductService) -> Result<Vec<ModelInfo>> {
    let product = service.pipeline().amended_product().await.map_err(refused_or_internal)?;
    let own = &service.product().models;
    let info = |model: &terrane_manifest::Model| ModelInfo {
        layer: model.layer.name().to_owned(),
        name: model.name.clone(),
        materialized: model.materialization.word().to_owned(),
        key: match &model.materialization {
            Materialization::Incremental { key } => key.clone(),
            _ => Vec::new(),
        },
        reads: reads(model),
        sql: model.sql.clone(),
        is_put: !own.iter().any(|folder| folder.file == model.file && folder.sql == model.sql),
    };
    Ok(product.models.iter().map(info).collect())
}

/// The tables that a model reads, as `LAYER.TABLE`.
pub fn reads(model: &terrane_manifest::Model) -> Vec<String> {
    model.depends_on.iter().map(|t| format!("{}.{}", t.layer.name(), t.table)).collect()
}

/// What is wrong with what was sent is told, the rest is ours.
pub fn refused_or_internal(error: PipelineError) -> Error {
    match &error {
        PipelineError::Put { .. } | PipelineError::Checks { .. } | PipelineError::Model { .. } => {
            refused(error.code(), &error)
        }
        PipelineError::Store(StoreError::InputBusy(_) | StoreError::RunInProgress(_)) => refused(error.code(), &error),
        _ => internal(error),
    }
}
