//! Schedules: turns the ports' cron expressions and their records into GraphQL objects.

use crate::schedule::{NEVER, next_due};
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use terrane_manifest::{InputPort, Product};
use terrane_store::ScheduleRecord;

/// When an input port is pulled.
#[derive(SimpleObject, Debug, Clone)]
pub struct Schedule {
    /// The input port.
    pub port: String,
    /// The cron expression in force, of five fields, in UTC; null: it is pulled on demand only.
    pub schedule: Option<String>,
    /// The descriptor's.
    pub declared: Option<String>,
    /// Whether it is also pulled when the product that it reads publishes.
    pub on_publish: bool,
    /// When it was due last.
    pub last_due: Option<DateTime<Utc>>,
    /// When it is due next.
    pub next_due: Option<DateTime<Utc>>,
    /// Who has changed it from the descriptor's.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<DateTime<Utc>>,
}

/// The schedules of all ports that are pulled.
pub fn schedules(product: &Product, records: &[ScheduleRecord], now: DateTime<Utc>) -> Vec<Schedule> {
    let pulled = product.input_ports.iter().filter(|p| p.connector.is_pulled());
    pulled.map(|port| schedule(port, records.iter().find(|r| r.port == port.name), now)).collect()
}

/// The schedule of one port.
pub fn schedule(port: &InputPort, record: Option<&ScheduleRecord>, now: DateTime<Utc>) -> Schedule {
    let changed = record.and_then(|r| r.schedule.as_deref());
    let schedule = changed.or(port.schedule.as_deref()).filter(|text| *text != NEVER);
    Schedule {
        port: port.name.clone(),
        next_due: schedule.and_then(|text| next_due(text, now)),
        schedule: schedule.map(str::to_owned),
        declared: port.schedule.clone(),
        on_publish: port.on_publish,
        last_due: record.map(|r| r.last_due),
        changed_by: record.filter(|_| changed.is_some()).and_then(|r| r.changed_by.clone()),
        changed_at: record.filter(|_| changed.is_some()).and_then(|r| r.changed_at),
    }
}
