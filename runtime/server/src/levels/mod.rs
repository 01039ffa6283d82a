//! Service levels: turns what contracts promise of availability, errors, times and freshness into what is measured of it against
//! real requests and runs.

mod alerts;

pub use alerts::{Alerts, watch_levels};

use crate::service::ProductService;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use terrane_manifest::{Contract, Layer, Product, Sla};
use terrane_pipeline::level_seconds;
use terrane_store::{QualityResult, StoreError, Traffic};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Days of requests that a level is measured over.
pub(crate) const WINDOW_DAYS: i64 = 30;
/// The share of requests that a `responseTime` speaks of.
const PERCENTILE: f64 = 0.95;
/// So long what was measured is told again.
const FRESH: Duration = Duration::from_secs(10);

/// A service level, and how it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    /// Names it among the product's.
    pub(crate) key: String,
    /// The contract that promises it, and its place there.
    pub(crate) contract: String,
    pub(crate) place: usize,
    pub(crate) property: String,
    pub(crate) element: Option<String>,
    pub(crate) description: Option<String>,
    /// What is promised, and in which unit; `measured` is in the same.
    pub(crate) target: f64,
    pub(crate) unit: String,
    pub(crate) measured: Option<f64>,
    /// Whether it is kept; none where it isn't known.
    pub(crate) met: Option<bool>,
    /// The share of the failures that are allowed that is left; below 0 where there were more. Of what has such.
    pub(crate) budget: Option<f64>,
    /// Requests that it was measured by.
    pub(crate) requests: Option<i64>,
    pub(crate) failed: Option<i64>,
}

/// What was measured last, of a product.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    last: Mutex<Option<(Instant, Arc<Vec<Level>>)>>,
}

/// What levels are measured by.
struct Measures<'m> {
    product: &'m Product,
    traffic: Traffic,
    /// When the last run that succeeded began.
    ran: Option<DateTime<Utc>>,
    quality: Vec<QualityResult>,
    now: DateTime<Utc>,
}

impl ProductService {
    /// The product's service levels as they were measured just now, or a moment ago.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn service_levels(&self) -> Result<Arc<Vec<Level>>, StoreError> {
        let mut last = self.levels().last.lock().await;
        if let Some((at, levels)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(levels));
        }
        let levels = Arc::new(self.measure_levels().await?);
        self.meters().levels(&levels);
        *last = Some((Instant::now(), Arc::clone(&levels)));
        Ok(levels)
    }

    /// The same, of all that was answered before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn service_levels_now(&self) -> Result<Arc<Vec<Level>>, StoreError> {
        if let Err(error) = self.audit().flush().await {
            tracing::warn!(%error, "service levels are measured without what waits for the database");
        }
        *self.levels().last.lock().await = None;
        self.service_levels().await
    }

    async fn measure_levels(&self) -> Result<Vec<Level>, StoreError> {
        let (store, now) = (self.store(), Utc::now());
        let measures = Measures {
            product: self.product(),
            traffic: store.traffic(now - TimeDelta::days(WINDOW_DAYS)).await?,
            ran: store.last_success().await?,
            quality: store.quality_results(None).await?,
            now,
        };
        let outputs = self.product().contracts.iter().filter(|contract| contract.layer == Layer::Output);
        let levels = outputs.flat_map(|c| c.sla.iter().enumerate().map(move |(place, sla)| (c, place, sla)));
        Ok(levels.filter_map(|(contract, place, sla)| measures.level(contract, place, sla)).collect())
    }
}

impl Measures<'_> {
    /// None where the promise is no number.
    fn level(&self, contract: &Contract, place: usize, sla: &Sla) -> Option<Level> {
        let target = sla.value.as_f64().or_else(|| sla.value.as_str()?.trim().parse().ok())?;
        let mut key = format!("{}.{}", contract.id, sla.property);
        if let Some(element) = &sla.element {
            key = format!("{key}.{element}");
        }
        let mut level = Level {
            key,
            contract: contract.id.clone(),
            place,
            property: sla.property.clone(),
            element: sla.element.clone(),
            description: sla.description.clone(),
            target,
            unit: sla.unit.clone().unwrap_or_default(),
            measured: None,
            met: None,
            budget: None,
            requests: None,
            failed: None,
        };
        match sla.property.as_str() {
            "availability" => self.share(&mut level, true),
            "errorRate" => self.share(&mut level, false),
            "responseTime" => self.response_time(&mut level),
            "freshness" | "latency" | "frequency" => self.age(&mut level, sla, contract),
            _ => {}
        }
        Some(level)
    }

    /// Of the requests, those that were answered, or those that failed; in percent.
    fn share(&self, level: &mut Level, of_answered: bool) {
        let scale = match level.unit.to_ascii_lowercase().as_str() {
            "percent" | "%" => 100.0,
            "" | "ratio" => 1.0,
            _ => return,
        };
        let fraction = level.target / scale;
        let Traffic { requests, failed, .. } = self.traffic;
        (level.requests, level.failed) = (Some(requests), Some(failed));
        let allowed = if of_answered { 1.0 - fraction } else { fraction };
        level.budget = Some(1.0);
        if requests == 0 {
            return;
        }
        let failing = failed as f64 / requests as f64;
        let share = if of_answered { 1.0 - failing } else { failing };
        level.measured = Some(share * scale);
        level.met = Some(failing <= allowed);
        // a promise of no failure at all has no budget to spend
        level.budget = Some(if allowed > 0.0 { 1.0 - failing / allowed } else { f64::from(u8::from(failed == 0)) });
    }

    fn response_time(&self, level: &mut Level) {
        let factor = match level.unit.to_ascii_lowercase().as_str() {
            "ms" | "millisecond" | "milliseconds" => 1.0,
            "s" | "second" | "seconds" => 1_000.0,
            _ => return,
        };
        level.requests = Some(self.traffic.requests);
        level.measured = self.traffic.percentile(PERCENTILE).map(|milliseconds| milliseconds / factor);
        level.met = level.measured.map(|measured| measured <= level.target);
    }

    /// How old what is served is: by the newest value of a field, where one is named, and else by the last run that succeeded.
    fn age(&self, level: &mut Level, sla: &Sla, contract: &Contract) {
        let Some(seconds) = level_seconds(sla).filter(|seconds| *seconds > 0.0) else { return };
        let unit = seconds / level.target;
        let field = sla.element.as_deref().and_then(|element| element.split_once('.'));
        let age = match field {
            Some((dataset, field)) => {
                let rule = format!("{dataset}.sla.{}.{field}", sla.property);
                let found = self.quality.iter().find(|result| result.rule == rule);
                found.and_then(|result| result.measured.trim().parse::<f64>().ok())
            }
            // what comes in as events is not as old as the last run
            None if self.takes_events(contract) => None,
            None => self.ran.map(|at| (self.now - at).num_milliseconds().max(0) as f64 / 1_000.0),
        };
        level.measured = age.map(|age| age / unit);
        level.met = age.map(|age| age <= seconds);
    }

    fn takes_events(&self, contract: &Contract) -> bool {
        let ports = self.product.output_ports.iter().filter(|port| port.contract == contract.id);
        let from = |id: &str| self.product.input_ports.iter().find(|port| port.contract == id);
        let mut inputs = ports.flat_map(|port| port.input_contracts.iter().filter_map(|(id, _)| from(id)));
        inputs.any(|port| !port.connector.is_pulled())
    }
}

impl Level {
    /// It in JSON, for who is told of it.
    pub(crate) fn message(&self, product: &str) -> Value {
        json!({
            "product": product, "level": self.key, "contract": self.contract, "property": self.property,
            "element": self.element, "promised": self.target, "unit": self.unit, "measured": self.measured,
            "met": self.met, "errorBudgetLeft": self.budget, "requests": self.requests, "failed": self.failed,
            "description": self.description,
        })
    }
}
