//! Put: turns models and quality rules that came in at run time into records with their history, and gives back what holds.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;

/// A model's text as it was put in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PutModel {
    /// Place in the history of all.
    pub position: i64,
    /// Its path, as in a product folder.
    pub path: String,
    /// Its text; none gives way to the folder's own.
    pub sql: Option<String>,
    /// Hash of the folder's text that it was put in place of; none where the folder has none.
    pub base: Option<String>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

/// A quality rule as it was put in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PutRule {
    /// Place in the history of all.
    pub position: i64,
    /// Its output dataset.
    pub dataset: String,
    /// Its field; none is the dataset.
    pub field: Option<String>,
    /// Its id.
    pub rule: String,
    /// The rule as JSON; none gives way to the contract's own.
    pub text: Option<String>,
    /// Who put it in.
    pub put_by: Option<String>,
    /// When.
    pub put_at: DateTime<Utc>,
}

impl Store {
    /// The newest text of each model that was put in.
    ///
    /// # Errors
    /// [`StoreError::Database`], as of all below.
    pub async fn put_models(&self) -> Result<Vec<PutModel>, StoreError> {
        sqlx::query_as("SELECT DISTINCT ON (path) * FROM control.put_models ORDER BY path, position DESC")
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the models that were put in"))
    }

    /// The texts of one model that were put in, the newest first.
    pub async fn model_history(&self, path: &str, limit: i64) -> Result<Vec<PutModel>, StoreError> {
        sqlx::query_as("SELECT * FROM control.put_models WHERE path = $1 ORDER BY position DESC LIMIT $2")
            .bind(path)
            .bind(limit)
            .fetch_all(self.control())
            .await
            .map_err(StoreError::on("read the history of a model"))
    }

    /// Keep a model's text.
    pub async fn keep_model(
        &self,
        path: &str,
        sql: Option<&str>,
        base: Option<&str>,
        by: Option<&str>,
    ) -> Result<PutModel, StoreError> {
        sqlx::query_as("INSERT INTO control.put_models (path, sql, base, put_by) VALUES ($1, $2, $3, $4) RETURNING *")
            .bind(path)
            .bind(sql)
            .bind(base)
            .bind(by)
            .fetch_one(self.control())
            .await
            .map_err(StoreError::on("keep a model"))
    }

    /// The newest form of each rule that was put in.
    pub async fn put_rules(&self) -> Result<Vec<PutRule>, StoreError> {
        sqlx::query_as(
            "SELECT DISTINCT ON (dataset, rule) * FROM control.put_rules ORDER BY dataset, rule, position DESC",
        )
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the rules that were put in"))
    }

    /// The forms of one rule that were put in, the newest first.
    pub async fn rule_history(&self, dataset: &str, rule: &str, limit: i64) -> Result<Vec<PutRule>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM control.put_rules WHERE dataset = $1 AND rule = $2 ORDER BY position DESC LIMIT $3",
        )
        .bind(dataset)
        .bind(rule)
        .bind(limit)
        .fetch_all(self.control())
        .await
        .map_err(StoreError::on("read the history of a rule"))
    }

    /// Keep a rule.
    pub async fn keep_rule(
        &self,
        (dataset, field): (&str, Option<&str>),
        rule: &str,
        text: Option<&str>,
        by: Option<&str>,
    ) -> Result<PutRule, StoreError> {
        sqlx::query_as(
            "INSERT INTO control.put_rules (dataset, field, rule, text, put_by) VALUES ($1, $2, $3, $4, $5) RETURNING *",
        )
        .bind(dataset)
        .bind(field)
        .bind(rule)
        .bind(text)
        .bind(by)
        .fetch_one(self.control())
        .await
        .map_err(StoreError::on("keep a rule"))
    }
}
