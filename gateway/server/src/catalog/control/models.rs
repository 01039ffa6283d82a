//! Models: what a product says of its models, of a text that may become one, and of what a run would do; and other texts for them.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use super::super::description::LineageColumn;
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use super::CHANGE_LIMIT;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};

/// A model as the next run has it.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PutModel {
    /// Place in the history of all.
    pub position: i32,
    /// Its path, as in a product folder.
    pub path: String,
    /// Its text; none gave way to the folder's own.
    pub sql: Option<String>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: Timestamp,
}

/// A stage of a run that is not run.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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

/// What would come of a model.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Models {
    models: Vec<ModelInfo>,
}

#[derive(Debug, QueryVariables)]
struct HistoryVariables {
    layer: String,
    name: String,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "HistoryVariables")]
struct History {
    #[arguments(layer: $layer, name: $name, first: $first)]
    model_history: Vec<PutModel>,
}

#[derive(Debug, QueryVariables)]
struct PlanVariables {
    pull: bool,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "PlanVariables")]
struct Plan {
    #[arguments(pull: $pull)]
    pipeline_plan: Vec<PlannedStage>,
}

#[derive(Debug, QueryVariables)]
struct CheckVariables {
    layer: String,
    name: String,
    sql: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "CheckVariables")]
struct Check {
    #[arguments(layer: $layer, name: $name, sql: $sql)]
    check_model: ModelCheck,
}

#[derive(Debug, QueryVariables)]
struct PutVariables {
    layer: String,
    name: String,
    sql: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "PutVariables")]
struct Put {
    #[arguments(layer: $layer, name: $name, sql: $sql)]
    put_model: PutModel,
}

impl Asked<'_> {
    /// The models that the next run has.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn models(self) -> Result<Vec<ModelInfo>, ClientError> {
        let data: Models = ask(self.source, self.caller, &Models::build(()), READ_LIMIT).await?;
        Ok(data.models)
    }

    /// The texts of a model that were put in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn model_history(self, layer: String, name: String, first: i32) -> Result<Vec<PutModel>, ClientError> {
        let operation = History::build(HistoryVariables { layer, name, first });
        let data: History = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(data.model_history)
    }

    /// What a run would do.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pipeline_plan(self, pull: bool) -> Result<Vec<PlannedStage>, ClientError> {
        let data: Plan = ask(self.source, self.caller, &Plan::build(PlanVariables { pull }), CHANGE_LIMIT).await?;
        Ok(data.pipeline_plan)
    }

    /// What would come of a model.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn check_model(self, layer: String, name: String, sql: String) -> Result<ModelCheck, ClientError> {
        let operation = Check::build(CheckVariables { layer, name, sql });
        let data: Check = ask(self.source, self.caller, &operation, CHANGE_LIMIT).await?;
        Ok(data.check_model)
    }

    /// Put in a model, or take it back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put_model(self, layer: String, name: String, sql: Option<String>) -> Result<PutModel, ClientError> {
        let operation = Put::build(PutVariables { layer, name, sql });
        let data: Put = ask(self.source, self.caller, &operation, CHANGE_LIMIT).await?;
        Ok(data.put_model)
    }
}

/// Queries about models.
#[derive(Debug, Default)]
pub struct ModelsQuery;

#[Object]
impl ModelsQuery {
    /// The models that the next run of a product has, in an order in which each reads only earlier ones; for who may see its
    /// runs.
    async fn models(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<ModelInfo>> {
        asked(ctx, &product)?.models().await.map_err(refused)
    }

    /// The texts of a product's model that were put in at run time, the newest first.
    async fn model_history(
        &self,
        ctx: &Context<'_>,
        product: ID,
        layer: String,
        name: String,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<PutModel>> {
        asked(ctx, &product)?.model_history(layer, name, first).await.map_err(refused)
    }

    /// What a run of a product would do, stage by stage, without doing it.
    async fn pipeline_plan(
        &self,
        ctx: &Context<'_>,
        product: ID,
        #[graphql(default = true)] pull: bool,
    ) -> Result<Vec<PlannedStage>> {
        asked(ctx, &product)?.pipeline_plan(pull).await.map_err(refused)
    }

    /// Check a model of a product as `putModel` does, without putting it in and without running any of it; for who may put it
    /// in.
    async fn check_model(
        &self,
        ctx: &Context<'_>,
        product: ID,
        layer: String,
        name: String,
        sql: String,
    ) -> Result<ModelCheck> {
        asked(ctx, &product)?.check_model(layer, name, sql).await.map_err(refused)
    }
}

/// The mutation of models.
#[derive(Debug, Default)]
pub struct ModelsMutation;

#[Object]
impl ModelsMutation {
    /// Put in a model of a product: one SELECT, which the next run has. Without `sql`, the folder's own is back. The product
    /// decides whether you may.
    async fn put_model(
        &self,
        ctx: &Context<'_>,
        product: ID,
        layer: String,
        name: String,
        sql: Option<String>,
    ) -> Result<PutModel> {
        asked(ctx, &product)?.put_model(layer, name, sql).await.map_err(refused)
    }
}
