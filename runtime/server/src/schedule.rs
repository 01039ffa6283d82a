//! Schedules: turns the cron expressions of input ports, and publishes of the products that they read, into runs.
//!
//! Every replica of a product looks; a time that is due is claimed by one of them, in the product's database. A run pulls
//! every port: a source that has nothing new costs a question.

use crate::recheck::follow_rules;
use crate::service::ProductService;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;
use terrane_manifest::{InputPort, parse_schedule};
use terrane_pipeline::RunRequest;
use terrane_store::{RunTrigger, StoreError};

/// How often it is looked what is due.
pub const LOOKS: Duration = Duration::from_secs(10);
/// A run that failed because of what another product published is tried again after this long, and then after twice as
/// long each time, up to the longest.
const FIRST_RETRY: chrono::TimeDelta = chrono::TimeDelta::seconds(30);
const LONGEST_RETRY: chrono::TimeDelta = chrono::TimeDelta::hours(1);
/// The word that turns a schedule off.
pub const NEVER: &str = "never";

/// What one replica remembers between two looks.
#[derive(Debug, Default)]
pub struct Schedules {
    /// A claimed run that could not be put into the queue.
    waiting: bool,
    /// By port, the publish of its upstream that a run was started for, when it may be tried again, and how long after.
    tried: BTreeMap<String, (i64, DateTime<Utc>, chrono::TimeDelta)>,
}

/// Look every [`LOOKS`] what is due, pull it and check it, until the process ends.
pub async fn follow_schedules(service: ProductService) {
    tokio::join!(follow_ports(service.clone()), follow_rules(service));
}

async fn follow_ports(service: ProductService) {
    let mut schedules = Schedules::default();
    let mut looks = tokio::time::interval(LOOKS);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if service.is_stopping() {
            return;
        }
        schedules.look(&service, Utc::now()).await;
    }
}

impl Schedules {
    /// Run what is due at `now`, when its turn comes; true where a run has been made. What fails is logged, and looked at
    /// again.
    pub async fn look(&mut self, service: &ProductService, now: DateTime<Utc>) -> bool {
        let due = match self.claim(service, now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the schedules could not be read");
                return false;
            }
        };
        if self.waiting || due {
            return self.run(service, RunTrigger::Schedule).await;
        }
        let behind = self.behind(service, now).await;
        !behind.is_empty() && self.run(service, RunTrigger::Upstream).await
    }

    /// Whether a port's time has come, and nobody else has taken it.
    async fn claim(&mut self, service: &ProductService, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let records = service.store().schedules().await?;
        let mut due = false;
        for port in &service.product().input_ports {
            let record = records.iter().find(|r| r.port == port.name);
            let schedule = record.and_then(|r| r.schedule.as_deref()).or(port.schedule.as_deref());
            let Some(last) = schedule.and_then(|text| last_due(text, now)) else { continue };
            if record.is_none_or(|r| r.last_due < last) {
                due |= service.store().claim_schedule(&port.name, last).await?;
            }
        }
        Ok(due)
    }

    /// Ports whose upstream has published since they were pulled, and that may be tried (again).
    async fn behind(&mut self, service: &ProductService, now: DateTime<Utc>) -> Vec<String> {
        let mut behind = Vec::new();
        for port in service.product().input_ports.iter().filter(|p| p.on_publish) {
            match service.upstream_ahead(port).await {
                Ok(Some(version)) if self.may_try(port, version, now) => behind.push(port.name.clone()),
                Ok(_) => {}
                Err(error) => tracing::debug!(port = port.name, %error, "an upstream did not answer"),
            }
        }
        behind
    }

    fn may_try(&mut self, port: &InputPort, version: i64, now: DateTime<Utc>) -> bool {
        let after = match self.tried.get(&port.name) {
            Some((tried, at, _)) if *tried == version && *at > now => return false,
            Some((tried, _, after)) if *tried == version => (*after * 2).min(LONGEST_RETRY),
            _ => FIRST_RETRY,
        };
        self.tried.insert(port.name.clone(), (version, now + after, after));
        true
    }

    async fn run(&mut self, service: &ProductService, trigger: RunTrigger) -> bool {
        let request = RunRequest { trigger, by: None, pull: true };
        let run = service.run(&request).await;
        self.waiting = false;
        match run {
            Ok(run) => {
                tracing::info!(trigger = trigger.word(), run = %run.id, state = run.state, "a run was due");
                true
            }
            Err(error) => {
                tracing::warn!(%error, trigger = trigger.word(), "a run was due, and could not start");
                self.waiting = trigger == RunTrigger::Schedule;
                false
            }
        }
    }
}

/// The last time that the schedule was due, up to `now`.
pub(crate) fn last_due(schedule: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    parse_schedule(schedule)?.find_previous_occurrence(&now, true).ok()
}

/// The next time that it is due, after `now`.
pub fn next_due(schedule: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    parse_schedule(schedule)?.find_next_occurrence(&now, false).ok()
}
