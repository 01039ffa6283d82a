//! Objects: turns the records of access into GraphQL objects.

use super::super::PortsContext;
use super::super::guard::internal;
use super::rights::actor;
use async_graphql::{Result, SimpleObject};
use chrono::{DateTime, Utc};
use terrane_manifest::AUTOMATIC;
use terrane_store as store;
use uuid::Uuid;

/// A role of the product that can be asked for.
#[derive(SimpleObject, Debug, Clone)]
pub struct AccessRole {
    /// Its name.
    pub role: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who approves a request for it, level by level.
    pub levels: Vec<ApprovalLevel>,
    /// Whether you have it now.
    pub held: bool,
}

/// A level of approval: one of its approvers is enough.
#[derive(SimpleObject, Debug, Clone)]
pub struct ApprovalLevel {
    /// From 1.
    pub level: i32,
    /// `role:NAME`, `subject:NAME` or `owner`.
    pub approvers: Vec<String>,
    /// Whether nobody has to approve it.
    pub automatic: bool,
}

/// The levels in order.
pub fn levels(chain: &[Vec<String>]) -> Vec<ApprovalLevel> {
    let level = |(index, approvers): (usize, &Vec<String>)| {
        let automatic = approvers.as_slice() == [AUTOMATIC];
        let approvers = if automatic { Vec::new() } else { approvers.clone() };
        ApprovalLevel { level: i32::try_from(index + 1).unwrap_or(i32::MAX), approvers, automatic }
    };
    chain.iter().enumerate().map(level).collect()
}

/// A request for access.
#[derive(SimpleObject, Debug, Clone)]
pub struct AccessRequest {
    /// Id.
    pub id: String,
    /// For whom.
    pub subject: String,
    /// Who asked.
    pub requested_by: String,
    /// The role that is asked for; or
    pub role: Option<String>,
    /// the fields, as `dataset.field`.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// For how long, in seconds, from the last approval on.
    pub seconds: i32,
    /// `pending`, `granted`, `denied` or `withdrawn`.
    pub state: String,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was decided.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who approves it, level by level.
    pub levels: Vec<ApprovalLevel>,
    /// The level that it waits for; null when it is decided.
    pub waits_for: Option<i32>,
    /// Whether you can approve it now.
    pub approvable: bool,
    /// What was done with it, in order.
    pub steps: Vec<AccessStep>,
    /// What it led to.
    pub grant: Option<AccessGrant>,
}

/// Requests with all that is to be said of them, by a question to the database for each kind of it.
///
/// # Errors
/// Internal ones, and `UNAUTHENTICATED`.
pub async fn tell_requests(context: &PortsContext, requests: Vec<store::AccessRequest>) -> Result<Vec<AccessRequest>> {
    let (actor, store) = (actor(context)?, context.service.store());
    let ids: Vec<Uuid> = requests.iter().map(|request| request.id).collect();
    let events = store.access_events(&ids, &[]).await.map_err(internal)?;
    let grants = store.grants_of_requests(&ids).await.map_err(internal)?;
    let tell = |request: store::AccessRequest| {
        let of_it = || events.iter().filter(|event| event.request_id == Some(request.id));
        let own = [&request.subject, &request.requested_by].contains(&&actor.subject);
        let has_approved = of_it().any(|e| e.step == "approved" && e.actor.as_ref() == Some(&actor.subject));
        let grant = grants.iter().find(|grant| grant.request_id == Some(request.id));
        AccessRequest {
            id: request.id.to_string(),
            approvable: !own && !has_approved && actor.is_among(&request.waits_for),
            steps: of_it().map(AccessStep::from).collect(),
            grant: grant.map(|grant| tell_grant(grant.clone(), &events)),
            seconds: i32::try_from(request.seconds).unwrap_or(i32::MAX),
            waits_for: (request.state == "pending").then_some(request.level + 1),
            levels: levels(&request.chain),
            requested_at: request.requested_at,
            ended_at: request.ended_at,
            subject: request.subject,
            requested_by: request.requested_by,
            role: request.role,
            fields: request.fields,
            purpose: request.purpose,
            state: request.state,
        }
    };
    Ok(requests.into_iter().map(tell).collect())
}

/// Grants with their steps.
///
/// # Errors
/// Internal ones.
pub async fn tell_grants(context: &PortsContext, grants: Vec<store::AccessGrant>) -> Result<Vec<AccessGrant>> {
    let ids: Vec<Uuid> = grants.iter().map(|grant| grant.id).collect();
    let events = context.service.store().access_events(&[], &ids).await.map_err(internal)?;
    Ok(grants.into_iter().map(|grant| tell_grant(grant, &events)).collect())
}

/// What somebody may do for a time.
#[derive(SimpleObject, Debug, Clone)]
pub struct AccessGrant {
    /// Id.
    pub id: String,
    /// The request that it answers; null where an owner granted it without one.
    pub request: Option<String>,
    /// To whom.
    pub subject: String,
    /// The role; or
    pub role: Option<String>,
    /// the fields, as `dataset.field`.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// Who granted it, or approved it last; null where nobody had to.
    pub granted_by: Option<String>,
    /// When.
    pub granted_at: DateTime<Utc>,
    /// Until when it holds, unless it is revoked before.
    pub expires_at: DateTime<Utc>,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    pub ended_by: Option<String>,
    /// What was done with it, in order.
    pub steps: Vec<AccessStep>,
}

fn tell_grant(grant: store::AccessGrant, events: &[store::AccessEvent]) -> AccessGrant {
    let now = if grant.expires_at <= Utc::now() { "expired" } else { "active" };
    let state = grant.ended_how.unwrap_or_else(|| now.to_owned());
    let of_it = events.iter().filter(|event| event.grant_id == Some(grant.id));
    AccessGrant {
        steps: of_it.map(AccessStep::from).collect(),
        id: grant.id.to_string(),
        request: grant.request_id.map(|id| id.to_string()),
        subject: grant.subject,
        role: grant.role,
        fields: grant.fields,
        purpose: grant.purpose,
        granted_by: grant.granted_by,
        granted_at: grant.granted_at,
        ended_at: grant.ended_at.or((state == "expired").then_some(grant.expires_at)),
        expires_at: grant.expires_at,
        state,
        ended_by: grant.ended_by,
    }
}

/// A step of a request or grant: it stays on record.
#[derive(SimpleObject, Debug, Clone)]
pub struct AccessStep {
    /// `requested`, `approved`, `denied`, `withdrawn`, `granted`, `revoked` or `expired`.
    pub step: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; null where it came about by itself.
    pub actor: Option<String>,
    /// Level of an approval or denial, from 1.
    pub level: Option<i32>,
    /// Why.
    pub reason: Option<String>,
}

impl From<&store::AccessEvent> for AccessStep {
    fn from(event: &store::AccessEvent) -> Self {
        Self {
            step: event.step.clone(),
            at: event.at,
            actor: event.actor.clone(),
            level: event.level,
            reason: event.reason.clone(),
        }
    }
}
