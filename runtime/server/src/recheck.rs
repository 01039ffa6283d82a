//! Re-checks: turns the schedules of quality rules into checks of what is published, between runs.
//!
//! As with the schedules of ports, every replica looks, and each time that is due is claimed by one of them.

use crate::schedule::{LOOKS, last_due};
use crate::service::ProductService;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use terrane_pipeline::PipelineError;

/// Look every [`LOOKS`] which rules are due, and check them, until the process ends.
pub(crate) async fn follow_rules(service: ProductService) {
    let mut looks = tokio::time::interval(LOOKS);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if service.is_stopping() {
            return;
        }
        if let Err(error) = check_due_rules(&service, Utc::now()).await {
            tracing::warn!(product = %service.product().id, %error, "rules were due, and could not be checked");
        }
    }
}

/// Check the rules that are due at `now`, against what is published; how many results came of it. What is found is kept,
/// and a rule that fails is logged: what is published stays.
///
/// # Errors
/// [`PipelineError`]; the rules are checked again when they are due the next time.
pub async fn check_due_rules(service: &ProductService, now: DateTime<Utc>) -> Result<usize, PipelineError> {
    let mut due = BTreeSet::new();
    for scheduled in service.pipeline().scheduled_rules().await? {
        let Some(last) = last_due(&scheduled.schedule, now) else { continue };
        if service.store().claim_recheck(&scheduled.dataset, &scheduled.rule, last).await? {
            due.insert((scheduled.dataset, scheduled.rule));
        }
    }
    if due.is_empty() {
        return Ok(0);
    }
    let results = service.pipeline().recheck(Some(&due)).await?;
    for failed in results.iter().filter(|result| result.status == "failed") {
        let (product, rule, dataset) = (&service.product().id, &failed.rule, &failed.dataset);
        tracing::warn!(%product, rule, dataset, severity = failed.severity, "what is published fails a rule");
    }
    Ok(results.len())
}
