//! Access: what a product says of requests for access and of grants through its standard ports, and the operations on them.
//!
//! Each struct is both the fragment that the typed client asks a product for, and the object that the catalog answers
//! with: the two are the same by construction.

use super::client::{ClientError, READ_LIMIT, ask, schema};
use super::timestamp::Timestamp;
use crate::subgraph::SubgraphSource;
use async_graphql::{ID, SimpleObject};
use cynic::{MutationBuilder as _, QueryBuilder as _, QueryFragment, QueryVariables};
use http::HeaderValue;

/// A role of a product that can be asked for.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
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
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct ApprovalLevel {
    /// From 1.
    pub level: i32,
    /// `role:NAME`, `subject:NAME` or `owner`.
    pub approvers: Vec<String>,
    /// Whether nobody has to approve it.
    pub automatic: bool,
}

/// A step of a request or grant: it stays on record.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(schema = "product")]
pub struct AccessStep {
    /// `requested`, `approved`, `denied`, `withdrawn`, `granted`, `revoked` or `expired`.
    pub step: String,
    /// When.
    pub at: Timestamp,
    /// Who; null where it came about by itself.
    pub actor: Option<String>,
    /// Level of an approval or denial, from 1.
    pub level: Option<i32>,
    /// Why.
    pub reason: Option<String>,
}

/// A request as its product tells it.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "AccessRequest", schema = "product")]
#[graphql(name = "ToldAccessRequest")]
pub struct ToldRequest {
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
    pub requested_at: Timestamp,
    /// When it was decided.
    pub ended_at: Option<Timestamp>,
    /// Who approves it, level by level.
    pub levels: Vec<ApprovalLevel>,
    /// The level that it waits for; null when it is decided.
    pub waits_for: Option<i32>,
    /// Whether you can approve it now.
    pub approvable: bool,
    /// What was done with it, in order.
    pub steps: Vec<AccessStep>,
    /// What it led to.
    pub grant: Option<RequestGrant>,
}

/// What a request led to.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "AccessGrant", schema = "product")]
pub struct RequestGrant {
    /// Id.
    pub id: String,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// Until when it holds, unless it is revoked before.
    pub expires_at: Timestamp,
}

/// A grant as its product tells it.
#[derive(Debug, Clone, QueryFragment, SimpleObject)]
#[cynic(graphql_type = "AccessGrant", schema = "product")]
#[graphql(name = "ToldAccessGrant")]
pub struct ToldGrant {
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
    pub granted_at: Timestamp,
    /// Until when it holds, unless it is revoked before.
    pub expires_at: Timestamp,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who revoked it.
    pub ended_by: Option<String>,
    /// What was done with it, in order.
    pub steps: Vec<AccessStep>,
}

/// A request for access to a product.
#[derive(Debug, Clone, SimpleObject)]
pub struct AccessRequest {
    /// Of which product.
    pub product: ID,
    #[graphql(flatten)]
    told: ToldRequest,
}

/// What somebody may do with a product for a time.
#[derive(Debug, Clone, SimpleObject)]
pub struct AccessGrant {
    /// Of which product.
    pub product: ID,
    #[graphql(flatten)]
    told: ToldGrant,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct Roles {
    access_roles: Vec<AccessRole>,
}

/// Which requests are looked for.
#[derive(Debug, Clone, QueryVariables)]
pub struct RequestsVariables {
    /// One of them.
    pub id: Option<String>,
    /// Those in a state.
    pub state: Option<String>,
    /// Those that the caller can approve now.
    pub waiting: bool,
    /// How many.
    pub first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "RequestsVariables")]
struct Requests {
    #[arguments(id: $id, state: $state, waiting: $waiting, first: $first)]
    access_requests: Vec<ToldRequest>,
}

/// Which grants are looked for.
#[derive(Debug, Clone, QueryVariables)]
pub struct GrantsVariables {
    /// Those of a subject.
    pub subject: Option<String>,
    /// Those in force.
    pub active: bool,
    /// How many.
    pub first: i32,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product", variables = "GrantsVariables")]
struct Grants {
    #[arguments(subject: $subject, active: $active, first: $first)]
    grants: Vec<ToldGrant>,
}

/// What is asked for.
#[derive(Debug, Clone, QueryVariables)]
pub struct RequestVariables {
    /// A role; or
    pub role: Option<String>,
    /// fields.
    pub fields: Option<Vec<String>>,
    /// For whom; none is the caller.
    pub subject: Option<String>,
    /// What for.
    pub purpose: String,
    /// For how long.
    pub duration: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "RequestVariables")]
struct Request {
    #[arguments(role: $role, fields: $fields, subject: $subject, purpose: $purpose, duration: $duration)]
    request_access: ToldRequest,
}

#[derive(Debug, QueryVariables)]
struct ApproveVariables {
    id: String,
    reason: Option<String>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "ApproveVariables")]
struct Approve {
    #[arguments(id: $id, reason: $reason)]
    approve_access: ToldRequest,
}

#[derive(Debug, QueryVariables)]
struct EndVariables {
    id: String,
    reason: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "EndVariables")]
struct Deny {
    #[arguments(id: $id, reason: $reason)]
    deny_access: ToldRequest,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "EndVariables")]
struct RevokeOfRequest {
    #[arguments(id: $id, reason: $reason)]
    revoke_access: ToldGrant,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "EndVariables")]
struct Revoke {
    #[arguments(id: $id, reason: $reason)]
    revoke: ToldGrant,
}

/// What is granted without a request.
#[derive(Debug, Clone, QueryVariables)]
pub struct GrantVariables {
    /// To whom.
    pub subject: String,
    /// A role; or
    pub role: Option<String>,
    /// fields.
    pub fields: Option<Vec<String>>,
    /// What for.
    pub purpose: String,
    /// For how long.
    pub duration: String,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Mutation", schema = "product", variables = "GrantVariables")]
struct Grant {
    #[arguments(subject: $subject, role: $role, fields: $fields, purpose: $purpose, duration: $duration)]
    grant: ToldGrant,
}

/// A product that is asked as somebody.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The product.
    pub source: &'a SubgraphSource,
    /// Who asks.
    pub caller: Option<&'a HeaderValue>,
}

impl Asked<'_> {
    /// The roles that can be asked for.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn roles(self) -> Result<Vec<AccessRole>, ClientError> {
        let data: Roles = ask(self.source, self.caller, &Roles::build(()), READ_LIMIT).await?;
        Ok(data.access_roles)
    }

    /// Requests.
    pub async fn requests(self, variables: RequestsVariables) -> Result<Vec<AccessRequest>, ClientError> {
        let data: Requests = ask(self.source, self.caller, &Requests::build(variables), READ_LIMIT).await?;
        Ok(data.access_requests.into_iter().map(|told| self.request_of(told)).collect())
    }

    /// Grants.
    pub async fn grants(self, variables: GrantsVariables) -> Result<Vec<AccessGrant>, ClientError> {
        let data: Grants = ask(self.source, self.caller, &Grants::build(variables), READ_LIMIT).await?;
        Ok(data.grants.into_iter().map(|told| self.grant_of(told)).collect())
    }

    /// Ask for access.
    pub async fn request(self, variables: RequestVariables) -> Result<AccessRequest, ClientError> {
        let data: Request = ask(self.source, self.caller, &Request::build(variables), READ_LIMIT).await?;
        Ok(self.request_of(data.request_access))
    }

    /// Approve a request.
    pub async fn approve(self, id: String, reason: Option<String>) -> Result<AccessRequest, ClientError> {
        let operation = Approve::build(ApproveVariables { id, reason });
        let data: Approve = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(self.request_of(data.approve_access))
    }

    /// Deny a request.
    pub async fn deny(self, id: String, reason: String) -> Result<AccessRequest, ClientError> {
        let data: Deny = ask(self.source, self.caller, &Deny::build(EndVariables { id, reason }), READ_LIMIT).await?;
        Ok(self.request_of(data.deny_access))
    }

    /// End the grant of a request.
    pub async fn revoke_access(self, id: String, reason: String) -> Result<AccessGrant, ClientError> {
        let operation = RevokeOfRequest::build(EndVariables { id, reason });
        let data: RevokeOfRequest = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(self.grant_of(data.revoke_access))
    }

    /// End a grant.
    pub async fn revoke(self, id: String, reason: String) -> Result<AccessGrant, ClientError> {
        let operation = Revoke::build(EndVariables { id, reason });
        let data: Revoke = ask(self.source, self.caller, &operation, READ_LIMIT).await?;
        Ok(self.grant_of(data.revoke))
    }

    /// Grant without a request.
    pub async fn grant(self, variables: GrantVariables) -> Result<AccessGrant, ClientError> {
        let data: Grant = ask(self.source, self.caller, &Grant::build(variables), READ_LIMIT).await?;
        Ok(self.grant_of(data.grant))
    }

    fn request_of(self, told: ToldRequest) -> AccessRequest {
        AccessRequest { product: ID::from(&self.source.name), told }
    }

    fn grant_of(self, told: ToldGrant) -> AccessGrant {
        AccessGrant { product: ID::from(&self.source.name), told }
    }
}
