//! Schedules: turns when a product pulls its input ports into the page on which that is changed.

use super::head::{Head, Outcome};
use crate::pages::asked::{Asking, PageError};
use crate::pages::frame::Frame;
use serde::Deserialize;
use serde_json::json;
use terrane_views::Moment;
use terrane_views::text::{html_id, moment};

const QUERY: &str = "query Schedules($id: ID!) { schedules(product: $id) {
  port schedule declared onPublish lastDue nextDue changedBy changedAt
} }";

/// The page.
#[derive(askama::Template)]
#[template(path = "admin/schedules.html")]
pub struct SchedulesPage {
    frame: Frame,
    head: Head,
    ports: Vec<Port>,
}

struct Port {
    name: String,
    anchor: String,
    /// The cron expression in force.
    schedule: Option<String>,
    declared: Option<String>,
    on_publish: bool,
    last: Option<Moment>,
    next: Option<Moment>,
    /// Who has changed it, and when.
    changed: Option<String>,
    /// What stands in the form.
    filled: String,
}

#[derive(Deserialize)]
struct Answer {
    schedules: Vec<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    port: String,
    schedule: Option<String>,
    declared: Option<String>,
    on_publish: bool,
    last_due: Option<String>,
    next_due: Option<String>,
    changed_by: Option<String>,
    changed_at: Option<String>,
}

impl SchedulesPage {
    /// The page of a product; none where the visitor may not see it. `filled` is what was filled in for which port.
    ///
    /// # Errors
    /// [`PageError::Failed`].
    pub async fn make(
        asking: &Asking,
        id: &str,
        filled: Option<(&str, &str)>,
        outcome: Outcome,
    ) -> Result<Option<Self>, PageError> {
        let Some((frame, head)) = Head::of(asking, id, "schedules", outcome).await? else { return Ok(None) };
        let said = asking.ask::<Answer>(QUERY, json!({ "id": id })).await?.into_data()?.schedules;
        Ok(Some(Self { frame, head, ports: said.into_iter().map(|said| port(said, filled)).collect() }))
    }
}

fn port(said: Said, filled: Option<(&str, &str)>) -> Port {
    let at = |text: &Option<String>| text.as_deref().and_then(moment);
    let changed = at(&said.changed_at).map(|when| {
        let who = said.changed_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
        format!("Changed{who} on {}", when.text)
    });
    let filled = filled.filter(|(port, _)| *port == said.port).map(|(_, text)| text.to_owned());
    Port {
        anchor: format!("port-{}", html_id(&said.port)),
        last: at(&said.last_due),
        next: at(&said.next_due),
        filled: filled.or_else(|| said.schedule.clone()).unwrap_or_default(),
        name: said.port,
        schedule: said.schedule,
        declared: said.declared,
        on_publish: said.on_publish,
        changed,
    }
}
