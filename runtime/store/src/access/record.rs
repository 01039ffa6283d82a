//! Records of access: what a request, a grant and a step of them are in the database.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

/// Who takes a step.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Subject.
    pub subject: String,
    /// With which roles, those that were granted included.
    pub roles: Vec<String>,
    /// What the caller is among approvers: `subject:NAME`, `role:NAME`, `owner`.
    pub keys: Vec<String>,
    /// Whether policy lets the caller administer access.
    pub administers: bool,
}

impl Actor {
    /// Whether the actor is one of `approvers`.
    pub fn is_among(&self, approvers: &[String]) -> bool {
        self.keys.iter().any(|key| approvers.contains(key))
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// For whom.
    pub subject: String,
    /// A role; or
    pub role: Option<String>,
    /// fields of output datasets, as `dataset.field`.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// For how long.
    pub seconds: i64,
    /// The approvers of each level.
    pub chain: Vec<Vec<String>>,
}

/// What is granted without a request.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// To whom.
    pub subject: String,
    /// A role; or
    pub role: Option<String>,
    /// fields of output datasets, as `dataset.field`.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// For how long.
    pub seconds: i64,
    /// Who may end it beside the owner.
    pub approvers: Vec<String>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccessRequest {
    /// Id.
    pub id: Uuid,
    /// For whom.
    pub subject: String,
    /// Who asked.
    pub requested_by: String,
    /// With which roles.
    pub roles: Vec<String>,
    /// The role that is asked for; or
    pub role: Option<String>,
    /// the fields.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// For how long, in seconds.
    pub seconds: i64,
    /// The approvers of each level.
    pub chain: Json<Vec<Vec<String>>>,
    /// The level that it waits for, from 0.
    pub level: i32,
    /// The approvers that it waits for.
    pub waits_for: Vec<String>,
    /// The approvers of all levels.
    pub approvers: Vec<String>,
    /// `pending`, `granted`, `denied` or `withdrawn`.
    pub state: String,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was decided.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccessGrant {
    /// Id.
    pub id: Uuid,
    /// The request that it answers; none where an owner granted it by himself.
    pub request_id: Option<Uuid>,
    /// To whom.
    pub subject: String,
    /// The role; or
    pub role: Option<String>,
    /// the fields.
    pub fields: Vec<String>,
    /// What for.
    pub purpose: String,
    /// Who granted it, or approved last; none where nobody had to.
    pub granted_by: Option<String>,
    /// When.
    pub granted_at: DateTime<Utc>,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
    /// Who may end it beside the owner.
    pub approvers: Vec<String>,
    /// When it ended, as it is on record: one that has expired just now may not be yet.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// `expired` or `revoked`.
    pub ended_how: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccessEvent {
    /// Place in the record.
    pub position: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Of which request.
    pub request_id: Option<Uuid>,
    /// Of which grant.
    pub grant_id: Option<Uuid>,
    /// `requested`, `approved`, `denied`, `withdrawn`, `granted`, `revoked` or `expired`.
    pub step: String,
    /// Level of an approval or denial, from 1.
    pub level: Option<i32>,
    /// Who; none: it came about by itself.
    pub actor: Option<String>,
    /// With which roles.
    pub actor_roles: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A policy line that is in force.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PolicyLine {
    /// Whom it names.
    pub subject: String,
    /// The line's parts.
    pub line: Vec<String>,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
}

/// Whose requests and grants are looked at.
#[derive(Debug, Clone)]
pub struct View {
    /// Who looks: sees his own, and those that he approves.
    pub subject: String,
    /// What he is among approvers.
    pub keys: Vec<String>,
    /// Whether policy lets him see all.
    pub all: bool,
}
