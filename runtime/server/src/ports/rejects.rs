//! Rejects: turns records of rows that were not taken in into what a caller may see of them.

use super::PortsContext;
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use terrane_manifest::Layer;
use terrane_store::RejectRecord;

/// A row that was not taken in, or one of the things that are wrong with it.
#[derive(SimpleObject, Debug, Clone)]
pub struct Reject {
    /// Its batch.
    pub batch: String,
    /// Its input dataset.
    pub dataset: String,
    /// Where it came from.
    pub origin: String,
    /// Whether the whole batch was refused; else it went on without the row.
    pub refused: bool,
    /// Which row of the batch, from 1; a header is row 0.
    pub row: i64,
    /// The field, where one value is wrong.
    pub field: Option<String>,
    /// The value as it came; null where there was none, and where you may not read it.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Reject {
    /// What the caller may see.
    pub fn shown(record: RejectRecord, context: &PortsContext) -> Self {
        let dataset = context.service.product().dataset(Layer::Input, &record.dataset);
        let field = record.field.as_deref().and_then(|name| Some((dataset?, dataset?.field(name)?)));
        let readable = field.is_some_and(|(d, f)| context.access.allows(&d.policy_object(f), "read"));
        Self {
            batch: record.batch.to_string(),
            dataset: record.dataset,
            origin: record.origin,
            refused: record.refused,
            row: record.row,
            field: record.field,
            value: record.value.filter(|_| readable),
            reason: record.reason,
            at: record.at,
        }
    }
}
