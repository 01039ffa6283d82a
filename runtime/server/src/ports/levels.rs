//! Service levels: turns what was measured of them into GraphQL objects.

use crate::levels::{Level, WINDOW_DAYS};
use async_graphql::SimpleObject;

/// A service level that a contract promises (ODCS `slaProperties`), and how it is kept.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceLevel {
    /// Names it: contract, property, and what it is about.
    level: String,
    /// The contract.
    contract: String,
    /// `availability`, `errorRate`, `responseTime`, `freshness`, `latency`, `frequency`, ….
    property: String,
    /// The dataset or field that it is about.
    element: Option<String>,
    /// What it means.
    description: Option<String>,
    /// What is promised.
    promised: f64,
    /// Unit of `promised` and `measured`.
    unit: String,
    /// What was measured; null where nothing is.
    measured: Option<f64>,
    /// Whether it is kept; null where that isn't known.
    met: Option<bool>,
    /// The share of the failures that it allows that is left; below 0 where there were more. Of `availability` and `errorRate`.
    error_budget_left: Option<f64>,
    /// Requests for data that it was measured by.
    requests: Option<i64>,
    /// Those that failed by no fault of who asked.
    failed: Option<i64>,
    /// Days of requests that are looked at.
    window_days: Option<i64>,
}

impl From<&Level> for ServiceLevel {
    fn from(level: &Level) -> Self {
        Self {
            level: level.key.clone(),
            contract: level.contract.clone(),
            property: level.property.clone(),
            element: level.element.clone(),
            description: level.description.clone(),
            promised: level.target,
            unit: level.unit.clone(),
            measured: level.measured,
            met: level.met,
            error_budget_left: level.budget,
            requests: level.requests,
            failed: level.failed,
            window_days: level.requests.map(|_| WINDOW_DAYS),
        }
    }
}
