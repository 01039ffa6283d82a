//! Quality: what a product says of its quality rules and of what was found by them, and other rules for it.

use super::super::access::Asked;
use super::super::client::{ClientError, READ_LIMIT, ask, schema};
use super::super::description::QualityResult;
use super::super::schema::{asked, refused};
use super::super::timestamp::Timestamp;
use super::CHANGE_LIMIT;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};
use serde_json::Value;
use std::time::Duration;

/// A check looks at whole tables.
const RECHECK_LIMIT: Duration = Duration::from_secs(600);

/// A quality rule as it holds.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct QualityRuleForm {
    /// Its output dataset.
    pub dataset: String,
    /// Its field; null is the dataset.
    pub field: Option<String>,
    /// Its id.
    pub id: String,
    /// The rule, as the contract standard writes it.
    pub rule: Value,
    /// Whether it was put in at run time, and is not the contract's.
    pub is_put: bool,
}

/// A quality rule that was put in.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PutQualityRule {
    /// Place in the history of all.
    pub position: i32,
    /// Its output dataset.
    pub dataset: String,
    /// Its field; none is the dataset.
    pub field: Option<String>,
    /// Its id.
    pub id: String,
    /// The rule; none gave way to the contract's own.
    pub rule: Option<Value>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: Timestamp,
}

/// What a check found at some time.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct PastQualityResult {
    /// When.
    pub at: Timestamp,
    /// The run that checked; none where it was checked between runs.
    pub run_id: Option<String>,
    /// The version that was checked; none where the run published none.
    pub version: Option<i32>,
    /// What was found.
    pub result: QualityResult,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Rules {
    quality_rules: Vec<QualityRuleForm>,
}

#[derive(Debug, QueryVariables)]
struct HistoryVariables {
    dataset: String,
    rule: Option<String>,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "HistoryVariables")]
struct History {
    #[arguments(dataset: $dataset, rule: $rule, first: $first)]
    quality_history: Vec<PastQualityResult>,
}

#[derive(Debug, QueryVariables)]
struct RuleHistoryVariables {
    dataset: String,
    id: String,
    first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "RuleHistoryVariables")]
struct RuleHistory {
    #[arguments(dataset: $dataset, id: $id, first: $first)]
    quality_rule_history: Vec<PutQualityRule>,
}

/// A rule that is to be put in, or to give way to the contract's own.
#[derive(Debug, QueryVariables)]
pub struct PutRuleVariables {
    dataset: String,
    id: String,
    field: Option<String>,
    rule: Option<Value>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "PutRuleVariables")]
struct PutRule {
    #[arguments(dataset: $dataset, id: $id, field: $field, rule: $rule)]
    put_quality_rule: PutQualityRule,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product")]
struct Recheck {
    recheck_quality: Vec<QualityResult>,
}

impl Asked<'_> {
    /// The rules that the next run checks.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn quality_rules(self) -> Result<Vec<QualityRuleForm>, ClientError> {
        let data: Rules = ask(self.source, self.caller, &Rules::build(()), READ_LIMIT).await?;
        Ok(data.quality_rules)
    }

    /// What was found over time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quality_history(
        self,
        dataset: String,
        rule: Option<String>,
        first: i32,
    ) -> Result<Vec<PastQualityResult>, ClientError> {
        let operation = History::build(HistoryVariables { dataset, rule, first });
        let data: History = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(data.quality_history)
    }

    /// The forms of a rule that were put in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quality_rule_history(
        self,
        dataset: String,
        id: String,
        first: i32,
    ) -> Result<Vec<PutQualityRule>, ClientError> {
        let operation = RuleHistory::build(RuleHistoryVariables { dataset, id, first });
        let data: RuleHistory = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(data.quality_rule_history)
    }

    /// Put in a rule, or take it back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put_quality_rule(self, variables: PutRuleVariables) -> Result<PutQualityRule, ClientError> {
        let data: PutRule = ask(self.source, self.caller, &PutRule::build(variables), CHANGE_LIMIT).await?;
        Ok(data.put_quality_rule)
    }

    /// Check what is published again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn recheck_quality(self) -> Result<Vec<QualityResult>, ClientError> {
        let data: Recheck = ask(self.source, self.caller, &Recheck::build(()), RECHECK_LIMIT).await?;
        Ok(data.recheck_quality)
    }
}

/// Queries about quality.
#[derive(Debug, Default)]
pub struct QualityQuery;

#[Object]
impl QualityQuery {
    /// The quality rules that the next run of a product checks, as they can be put in again; for who may see its runs.
    async fn quality_rules(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<QualityRuleForm>> {
        asked(ctx, &product)?.quality_rules().await.map_err(refused)
    }

    /// What was found of the rules of a product's dataset, or of one of them, over time, the newest first.
    async fn quality_history(
        &self,
        ctx: &Context<'_>,
        product: ID,
        dataset: String,
        rule: Option<String>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<Vec<PastQualityResult>> {
        asked(ctx, &product)?.quality_history(dataset, rule, first).await.map_err(refused)
    }

    /// The forms of a product's quality rule that were put in at run time, the newest first.
    async fn quality_rule_history(
        &self,
        ctx: &Context<'_>,
        product: ID,
        dataset: String,
        id: String,
        #[graphql(default = 20)] first: i32,
    ) -> Result<Vec<PutQualityRule>> {
        asked(ctx, &product)?.quality_rule_history(dataset, id, first).await.map_err(refused)
    }
}

/// Mutations of quality.
#[derive(Debug, Default)]
pub struct QualityMutation;

#[Object]
impl QualityMutation {
    /// Put in a quality rule of a product's output dataset, or of a field of it, as the contract standard writes it. Without
    /// `rule`, the contract's own is back. The product decides whether you may.
    async fn put_quality_rule(
        &self,
        ctx: &Context<'_>,
        product: ID,
        dataset: String,
        id: String,
        field: Option<String>,
        rule: Option<Value>,
    ) -> Result<PutQualityRule> {
        let variables = PutRuleVariables { dataset, id, field, rule };
        asked(ctx, &product)?.put_quality_rule(variables).await.map_err(refused)
    }

    /// Check what a product has published again, by the rules that hold now; the product decides whether you may.
    async fn recheck_quality(&self, ctx: &Context<'_>, product: ID) -> Result<Vec<QualityResult>> {
        asked(ctx, &product)?.recheck_quality().await.map_err(refused)
    }
}
